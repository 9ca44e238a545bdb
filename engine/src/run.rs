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
    Batch, Change, Done, Ended, Ending, EntryKind, FORMAT, Journal, JournalError, Key, Owner, micros, moment,
};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::tokens::TaskTokens;
use context::Identity;
pub(crate) use context::iso;
use inspector::{Inspector, NoInspector};

/// The services that all frames of an execution share.
struct Runtime {
    /// The ARN of the execution that the journal belongs to.
    execution: String,
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
/// kept. [`Start::abort`] ends the execution for good.
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
    let abort = start.abort.running();
    let Claim { mut owner, is_new } = claim(&machine, &start, &*host, &journal)?;
    if let Some(end) = owner.ended() {
        abort.ended(end.clone());
        return Ok(end.outcome);
    }
    let kept_events = journal.begin()?;
    let started = moment(owner.started);
    let deadline = started + limits::duration(&machine, start.execution_type);
    let runtime = Arc::new(Runtime {
        execution: start.id.clone(),
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
    let mut running = frame::run(runtime.clone(), machine.scope.clone(), frame, identity.input.clone());
    let finish = tokio::select! {
        biased;
        ended = &mut running => match ended {
            Ok(done) => identity.events.check_end().map_or_else(Finish::Failed, |()| Finish::Succeeded(done)),
            Err(Halt::Failed(failure)) => Finish::Failed(failure),
            Err(Halt::Stopped(stop)) => return Err(stop),
        },
        failure = abort.requested() => Finish::Aborted(failure),
        () = runtime.host.sleep_until(deadline) => Finish::TimedOut,
    };
    // Frames that are dropped here record that their tasks were aborted.
    let winding_down = matches!(finish, Finish::Aborted(_)).then_some(running);
    let at = runtime.host.now();
    identity.record_ended(at, &finish);
    let (change, end) = owner.end(finish, at)?;
    runtime.journal.end(change, end.clone()).await?;
    abort.ended(end.clone());
    if let Some(running) = winding_down {
        runtime.cancel.cancel();
        // The execution has its end; only its tasks may still save their own progress.
        let _ = running.await;
    }
    runtime.journal.clear()?;
    Ok(end.outcome)
}

/// How the outermost frame ended.
enum Finish {
    Succeeded(Done),
    Failed(Failure),
    TimedOut,
    Aborted(Failure),
}

impl Owner {
    /// The end of the execution, if it has ended.
    fn ended(&self) -> Option<Ended> {
        let outcome = self.outcome.clone()?.into();
        // A journal of an earlier version does not have the time.
        Some(Ended { outcome, at: moment(self.stopped.unwrap_or(self.started)) })
    }

    /// Ends the execution. Returns the change of the journal.
    fn end(&mut self, finish: Finish, at: OffsetDateTime) -> Result<(Change, Ended), JournalError> {
        let ending = match finish {
            Finish::Succeeded(done) => Ending::Succeeded(done.output),
            Finish::Failed(failure) => Ending::Failed(failure),
            Finish::TimedOut => Ending::TimedOut,
            Finish::Aborted(failure) => Ending::Aborted(failure),
        };
        self.outcome = Some(ending.clone());
        self.stopped = Some(micros(at));
        // It has what only this format has.
        self.format = FORMAT;
        let change = Change::put(EntryKind::Owner, &Key::root(), self)?;
        Ok((change, Ended { outcome: ending.into(), at }))
    }
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
        self.end(change, end.clone()).await?;
        self.clear()?;
        Ok(Some(end))
    }
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
        stopped: None,
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
