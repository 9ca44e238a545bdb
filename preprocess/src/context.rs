//! The step's dependencies: the store, the clock, an observer of the progress, and the signals that stop it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use job::{Environment, Job, StepError};
use tokio_util::sync::CancellationToken;

use job::run::lease::Executions;

use crate::split_object::HeldSplits;

/// What a job must be where it runs, apart from what is wrong everywhere.
#[async_trait]
pub trait CheckJob: Send + Sync {
    /// Checks a job before its input is split.
    ///
    /// # Errors
    /// `Job.Invalid`: what is wrong, and what to do. `Storage.Unavailable` if that cannot be found out now.
    async fn check(&self, name: &str, job: &Job) -> Result<(), StepError>;
}

/// The step's dependencies, made once per process.
#[derive(Clone)]
pub struct Context {
    /// The client of the store.
    pub s3: Client,
    /// Knows whether an execution has ended.
    pub executions: Arc<dyn Executions>,
    /// Called with the progress of the split: lines and bytes.
    pub progress: Arc<dyn Fn(u64, u64) + Send + Sync>,
    /// The clock: milliseconds since 1970.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The shortest wait before the step asks for the job's lease again.
    pub lease_wait: Duration,
    /// Where the step runs.
    pub environment: Environment,
    /// Whether the command line can ask the user what a run keeps of the run before it. Nobody can be asked on AWS and
    /// on a server: an upload of new content is sent as a whole there, unless its job says otherwise.
    pub interactive: bool,
    /// What else a job must be where it runs.
    pub check: Option<Arc<dyn CheckJob>>,
    /// The splits that wait in this process for their next call.
    pub held: HeldSplits,
    /// Ends the step early.
    pub stop: CancellationToken,
    /// Cancelled when the call's time is nearly over: the rest of the split is left to the next call.
    pub pause: CancellationToken,
}
