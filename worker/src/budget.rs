//! The bytes of responses that a process holds at once.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// A permit is this many bytes.
const UNIT: usize = 1024;
/// Reserved for an answer that does not say how long it is.
const UNKNOWN: usize = 16 << 10;

/// Answers reserve their size before they are read. One that outgrows its reservation while nothing is left goes on
/// alone, so that no two wait for each other: the budget is exceeded by at most one largest answer.
pub(crate) struct Budget {
    units: u32,
    free: Arc<Semaphore>,
    alone: Arc<Mutex<()>>,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX);
        Self { units, free: Arc::new(Semaphore::new(units as usize)), alone: Arc::default() }
    }

    /// Waits for room for an answer of this length.
    pub(crate) async fn reserve(self: &Arc<Self>, length: Option<u64>) -> Reservation {
        let bytes = length.map_or(UNKNOWN, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let units = self.units_of(bytes);
        let permits = self.free.clone().acquire_many_owned(units).await.ok();
        Reservation { budget: self.clone(), permits, alone: None, bytes: units as usize * UNIT }
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.units)
    }
}

/// Room for one answer; given back when dropped.
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    permits: Option<OwnedSemaphorePermit>,
    alone: Option<OwnedMutexGuard<()>>,
    bytes: usize,
}

impl Reservation {
    /// Whether this many bytes have room already.
    pub(crate) fn holds(&self, bytes: usize) -> bool {
        bytes <= self.bytes
    }

    /// Makes room for this many bytes in all; doubles, so that it is rarely asked.
    pub(crate) async fn grow(&mut self, bytes: usize) {
        let more = self.budget.units_of(bytes.max(self.bytes * 2).saturating_sub(self.bytes));
        match self.budget.free.clone().try_acquire_many_owned(more) {
            Ok(permits) => {
                self.bytes += more as usize * UNIT;
                match &mut self.permits {
                    Some(held) => held.merge(permits),
                    none => *none = Some(permits),
                }
            }
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                self.alone = Some(self.budget.alone.clone().lock_owned().await);
                self.bytes = usize::MAX;
            }
        }
    }
}
