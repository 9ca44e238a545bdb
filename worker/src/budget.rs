//! The memory that a process gives to responses, in bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// A permit is this many bytes.
const UNIT: usize = 1024;
/// What every response has room for from the beginning.
const FIRST: usize = 16 << 10;
/// The part of all room that one provider's responses may take.
const SHARE: u32 = 4;

/// Room is taken as bytes come, not as a response says that they will. A quarter is kept for the first bytes of each response, so
/// that small responses do not wait for large ones; of the rest, each provider has a share. A response that outgrows its
/// provider's share goes on alone among that provider's, and one that outgrows everything goes on alone among all: no two wait
/// for each other, and the budget is exceeded by at most one largest response.
pub(crate) struct Budget {
    first: Arc<Semaphore>,
    rest: Arc<Pool>,
    /// The most that is taken from the rest at once.
    units: u32,
    shares: Mutex<HashMap<String, Weak<Pool>>>,
}

struct Pool {
    free: Arc<Semaphore>,
    alone: Arc<tokio::sync::Mutex<()>>,
}

impl Pool {
    fn new(units: u32) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(units as usize)), alone: Arc::default() })
    }
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).max(4);
        let first = (units / SHARE).max(FIRST.div_ceil(UNIT) as u32);
        let rest = units - units / SHARE;
        Self {
            first: Arc::new(Semaphore::new(first as usize)),
            rest: Pool::new(rest),
            units: rest,
            shares: Mutex::default(),
        }
    }

    /// Waits for room for the first bytes of a response of this provider.
    pub(crate) async fn reserve(self: &Arc<Self>, provider: String) -> Reservation {
        let first = self.first.clone().acquire_many_owned(FIRST.div_ceil(UNIT) as u32).await.ok();
        Reservation {
            budget: self.clone(),
            provider,
            first,
            share: None,
            shared: None,
            rest: None,
            alone: Vec::new(),
            bytes: FIRST,
        }
    }

    fn share(&self, provider: &str) -> Arc<Pool> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(provider).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= 1024 {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Pool::new((self.units / SHARE).max(1));
        shares.insert(provider.to_owned(), Arc::downgrade(&share));
        share
    }
}

/// Room for one response; given back when dropped.
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    provider: String,
    #[expect(dead_code, reason = "given back when dropped")]
    first: Option<OwnedSemaphorePermit>,
    /// Looked up when it is needed: most responses are small.
    share: Option<Arc<Pool>>,
    shared: Option<OwnedSemaphorePermit>,
    rest: Option<OwnedSemaphorePermit>,
    /// Whom it goes on alone among: first its provider's responses, then all.
    alone: Vec<OwnedMutexGuard<()>>,
    bytes: usize,
}

impl Reservation {
    /// Whether this many bytes have room already.
    pub(crate) fn holds(&self, bytes: usize) -> bool {
        bytes <= self.bytes
    }

    /// Makes room for this many bytes in all; doubles, so that it is rarely asked.
    pub(crate) async fn grow(&mut self, bytes: usize) {
        let wanted = bytes.max(self.bytes.saturating_mul(2)) - self.bytes;
        let more = u32::try_from(wanted.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let share = self.share.get_or_insert_with(|| self.budget.share(&self.provider));
        if self.alone.is_empty() && !take(&share.free, more, &mut self.shared) {
            self.alone.push(share.alone.clone().lock_owned().await);
        }
        if take(&self.budget.rest.free, more, &mut self.rest) {
            self.bytes += more as usize * UNIT;
        } else {
            self.alone.push(self.budget.rest.alone.clone().lock_owned().await);
            self.bytes = usize::MAX;
        }
    }
}

fn take(free: &Arc<Semaphore>, units: u32, held: &mut Option<OwnedSemaphorePermit>) -> bool {
    match free.clone().try_acquire_many_owned(units) {
        Ok(permits) => {
            match held {
                Some(held) => held.merge(permits),
                none => *none = Some(permits),
            }
            true
        }
        Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn waits(growing: impl Future<Output = ()>) -> bool {
        timeout(Duration::from_secs(1), growing).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_takes_its_share_leaves_the_others_theirs() {
        let budget = Arc::new(Budget::new(16 << 20));
        // The rest is 12 MiB, a share 3 MiB.
        let mut greedy = [
            budget.reserve("a".into()).await,
            budget.reserve("a".into()).await,
            budget.reserve("a".into()).await,
        ];
        greedy[0].grow(2 << 20).await;
        greedy[1].grow(2 << 20).await;
        greedy[1].grow(5 << 20).await;
        assert!(waits(greedy[2].grow(2 << 20)).await, "another of the same provider goes on alone");
        let mut other = budget.reserve("b".into()).await;
        assert!(!waits(other.grow(2 << 20)).await);
        drop(greedy);
        let mut large = budget.reserve("c".into()).await;
        let mut larger = budget.reserve("d".into()).await;
        large.grow(40 << 20).await;
        assert!(waits(larger.grow(40 << 20)).await, "one at a time goes beyond the budget");
        assert!(!waits(other.grow(5 << 20)).await);
        drop(large);
        assert!(!waits(larger.grow(40 << 20)).await);
        assert!(
            !waits(async { drop(budget.reserve("e".into()).await) }).await,
            "small responses have room of their own"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_reserved_is_given_back() {
        let budget = Arc::new(Budget::new(1 << 20));
        let (first, rest) = (budget.first.available_permits(), budget.rest.free.available_permits());
        for n in 0..3000 {
            let mut room = budget.reserve(n.to_string()).await;
            room.grow(100_000).await;
        }
        assert_eq!((budget.first.available_permits(), budget.rest.free.available_permits()), (first, rest));
        assert!(budget.shares.lock().expect("a lock").len() <= 1025);
    }
}
