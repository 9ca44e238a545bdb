//! Ending an execution that no process runs, and running an ended one again.

use serde_json::json;
use time::OffsetDateTime;

use super::events;
use super::owner::Finish;
use crate::failure::Failure;
use crate::history::Event;
use crate::journal::{Ended, Ending, FORMAT, Journal, JournalError, micros};

/// Why an execution cannot be redriven.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedriveError {
    /// The journal has no execution.
    #[error("there is no execution")]
    Unknown,
    /// It has not ended.
    #[error("Execution is RUNNING and cannot be redriven")]
    Running,
    /// It has succeeded.
    #[error("Execution is SUCCEEDED and cannot be redriven")]
    Succeeded,
    /// Its journal keeps nothing: it is an Express execution, an earlier version has begun it, or the journal is not
    /// over a store of the host.
    #[error(
        "the execution is of the type Express, or an earlier version has begun it: nothing is kept of it"
    )]
    NothingKept,
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Journal {
    /// Aborts an execution that no process runs, as [`crate::Abort`] does. Returns its end, which is durable; an
    /// execution that had ended keeps its own. Returns None if the journal has no execution.
    ///
    /// # Errors
    ///
    /// If the journal cannot be used.
    pub async fn abort(
        &self,
        error: &str,
        cause: &str,
        at: OffsetDateTime,
    ) -> Result<Option<Ended>, JournalError> {
        let Some(mut owner) = self.owner()? else { return Ok(None) };
        if let Some(end) = owner.ended() {
            return Ok(Some(end));
        }
        let failure = Failure::new(error, cause);
        if let Some(count) = self.begin()? {
            self.record(|| Some(events::aborted(count + 1, &failure, at)));
        }
        let (change, end) = owner.end(Finish::Aborted(failure), at)?;
        let keeps = owner.is_standard && self.keeps_entries();
        self.end(change, &end, keeps).await?;
        if !keeps {
            self.clear()?;
        }
        Ok(Some(end))
    }

    /// Makes a Standard execution that failed, timed out or was aborted run again from where it was: the next
    /// [`crate::run`] continues it. The states, branches, iterations and children that have succeeded keep their
    /// results. The others are run again, with all their retries; the time limit begins anew. Returns the number of
    /// redrives so far, which is durable.
    ///
    /// Only a store of the host keeps what this needs, until the host removes the execution's entries.
    ///
    /// # Errors
    ///
    /// [`RedriveError`] if there is nothing to be run again.
    pub async fn redrive(&self, at: OffsetDateTime) -> Result<u32, RedriveError> {
        let mut owner = self.owner()?.ok_or(RedriveError::Unknown)?;
        match owner.outcome {
            None => return Err(RedriveError::Running),
            Some(Ending::Succeeded(_)) => return Err(RedriveError::Succeeded),
            Some(_) if !owner.is_standard || !self.keeps_entries() => return Err(RedriveError::NothingKept),
            Some(_) => {}
        }
        owner.outcome = None;
        owner.stopped = None;
        owner.redrives += 1;
        owner.redriven = Some(micros(at));
        owner.format = FORMAT;
        if let Some(count) = self.begin()? {
            let details = ("executionRedrivenEventDetails", json!({"redriveCount": owner.redrives}));
            self.record(|| {
                let (id, kind) = (count + 1, "ExecutionRedriven".into());
                Some(Event { id, previous: 0, timestamp: at, kind, details: Some(details) })
            });
        }
        self.commit(vec![owner.put()?]).await?;
        Ok(owner.redrives)
    }
}
