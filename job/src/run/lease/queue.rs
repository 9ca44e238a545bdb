//! The queue of a lease: an object for each run that waits, named by the time at which it came.

use super::{Applicant, Lease, LeaseOf};
use crate::error::StepError;
use crate::run::{Environment, RunRef};
use crate::store::{Entry, Objects};

impl Applicant<'_> {
    /// The first execution of the queue that has not ended, if it is another one.
    pub(super) async fn first_in_queue(&self) -> Result<Option<Lease>, StepError> {
        if self.environment == Environment::Local || self.objects.list(&self.of.queue()).await?.is_empty() {
            return Ok(None);
        }
        let before = self.place().await?;
        for (n, key) in before.iter().enumerate() {
            let Some(waiting) = self.read(key).await? else { continue };
            if !self.executions.ended(&waiting.execution).await? {
                let ahead = (before.len() - n) as u64;
                return Ok(Some(Lease::Taken { by: waiting.execution, ahead }));
            }
            self.objects.delete(key).await?;
        }
        Ok(None)
    }

    /// The objects before this execution's own in the queue, which it joins if it has not yet done so.
    pub(super) async fn place(&self) -> Result<Vec<String>, StepError> {
        if self.environment == Environment::Local {
            return Ok(Vec::new());
        }
        let queue = self.of.queue();
        loop {
            let mut before: Vec<String> = keys_of(self.objects.list(&queue).await?);
            if let Some(own) = before.iter().position(|key| is_place_of(key, self.run)) {
                before.truncate(own);
                return Ok(before);
            }
            let [first, second] = self.came;
            let key = format!("{queue}{first:015}-{second:015}{}", ending(self.run));
            self.objects.put_if_absent(&key, self.body(0)).await?;
        }
    }

    pub(super) async fn leave_queue(&self) -> Result<(), StepError> {
        if self.environment == Environment::Local {
            return Ok(());
        }
        leave(self.objects, self.of, self.run).await
    }
}

/// Removes a run's objects from a queue. Two calls at once may have written one each.
///
/// # Errors
/// Errors of the store.
pub(super) async fn leave(objects: &Objects, of: LeaseOf<'_>, run: &RunRef) -> Result<(), StepError> {
    for key in keys_of(objects.list(&of.queue()).await?) {
        if is_place_of(&key, run) {
            objects.delete(&key).await?;
        }
    }
    Ok(())
}

/// Whether the object of a queue with this key says that this run waits.
pub fn is_place_of(key: &str, run: &RunRef) -> bool {
    key.ends_with(&ending(run))
}

/// The end of the keys of a run's objects in a queue.
fn ending(run: &RunRef) -> String {
    format!("-{}-{:04}.json", run.id, run.generation)
}

fn keys_of(entries: Vec<Entry>) -> Vec<String> {
    entries.into_iter().map(|entry| entry.key).collect()
}
