//! What is left to do when the report is written.

use job::run::LeaseHolder;
use job::{StepError, keys};

use crate::run::Run;

/// Removes what only a redrive would need. The claim, the job file and the plan stay: the same event finds a finished run.
pub(crate) async fn remove_temporary(run: &Run) -> Result<(), StepError> {
    for folder in ["items/", "results/", "manifest/", "stop/", "checkpoint/"] {
        run.objects.delete_prefix(&format!("{}{folder}", run.keys.prefix())).await?;
    }
    Ok(())
}

/// Lets the job's next run begin.
pub(crate) async fn release_turn(run: &Run) -> Result<(), StepError> {
    let key = keys::lease(&run.run.job);
    let turn =
        run.objects.find(&key).await?.and_then(|turn| serde_json::from_slice::<LeaseHolder>(&turn).ok());
    if turn.is_some_and(|turn| turn.run == run.run.id) {
        run.objects.delete(&key).await?;
    }
    Ok(())
}
