//! The owner of a journal: its execution, from the start to the end.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::context::Identity;
use crate::digest;
use crate::execution::{ExecutionType, Start};
use crate::failure::Failure;
use crate::host::Host;
use crate::journal::{
    Batch, Change, Done, Ended, Ending, EntryKind, FORMAT, Journal, JournalError, Key, Owner, micros, moment,
};
use crate::machine::Machine;
use crate::outcome::Outcome;

/// The first batch of an execution that begins at this time. [`run`] makes it by itself; a host that writes it
/// together with its own record of the start has both in one batch. Its event is for a store that keeps the
/// events.
///
/// # Errors
///
/// It does not fail today.
pub fn beginning(machine: &Machine, start: &Start, at: OffsetDateTime) -> Result<Batch, JournalError> {
    let owner = owner_of(machine, start, at);
    let identity = Identity::of_execution(start.clone(), moment(owner.started));
    Ok(Batch::of(vec![owner.put()?], vec![identity.started_event()]))
}

pub(super) struct Claim {
    pub(super) owner: Owner,
    /// Whether the journal has no owner yet.
    pub(super) is_new: bool,
}

/// Makes this execution the owner of a new journal, or checks that it is the owner of an existing one.
pub(super) fn claim(
    machine: &Machine,
    start: &Start,
    host: &dyn Host,
    journal: &Journal,
) -> Result<Claim, JournalError> {
    let new = owner_of(machine, start, host.now());
    let Some(owner) = journal.owner()? else { return Ok(Claim { owner: new, is_new: true }) };
    let differs = if owner.definition != new.definition {
        "definition"
    } else if owner.input != new.input {
        "input"
    } else if owner.execution != new.execution {
        "execution"
    } else {
        return Ok(Claim { owner, is_new: false });
    };
    Err(JournalError::Foreign(differs))
}

fn owner_of(machine: &Machine, start: &Start, at: OffsetDateTime) -> Owner {
    Owner {
        format: FORMAT,
        definition: machine.hash.clone(),
        input: digest::hex(&Sha256::digest(start.input.to_string())),
        execution: start.id.clone(),
        started: micros(at),
        outcome: None,
        stopped: None,
        is_standard: start.execution_type == ExecutionType::Standard,
        redrives: 0,
        redriven: None,
    }
}

/// How the outermost frame ended.
pub(super) enum Finish {
    Succeeded(Done),
    Failed(Failure),
    TimedOut,
    Aborted(Failure),
}

impl Owner {
    /// The end of the execution, if it has ended.
    pub(super) fn ended(&self) -> Option<Ended> {
        let outcome = self.outcome.clone()?.into();
        // A journal of an earlier version does not have the time.
        Some(Ended { outcome, at: moment(self.stopped.unwrap_or(self.started)) })
    }

    pub(super) fn put(&self) -> Result<Change, JournalError> {
        Change::put(EntryKind::Owner, &Key::root(), self)
    }

    /// Ends the execution. Returns the change of the journal.
    pub(super) fn end(
        &mut self,
        finish: Finish,
        at: OffsetDateTime,
    ) -> Result<(Change, Ended), JournalError> {
        let ending = match finish {
            Finish::Succeeded(done) => Ending::Succeeded(done.output),
            Finish::Failed(failure) => Ending::Failed(failure),
            Finish::TimedOut => Ending::TimedOut,
            Finish::Aborted(failure) => Ending::Aborted(failure),
        };
        self.outcome = Some(ending.clone());
        self.stopped = Some(micros(at));
        Ok((self.put()?, Ended { outcome: ending.into(), at }))
    }
}

impl From<Ending> for Outcome {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Succeeded(output) => Outcome::Succeeded(output),
            Ending::Failed(Failure { error, cause, .. }) => Outcome::Failed { error, cause },
            Ending::TimedOut => Outcome::TimedOut,
            Ending::Aborted(Failure { error, cause, .. }) => Outcome::Aborted { error, cause },
        }
    }
}
