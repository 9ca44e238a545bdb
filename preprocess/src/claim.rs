//! The claim, by which an execution owns a run, and the lease, by which only one run of a job sends at a
//! time.
//!
//! In keys and messages the lease is called `turn`.

use std::time::Duration;

use async_trait::async_trait;
use job::run::{Claim, FORMAT, LeaseHolder, RunRef, StopMarker, read_file};
use job::{Objects, RunKeys, StepError, keys};

use crate::Context;
use job::Environment;

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

/// Who owns the run.
pub(crate) enum Owner {
    /// This execution, since then: milliseconds since 1970.
    Us(u64),
    /// Another execution.
    Other(String),
}

/// Claims the run, or finds its owner. The claim is a conditional PUT: of two executions only one succeeds.
///
/// # Errors
/// `Run.UnknownFormat` or `Run.Damaged` if the claim cannot be read, and errors of the store.
pub(crate) async fn claim(objects: &Objects, run: &RunRef, ours: Claim) -> Result<Owner, StepError> {
    let key = run.keys().claim(run.generation);
    let body = serde_json::to_vec(&ours).expect("a claim is always JSON");
    if objects.put_if_absent(&key, body).await? {
        return Ok(Owner::Us(ours.started));
    }
    let found = objects.get(&key).await?;
    let found: Claim = read_file(&found, &key, "a claim")?;
    Ok(if found.execution == ours.execution {
        Owner::Us(found.started)
    } else {
        Owner::Other(found.execution)
    })
}

/// Who holds the job's lease.
pub(crate) enum Lease {
    Ours,
    /// Another execution holds it.
    HeldBy(String),
    /// It is ours, but an execution was aborted whose workers may still send for this long.
    Draining(String, Duration),
}

/// Acquires the job's lease for this run. An execution that ended without releasing the lease was aborted,
/// and Step Functions does not stop the functions that it had called: a stop marker tells them to end, and
/// they have the time `drain` for that.
///
/// # Errors
/// `Run.UnknownFormat` or `Run.Damaged` if the lease cannot be read, and errors of the store.
pub(crate) async fn acquire_lease(
    context: &Context,
    objects: &Objects,
    run: &RunRef,
    execution: &str,
    drain: Duration,
) -> Result<Lease, StepError> {
    let ours = |not_before| LeaseHolder {
        format: FORMAT,
        run: run.id.clone(),
        generation: run.generation,
        execution: execution.to_owned(),
        not_before,
    };
    let body = |ours: &LeaseHolder| serde_json::to_vec(ours).expect("a lease is always JSON");
    loop {
        // An earlier lease is never acquired anew: once it is released, the lease is at its own key.
        let earlier = keys::earlier_lease(&run.job);
        let key = if find_head(objects, &earlier).await?.is_some() { earlier } else { keys::lease(&run.job) };
        if key == keys::lease(&run.job) && objects.put_if_absent(&key, body(&ours(0))).await? {
            return Ok(Lease::Ours);
        }
        let Some(facts) = find_head(objects, &key).await? else { continue };
        let Some(found) = objects.find(&key).await? else { continue };
        let holder: LeaseHolder = read_file(&found, &key, "a lease")?;
        if holder.execution == execution {
            let left = Duration::from_millis(holder.not_before.saturating_sub((context.now)()));
            return Ok(if left.is_zero() { Lease::Ours } else { Lease::Draining(holder.execution, left) });
        }
        if !context.executions.ended(&holder.execution).await? {
            return Ok(Lease::HeldBy(holder.execution));
        }
        // On one machine workers end with their process, and the run that they belong to may be continued. A
        // run without a plan has no workers: it may have failed at its beginning.
        let keys = RunKeys::new(&run.job, &holder.run);
        let has_workers =
            context.environment == Environment::Aws && objects.find(&keys.plan()).await?.is_some();
        if has_workers {
            StopMarker::place(objects, &keys.stop_run(holder.generation), "its execution was aborted")
                .await?;
        }
        let left = if has_workers { drain } else { Duration::ZERO };
        let until = if left.is_zero() {
            0
        } else {
            (context.now)() + u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
        };
        if objects.put_if_match(&key, body(&ours(until)), &facts).await? {
            return Ok(if left.is_zero() { Lease::Ours } else { Lease::Draining(holder.execution, left) });
        }
    }
}

async fn find_head(objects: &Objects, key: &str) -> Result<Option<String>, StepError> {
    match objects.head(key).await {
        Ok(facts) => Ok(Some(facts.etag)),
        Err(error) if error.kind == job::store::StorageErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
