//! The step's dependencies: the store, the clock, an observer of the progress, and the signals that stop it.

use job::Environment;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// The step's dependencies, made once per process.
#[derive(Clone)]
pub struct Context {
    /// The client of the store.
    pub s3: aws_sdk_s3::Client,
    /// Sizes, and where the step runs.
    pub settings: Settings,
    /// Ends the step early: it fails with `Run.Interrupted` and can be called again.
    pub stop: CancellationToken,
    /// Cancelled when the call's time is nearly over: the rest of the merge is left to the next call.
    pub pause: CancellationToken,
    /// Called with the number of lines merged so far, at most about once per [`Settings::piece`] of output.
    pub progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
    /// The clock: milliseconds since 1970.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// Sizes, and where the step runs. The defaults are for one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Where the step runs.
    pub environment: Environment,
    /// Bytes of items and results in memory, over all lanes. Many lanes exceed it by five [`Settings::piece`]
    /// and [`Settings::ahead`] more each.
    pub memory: u64,
    /// A batch with more bytes of results is merged by its index, and so is a batch for which there is no
    /// room in memory.
    pub whole_batch: u64,
    /// Bytes of the smallest range that is worth a separate request.
    pub piece: u64,
    /// Ranges of a lane's items, and batches of its results, that are fetched at a time.
    pub ahead: usize,
}

impl Settings {
    /// For the function, which has 1,769 MB. A request to S3 takes tens of milliseconds, however little it reads.
    pub const FUNCTION: Self = Self {
        environment: Environment::Aws,
        memory: 512 << 20,
        whole_batch: 64 << 20,
        piece: 1 << 20,
        ahead: 4,
    };

    /// Bytes of rows that are written together.
    pub(crate) fn rows(&self) -> usize {
        usize::try_from(self.piece.saturating_mul(2)).unwrap_or(usize::MAX)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            environment: Environment::Local,
            memory: 24 << 20,
            whole_batch: 16 << 20,
            piece: 128 << 10,
            ahead: 1,
        }
    }
}
