//! Who owns a run, and whose turn it is among the runs of a job.

use std::time::Duration;

use async_trait::async_trait;
use job::run::{Claim, LeaseHolder, RunRef, StopMarker};
use job::{ErrorName, Objects, RunKeys, StepError, keys};

use crate::{Context, Home};

/// Tells whether an execution has ended. On AWS that is `DescribeExecution`; on one machine every execution
/// but the caller's own has ended, since the caller holds the state folder's lock.
#[async_trait]
pub trait Executions: Send + Sync {
    /// Whether the execution is known to have ended.
    ///
    /// # Errors
    /// When it can't be told.
    async fn ended(&self, execution: &str) -> Result<bool, StepError>;
}

/// Who owns the run.
pub(crate) enum Owner {
    /// Since then, milliseconds since 1970.
    Us(u64),
    Other(String),
}

/// Claims the run, or finds who did. The claim is a conditional PUT: of two executions one wins.
pub(crate) async fn claim(objects: &Objects, run: &RunRef, ours: Claim) -> Result<Owner, StepError> {
    let key = run.keys().claim(run.generation);
    let body = serde_json::to_vec(&ours).expect("a claim is always JSON");
    if objects.put_if_absent(&key, body).await? {
        return Ok(Owner::Us(ours.started));
    }
    let found = objects.get(&key).await?;
    let found: Claim = serde_json::from_slice(&found).map_err(|error| damaged(&key, &error))?;
    Ok(if found.execution == ours.execution {
        Owner::Us(found.started)
    } else {
        Owner::Other(found.execution)
    })
}

/// Whose turn it is.
pub(crate) enum Turn {
    Ours,
    /// Another execution's.
    Of(String),
    /// Ours, as soon as the workers of this execution, which was aborted, must have ended.
    Settling(String, Duration),
}

/// Takes the job's turn for this run. An execution that ended without giving its turn back was aborted, and Step Functions
/// does not stop the functions that it had called: they are told to end, and for `settle` have time to.
pub(crate) async fn take_turn(
    context: &Context,
    objects: &Objects,
    run: &RunRef,
    execution: &str,
    settle: Duration,
) -> Result<Turn, StepError> {
    let key = keys::lease(&run.job);
    let ours = |not_before| LeaseHolder {
        run: run.id.clone(),
        generation: run.generation,
        execution: execution.to_owned(),
        not_before,
    };
    let body = |ours: &LeaseHolder| serde_json::to_vec(ours).expect("a turn is always JSON");
    loop {
        if objects.put_if_absent(&key, body(&ours(0))).await? {
            return Ok(Turn::Ours);
        }
        let Some(facts) = find_head(objects, &key).await? else { continue };
        let Some(found) = objects.find(&key).await? else { continue };
        let holder: LeaseHolder = serde_json::from_slice(&found).map_err(|error| damaged(&key, &error))?;
        if holder.execution == execution {
            let left = Duration::from_millis(holder.not_before.saturating_sub((context.now)()));
            return Ok(if left.is_zero() { Turn::Ours } else { Turn::Settling(holder.execution, left) });
        }
        if !context.executions.ended(&holder.execution).await? {
            return Ok(Turn::Of(holder.execution));
        }
        // On one machine workers end with their process, and the run that they belong to may be continued. A run without a
        // plan, such as one that failed at its beginning, has no workers.
        let keys = RunKeys::new(&run.job, &holder.run);
        let settles = context.home == Home::Aws && objects.find(&keys.plan()).await?.is_some();
        if settles {
            StopMarker::place(objects, &keys.stop_run(holder.generation), "its execution was aborted")
                .await?;
        }
        let left = if settles { settle } else { Duration::ZERO };
        let until = if left.is_zero() {
            0
        } else {
            (context.now)() + u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
        };
        if objects.put_if_match(&key, body(&ours(until)), &facts).await? {
            return Ok(if left.is_zero() { Turn::Ours } else { Turn::Settling(holder.execution, left) });
        }
    }
}

async fn find_head(objects: &Objects, key: &str) -> Result<Option<String>, StepError> {
    match objects.head(key).await {
        Ok(facts) => Ok(Some(facts.etag)),
        Err(error) if error.kind == job::objects::StorageErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn damaged(key: &str, error: &serde_json::Error) -> StepError {
    StepError::new(
        ErrorName::RunDamaged,
        format!(
            "{key} is not what this version writes: {error}. Remove it, or use a new state folder or bucket"
        ),
    )
}
