//! Running a machine. The execution, each branch and iteration, and each child has a frame of its own.

mod branch;
mod callee;
mod checkpoint;
mod choice;
mod context;
mod distributed;
mod evaluate;
mod events;
mod flow;
mod frame;
mod inline;
mod inspector;
mod limits;
mod map;
mod parallel;
mod recovery;
mod task;
mod task_set;
pub(crate) mod trial;
mod wait;

use std::sync::Arc;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::digest;
use crate::error::{Halt, Stop};
use crate::execution::{Outcome, Start};
use crate::failure::Failure;
use crate::host::Host;
use crate::journal::{Change, Ending, EntryKind, FORMAT, Journal, JournalError, Key, Owner, micros, moment};
use crate::machine::Machine;
use crate::tokens::TaskTokens;
use context::Identity;
pub(crate) use context::iso;
use inspector::{Inspector, NoInspector};

/// The services that all frames of an execution share.
struct Runtime {
    host: Arc<dyn Host>,
    journal: Journal,
    tokens: TaskTokens,
    /// Cancelled with the caller's token, and when a frame cannot continue.
    cancel: CancellationToken,
    inspector: Box<dyn Inspector>,
}

/// Runs the machine, or continues the execution that the journal holds. For an execution that has ended, its
/// outcome is returned again.
///
/// When `cancel` is cancelled, waits end at once and no new task is called; running tasks are awaited (see
/// [`crate::TaskCall::cancel`]). Dropping the future has the effect of a crash: everything in the journal is
/// kept.
///
/// # Errors
///
/// [`Stop::Interrupted`] if `cancel` was cancelled or a task was interrupted, [`Stop::Fault`] if the journal
/// cannot be used or belongs to another execution, or for a bug.
pub async fn run(
    machine: Arc<Machine>,
    start: Start,
    host: Arc<dyn Host>,
    journal: Journal,
    cancel: CancellationToken,
) -> Result<Outcome, Stop> {
    let mut owner = claim(&machine, &start, &*host, &journal).await?;
    if let Some(outcome) = owner.outcome {
        return Ok(outcome.into());
    }
    let started = moment(owner.started);
    let deadline = started + limits::duration(&machine, start.execution_type);
    let runtime = Arc::new(Runtime {
        host,
        journal,
        tokens: start.tokens.clone(),
        cancel: cancel.child_token(),
        inspector: Box::new(NoInspector),
    });
    let identity = Arc::new(Identity::of_execution(start, started));
    identity.record_started();
    let frame = frame::Frame::new(Key::root(), identity.clone());
    let running = frame::run(runtime.clone(), machine.scope.clone(), frame, identity.input.clone());
    let result = tokio::select! {
        biased;
        ended = running => match ended {
            Ok(done) => identity.events.check_end().map(|()| done).map_err(Some),
            Err(Halt::Failed(failure)) => Err(Some(failure)),
            Err(Halt::Stopped(stop)) => return Err(stop),
        },
        () = runtime.host.sleep_until(deadline) => Err(None),
    };
    identity.record_ended(&*runtime.host, &result);
    let outcome = match result {
        Ok(done) => Ending::Succeeded(done.output),
        Err(Some(failure)) => Ending::Failed(failure),
        Err(None) => Ending::TimedOut,
    };
    owner.outcome = Some(outcome.clone());
    let ended = Change::put(EntryKind::Owner, &Key::root(), &owner)?;
    runtime.journal.end(ended).await?;
    Ok(outcome.into())
}

impl Runtime {
    /// Sleeps until `moment`; without a moment it never returns.
    async fn sleep_until(&self, moment: Option<OffsetDateTime>) {
        match moment {
            Some(moment) => self.host.sleep_until(moment).await,
            None => std::future::pending().await,
        }
    }
}

/// Makes this execution the owner of a new journal, or checks that it is the owner of an existing one.
async fn claim(
    machine: &Machine,
    start: &Start,
    host: &dyn Host,
    journal: &Journal,
) -> Result<Owner, JournalError> {
    let input = digest::hex(&Sha256::digest(start.input.to_string()));
    if let Some(owner) = journal.owner()? {
        let differs = if owner.definition != machine.hash {
            "definition"
        } else if owner.input != input {
            "input"
        } else if owner.execution != start.id {
            "execution"
        } else {
            return Ok(owner);
        };
        return Err(JournalError::Foreign(differs));
    }
    let owner = Owner {
        format: FORMAT,
        definition: machine.hash.clone(),
        input,
        execution: start.id.clone(),
        started: micros(host.now()),
        outcome: None,
    };
    journal.commit(vec![Change::put(EntryKind::Owner, &Key::root(), &owner)?]).await?;
    Ok(owner)
}

impl From<Ending> for Outcome {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Succeeded(output) => Outcome::Succeeded(output),
            Ending::Failed(Failure { error, cause, .. }) => Outcome::Failed { error, cause },
            Ending::TimedOut => Outcome::TimedOut,
        }
    }
}
