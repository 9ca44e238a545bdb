//! Who owns a run, and whose turn it is among the runs of a job.

use async_trait::async_trait;
use job::messages::{Claim, RunRef, TurnHolder};
use job::{ErrorName, Objects, StepError, keys};

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
    Ok(if found.execution == ours.execution { Owner::Us(found.started) } else { Owner::Other(found.execution) })
}

/// Takes the job's turn for this run: `None` when it is ours now, or else the execution whose turn it is.
pub(crate) async fn take_turn(
    objects: &Objects,
    executions: &dyn Executions,
    run: &RunRef,
    execution: &str,
) -> Result<Option<String>, StepError> {
    let key = keys::turn(&run.job);
    let ours = TurnHolder { run: run.id.clone(), execution: execution.to_owned() };
    let body = serde_json::to_vec(&ours).expect("a turn is always JSON");
    loop {
        if objects.put_if_absent(&key, body.clone()).await? {
            return Ok(None);
        }
        let Some(facts) = find_head(objects, &key).await? else { continue };
        let Some(found) = objects.find(&key).await? else { continue };
        let holder: TurnHolder = serde_json::from_slice(&found).map_err(|error| damaged(&key, &error))?;
        if holder == ours {
            return Ok(None);
        }
        if !executions.ended(&holder.execution).await? {
            return Ok(Some(holder.execution));
        }
        if objects.put_if_match(&key, body.clone(), &facts).await? {
            return Ok(None);
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
        format!("{key} is not what this version writes: {error}. Remove it, or use a new state folder or bucket"),
    )
}
