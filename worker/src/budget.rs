//! The memory budget of a process for responses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// Bytes of one permit.
const UNIT: usize = 1024;
/// Bytes that every response reserves at the beginning.
const FIRST: usize = 16 << 10;
/// One provider's responses may take one part in this many of the budget.
const SHARE: u32 = 4;

/// A response reserves memory as its bytes arrive, whatever length it declares. A quarter of the budget is
/// kept for the first bytes of responses, so that small responses do not wait for large ones. Each provider
/// may take a share of the rest. A response that outgrows its provider's share continues alone among that
/// provider's responses. A response that outgrows the budget continues alone among all responses. So no two
/// responses wait for each other, and at most one exceeds the budget.
pub(crate) struct Budget {
    first: Arc<Semaphore>,
    rest: Arc<Pool>,
    /// Permits of `rest`.
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

    /// Waits for memory for the first bytes of a response of this provider.
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

/// The memory of one response; released when dropped.
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    provider: String,
    #[expect(dead_code, reason = "released when dropped")]
    first: Option<OwnedSemaphorePermit>,
    /// Found when it is first needed, since most responses are small.
    share: Option<Arc<Pool>>,
    shared: Option<OwnedSemaphorePermit>,
    rest: Option<OwnedSemaphorePermit>,
    /// The locks of a response that continues alone: first among its provider's responses, then among all.
    alone: Vec<OwnedMutexGuard<()>>,
    bytes: usize,
}

impl Reservation {
    /// Whether this many bytes are reserved already.
    pub(crate) fn holds(&self, bytes: usize) -> bool {
        bytes <= self.bytes
    }

    /// Reserves this many bytes in all. Each time it at least doubles, so that it is rarely called.
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
    async fn one_provider_cannot_use_up_the_budget_of_others() {
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
    async fn reservations_are_released() {
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
