//! What the step needs from outside.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// What the step needs from outside.
#[derive(Clone)]
pub struct Context {
    /// The store of everything.
    pub s3: aws_sdk_s3::Client,
    /// Sizes, and where the step runs.
    pub settings: Settings,
    /// Cancelled when the process is to end; the step then fails with `Run.Interrupted` and can be called again.
    pub stop: CancellationToken,
    /// Cancelled when the call's time is nearly over: what is left is then left to the next call.
    pub pause: CancellationToken,
    /// Called with the number of lines merged so far, about once per [`Settings::piece`] of output at most.
    pub progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
    /// Milliseconds since 1970.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// Sizes, and where the step runs. The defaults are meant for everyone but tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Where the step runs.
    pub home: Home,
    /// Bytes of items and results in memory, over all lanes; with many lanes exceeded by six [`Settings::piece`] each.
    pub memory: u64,
    /// A batch whose flush objects have more bytes is merged by their positions, and so is one that finds no room in memory.
    pub whole_batch: u64,
    /// Bytes of the smallest range that is worth a request of its own.
    pub piece: u64,
}

impl Settings {
    /// Bytes of rows that are handed on together.
    pub(crate) fn rows(&self) -> usize {
        usize::try_from(self.piece.saturating_mul(2)).unwrap_or(usize::MAX)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { home: Home::Local, memory: 24 << 20, whole_batch: 16 << 20, piece: 128 << 10 }
    }
}

#[doc(hidden)]
pub use job::Environment as Home;
