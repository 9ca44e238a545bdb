//! The input object while it is read.

use bytes::Bytes;
use job::store::RangesAhead;
use job::{Download, StorageError};

/// The input object: one response where the store is in this process, ranges where it is behind a network.
pub(super) enum Input {
    Stream(Box<Download>),
    Ranges(RangesAhead),
}

impl Input {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// Errors of the store.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        match self {
            Self::Stream(download) => download.next().await,
            Self::Ranges(ranges) => ranges.next().await,
        }
    }
}
