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
mod idle;
mod inline;
mod inspector;
mod limits;
mod map;
mod owner;
mod parallel;
mod recovery;
mod redrive;
mod stored;
mod task;
mod task_set;
pub(crate) mod trial;
mod wait;

use std::sync::Arc;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::abort;
use crate::error::{Halt, Stop};
use crate::execution::Start;
use crate::host::Host;
use crate::journal::{FORMAT, Journal, Key, moment};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::tokens::TaskTokens;
pub(crate) use context::iso;
use context::{Identity, Redrive};
use idle::Idle;
use inspector::{Inspector, NoInspector};
pub use owner::beginning;
use owner::{Claim, Finish, claim};
pub use stored::RedriveError;

/// The services that all frames of an execution share.
struct Runtime {
    /// The execution that the journal belongs to.
    execution: Arc<Identity>,
    host: Arc<dyn Host>,
    journal: Journal,
    tokens: TaskTokens,
    /// Cancelled with the caller's token, and when a frame cannot continue.
    cancel: CancellationToken,
    idle: Idle,
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
/// [`Stop::Interrupted`] if `cancel` was cancelled or a task was interrupted, [`Stop::Parked`] if it only waits
/// (see [`Start::park_after`]), [`Stop::Fault`] if the journal cannot be used or belongs to another execution, or for
/// a bug.
pub async fn run(
    machine: Arc<Machine>,
    start: Start,
    host: Arc<dyn Host>,
    journal: Journal,
    cancel: CancellationToken,
) -> Result<Outcome, Stop> {
    let abort = abort::Running::new(start.abort.clone());
    let Claim { mut owner, is_new } = claim(&machine, &start, &*host, &journal)?;
    if let Some(end) = owner.ended() {
        abort.ended(&end);
        return Ok(end.outcome);
    }
    let kept_events = journal.begin()?;
    let started = moment(owner.started);
    let redriven = owner.redriven.map(moment);
    let deadline = redriven.unwrap_or(started) + limits::duration(&machine, start.execution_type);
    let tokens = start.tokens.clone();
    let idle = Idle::new(start.park_after, start.parks_tokens);
    let mut identity = Identity::of_execution(start, started);
    identity.generation = owner.redrives;
    identity.redrive = redriven.map(|at| Redrive { count: owner.redrives, at });
    identity.can_be_redriven = owner.is_standard && journal.keeps_entries();
    if let Some(count) = kept_events {
        identity.events.keep_in(journal.clone(), count);
    }
    if kept_events.is_none_or(|count| count == 0) {
        identity.record_started();
    }
    if is_new || owner.format < FORMAT {
        owner.format = FORMAT;
        journal.commit(vec![owner.put()?]).await?;
    }
    let identity = Arc::new(identity);
    let runtime = Arc::new(Runtime {
        execution: identity.clone(),
        host,
        journal,
        tokens,
        cancel: cancel.child_token(),
        idle,
        inspector: Box::new(NoInspector),
    });
    let frame = frame::Frame::new(Key::root(), identity.clone());
    let mut running = frame::run(runtime.clone(), machine.scope.clone(), frame, identity.input.clone());
    let finished = |ended| match ended {
        Ok(done) => Ok(identity.events.check_end().map_or_else(Finish::Failed, |()| Finish::Succeeded(done))),
        Err(Halt::Failed(failure)) => Ok(Finish::Failed(failure)),
        Err(Halt::Stopped(stop)) => Err(stop),
    };
    let finish = tokio::select! {
        biased;
        ended = &mut running => finished(ended)?,
        until = runtime.idle.long(deadline, || runtime.host.now()) => {
            // All waits are in the journal, and no task is under way.
            runtime.cancel.cancel();
            match finished((&mut running).await) {
                Err(Stop::Interrupted) if !cancel.is_cancelled() => return Err(Stop::Parked { until }),
                ended => ended?,
            }
        }
        failure = abort.requested() => Finish::Aborted(failure),
        () = runtime.host.sleep_until(deadline) => Finish::TimedOut,
    };
    // Frames that are dropped here record that their tasks were aborted.
    let winding_down = matches!(finish, Finish::Aborted(_)).then_some(running);
    let at = runtime.host.now();
    identity.record_ended(at, &finish);
    let (change, end) = owner.end(finish, at)?;
    // An execution that can be redriven keeps its entries.
    let keeps = identity.can_be_redriven && !matches!(end.outcome, Outcome::Succeeded(_));
    runtime.journal.end(change, &end, keeps).await?;
    abort.ended(&end);
    if let Some(running) = winding_down {
        runtime.cancel.cancel();
        // The execution has its end; only its tasks may still save their own progress.
        let _ = running.await;
    }
    if !keeps {
        runtime.journal.clear()?;
    }
    Ok(end.outcome)
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
