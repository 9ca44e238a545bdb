//! Leases: of a job, and on AWS of each limit that several jobs may name. One execution at a time holds a
//! lease. The others wait, and get it in the order in which they came.
//!
//! A lease is an object that is written by a conditional PUT. An execution that waits has an object in the
//! lease's queue, whose name begins with the time at which it came. Only the first execution of the queue that
//! has not ended takes the lease, so an execution that was aborted blocks nobody. The order is that of the
//! objects that a listing shows; that only one execution holds the lease rests on the conditional PUT alone.

mod queue;
mod wait;

use std::time::Duration;

use async_trait::async_trait;

use super::{Environment, FORMAT, LeaseHolder, RunKeys, RunRef, StopMarker, keys, read_file};
use crate::error::StepError;
use crate::file::Job;
use crate::store::{Objects, StorageErrorKind};

pub use queue::is_place_of;
pub use wait::{Asking, Wait};

/// How long a worker on AWS may still send after its execution was aborted, without the job's timeout: a
/// batch takes about a minute, and the worker looks for a stop marker with each flush.
const DRAIN: Duration = Duration::from_secs(90);

/// How long a worker on AWS may still send after its execution was aborted: it ends when the requests under
/// way have ended.
pub fn drain(job: &Job) -> Duration {
    DRAIN + job.request.timeout
}

/// Knows whether an execution has ended. On AWS that is `DescribeExecution`. On one machine every execution
/// of the job but the caller's own has ended, since the caller holds the job's lock in the state folder.
#[async_trait]
pub trait Executions: Send + Sync {
    /// Whether the execution is known to have ended.
    ///
    /// # Errors
    /// When that cannot be determined.
    async fn ended(&self, execution: &str) -> Result<bool, StepError>;
}

/// What a lease is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseOf<'a> {
    /// A job: one run of it at a time sends requests.
    Job(&'a str),
    /// A limit: one lane at a time sends requests, whatever its job.
    Limit(&'a str),
}

impl LeaseOf<'_> {
    fn key(self) -> String {
        match self {
            Self::Job(job) => keys::lease(job),
            Self::Limit(limit) => keys::limit_lease(limit),
        }
    }

    fn queue(self) -> String {
        match self {
            Self::Job(job) => keys::lease_queue(job),
            Self::Limit(limit) => keys::limit_queue(limit),
        }
    }
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// The execution that asks.
    Ours,
    /// Another execution holds it, or comes first.
    Taken {
        /// That execution.
        by: String,
        /// How many executions come before the one that asks; at least 1.
        ahead: u64,
    },
    /// The execution that asks holds it, but another one was aborted whose workers may still send.
    Draining {
        /// The aborted execution in the call that takes its lease, and the one that asks in later calls.
        holder: String,
        /// How long they may.
        left: Duration,
    },
}

/// An execution that wants a lease.
#[derive(Clone, Copy)]
pub struct Applicant<'a> {
    /// The store.
    pub objects: &'a Objects,
    /// Knows which executions have ended.
    pub executions: &'a dyn Executions,
    /// Where the run takes place. Only on AWS do workers outlive their execution, and only there is a queue:
    /// on one machine the processes wait for a lock.
    pub environment: Environment,
    /// Milliseconds since 1970.
    pub now: u64,
    /// The lease.
    pub of: LeaseOf<'a>,
    /// The run.
    pub run: &'a RunRef,
    /// The execution.
    pub execution: &'a str,
    /// When it came, in milliseconds since 1970. Of two that came at the same first time the second decides.
    pub came: [u64; 2],
    /// How long the workers of the run may still send after its execution was aborted, see [`drain`].
    pub drain: Duration,
}

impl Applicant<'_> {
    /// Takes the lease if it is this execution's turn, and joins the queue otherwise.
    ///
    /// An execution that ended without releasing the lease was aborted, and Step Functions does not stop the
    /// functions that it had called: a stop marker tells them to end, and they have the time `drain` for that.
    ///
    /// # Errors
    /// `Run.UnknownFormat` or `Run.Damaged` if an object of the lease cannot be read, and errors of the store.
    pub async fn acquire(&self) -> Result<Lease, StepError> {
        loop {
            let key = self.key().await?;
            let tag = self.tag(&key).await?;
            let holder = self.read(&key).await?;
            if let Some(holder) = &holder {
                if holder.execution == self.execution {
                    return Ok(self.ours(holder, holder.not_before));
                }
                if !self.executions.ended(&holder.execution).await? {
                    let ahead = 1 + self.place().await?.len() as u64;
                    return Ok(Lease::Taken { by: holder.execution.clone(), ahead });
                }
            }
            if let Some(first) = self.first_in_queue().await? {
                return Ok(first);
            }
            let taken = match (holder, tag) {
                (None, None) if key == self.of.key() => {
                    let taken = self.objects.put_if_absent(&key, self.body(0)).await?;
                    taken.then_some(Lease::Ours)
                }
                (Some(holder), Some(tag)) => {
                    let until = self.take_over(&key, &holder, &tag).await?;
                    until.map(|until| self.ours(&holder, until))
                }
                // It has changed between two requests.
                _ => None,
            };
            if let Some(lease) = taken {
                self.leave_queue().await?;
                return Ok(lease);
            }
        }
    }

    /// Whether the execution holds the lease, and no worker of an aborted one may still send. It takes one
    /// request.
    ///
    /// # Errors
    /// As [`Self::acquire`].
    pub async fn holds(&self) -> Result<bool, StepError> {
        let holder = self.read(&self.of.key()).await?;
        Ok(holder.is_some_and(|holder| holder.execution == self.execution && holder.not_before <= self.now))
    }

    fn ours(&self, holder: &LeaseHolder, not_before: u64) -> Lease {
        match not_before.saturating_sub(self.now) {
            0 => Lease::Ours,
            left => Lease::Draining { holder: holder.execution.clone(), left: Duration::from_millis(left) },
        }
    }

    /// The key of the lease. The lease of an earlier version is never acquired anew: once it is released, the
    /// lease is at its own key.
    async fn key(&self) -> Result<String, StepError> {
        if let LeaseOf::Job(job) = self.of {
            let earlier = keys::earlier_lease(job);
            if self.tag(&earlier).await?.is_some() {
                return Ok(earlier);
            }
        }
        Ok(self.of.key())
    }

    /// Takes the lease of an execution that has ended. Returns the time until which its workers may still send.
    async fn take_over(&self, key: &str, before: &LeaseHolder, tag: &str) -> Result<Option<u64>, StepError> {
        let Self { objects, run, .. } = self;
        let job = if before.job.is_empty() { &run.job } else { &before.job };
        // A run without a plan has no workers: it may have failed at its beginning. The workers of this run's
        // own job had ended before it got the lease of the job.
        let keys = RunKeys::new(job, &before.run);
        let drained = matches!(self.of, LeaseOf::Limit(_)) && *job == run.job;
        let has_workers =
            self.environment == Environment::Aws && !drained && objects.find(&keys.plan()).await?.is_some();
        // It may itself have waited for the workers of an aborted one.
        let mut until = if before.not_before > self.now { before.not_before } else { 0 };
        if has_workers {
            StopMarker::place(objects, &keys.stop_run(before.generation), "its execution was aborted")
                .await?;
            let drain = Duration::from_secs(before.drain_seconds).max(match self.of {
                LeaseOf::Job(_) => self.drain,
                LeaseOf::Limit(_) => Duration::ZERO,
            });
            until = until.max(self.now + u64::try_from(drain.as_millis()).unwrap_or(u64::MAX));
        }
        Ok(objects.put_if_match(key, self.body(until), tag).await?.then_some(until))
    }

    fn body(&self, not_before: u64) -> Vec<u8> {
        let holder = LeaseHolder {
            format: FORMAT,
            job: self.run.job.clone(),
            run: self.run.id.clone(),
            generation: self.run.generation,
            execution: self.execution.to_owned(),
            not_before,
            drain_seconds: self.drain.as_secs(),
        };
        serde_json::to_vec(&holder).expect("a lease is always JSON")
    }

    async fn read(&self, key: &str) -> Result<Option<LeaseHolder>, StepError> {
        self.objects.find(key).await?.map(|found| read_file(&found, key, "a lease")).transpose()
    }

    async fn tag(&self, key: &str) -> Result<Option<String>, StepError> {
        match self.objects.head(key).await {
            Ok(facts) => Ok(Some(facts.etag)),
            Err(error) if error.kind == StorageErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Releases a lease if this run holds it, so that the next run of the queue can take it.
///
/// # Errors
/// Errors of the store.
pub async fn release(objects: &Objects, of: LeaseOf<'_>, run: &RunRef) -> Result<(), StepError> {
    queue::leave(objects, of, run).await?;
    let earlier = match of {
        LeaseOf::Job(job) => Some(keys::earlier_lease(job)),
        LeaseOf::Limit(_) => None,
    };
    for key in [of.key()].into_iter().chain(earlier) {
        let found = objects.find(&key).await?;
        let holder: Option<LeaseHolder> = found.and_then(|lease| read_file(&lease, &key, "a lease").ok());
        if holder.is_some_and(|holder| holder.run == run.id && holder.generation == run.generation) {
            objects.delete(&key).await?;
        }
    }
    Ok(())
}
