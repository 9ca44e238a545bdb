//! The claim, by which an execution owns a run.

use job::run::{Claim, RunRef, read_file};
use job::{Objects, StepError};

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
