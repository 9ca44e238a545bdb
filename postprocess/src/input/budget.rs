//! How much may be fetched ahead.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::context::Settings;

/// Bytes of one permit of the pool.
const PERMIT: u64 = 1 << 10;

/// How much may be fetched ahead: all lanes together stay near [`Settings::memory`].
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    /// Bytes of items of one request; up to two are in memory for each lane.
    pub(super) items: u64,
    /// Bytes of records in one chunk of a batch that is not in memory as a whole; up to three are for each lane.
    pub(super) window: u64,
    /// Requests at the same time, for each lane.
    pub(super) fetches: usize,
    whole_batch: u64,
    /// What all lanes share: batches that are in memory as a whole.
    pool: Arc<Semaphore>,
}

impl Budget {
    pub(crate) fn new(settings: &Settings, lanes: usize) -> Self {
        let lanes = lanes.max(1);
        let pool = settings.memory / 3 * 2;
        let piece = (settings.memory - pool) / (6 * lanes as u64);
        let piece = piece.clamp(settings.piece, settings.piece.max(1 << 20));
        Self {
            items: piece,
            window: piece,
            fetches: (32 / lanes).clamp(2, 16),
            whole_batch: settings.whole_batch,
            pool: Arc::new(Semaphore::new(
                usize::try_from(pool / PERMIT).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS),
            )),
        }
    }

    /// Room for a batch in memory. Nobody waits for it, since the lane that holds it may be waiting for this one:
    /// a batch without room is merged by positions.
    pub(super) fn room_for(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes.div_ceil(PERMIT)).ok()?;
        if bytes > self.whole_batch { None } else { self.pool.clone().try_acquire_many_owned(permits).ok() }
    }
}
