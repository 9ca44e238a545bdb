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
use crate::execution::Start;
use crate::failure::Failure;
use crate::host::Host;
use crate::journal::{
    Batch, Change, Ended, Ending, EntryKind, FORMAT, Journal, JournalError, Key, Owner, micros, moment,
};
use crate::machine::Machine;
use crate::outcome::Outcome;
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
    let Claim { mut owner, is_new } = claim(&machine, &start, &*host, &journal)?;
    if let Some(outcome) = owner.outcome {
        return Ok(outcome.into());
    }
    let kept_events = journal.begin()?;
    let started = moment(owner.started);
    let deadline = started + limits::duration(&machine, start.execution_type);
    let runtime = Arc::new(Runtime {
        host,
        journal,
        tokens: start.tokens.clone(),
        cancel: cancel.child_token(),
        inspector: Box::new(NoInspector),
    });
    let mut identity = Identity::of_execution(start, started);
    if let Some(count) = kept_events {
        identity.events.keep_in(runtime.journal.clone(), count);
    }
    if kept_events.is_none_or(|count| count == 0) {
        identity.record_started();
    }
    if is_new {
        runtime.journal.commit(vec![Change::put(EntryKind::Owner, &Key::root(), &owner)?]).await?;
    }
    let identity = Arc::new(identity);
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
    let at = runtime.host.now();
    identity.record_ended(at, &result);
    let outcome = match result {
        Ok(done) => Ending::Succeeded(done.output),
        Err(Some(failure)) => Ending::Failed(failure),
        Err(None) => Ending::TimedOut,
    };
    owner.outcome = Some(outcome.clone());
    let ended = Change::put(EntryKind::Owner, &Key::root(), &owner)?;
    let outcome: Outcome = outcome.into();
    runtime.journal.end(ended, Ended { outcome: outcome.clone(), at }).await?;
    Ok(outcome)
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
    let put = Change::put(EntryKind::Owner, &Key::root(), &owner)?;
    Ok(Batch::of(vec![put], vec![identity.started_event()]))
}

struct Claim {
    owner: Owner,
    /// Whether the journal has no owner yet.
    is_new: bool,
}

/// Makes this execution the owner of a new journal, or checks that it is the owner of an existing one.
fn claim(
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
    }
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
