//! Keeps requests going: one loop that owns the queues and waits for whatever happens next.

mod close;
mod set_up;
mod settle;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use job::messages::Pace;
use job::{Code, Invocation, LineId, StepError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::answer::Sender;
use crate::batch::Items;
use crate::context::Context;
use crate::flush::{self, Outbox};
use crate::gate::Gate;
use crate::intents::{self, IntentLog};
use crate::line::LineState;
use crate::outcome::{Nature, Outcome, Reply};
use crate::pace::Wall;
use crate::request::Failure;
use crate::run::Run;
use crate::schedule::{Line, Next, Schedule};
use crate::stop;
use crate::tally::Tally;

/// Seconds that two calls that met over one batch stay away from each other, about.
const APART: u64 = 60;

/// One call for one batch.
pub(crate) struct Drive<'a> {
    context: &'a Context,
    stop: CancellationToken,
    run: Arc<Run>,
    lane: &'a str,
    invocation: Invocation,
    /// The batch's folder.
    prefix: String,
    wall: Wall,
    /// Nothing is sent after this, so that all is over by the deadline.
    last_call: Option<Instant>,
    items: Items,
    lines: Vec<LineState>,
    schedule: Schedule,
    gate: Gate,
    sender: Arc<Sender>,
    in_flight: JoinSet<(Line, Outcome)>,
    outbox: Outbox,
    /// The store fails just now.
    stuck: Arc<AtomicBool>,
    tally: Tally,
    /// Where requests must not be repeated.
    intents: Option<IntentLog>,
    /// The flush under way; its result is the reason of a stop marker, if there is one.
    flushing: Option<AbortOnDropHandle<Result<Option<String>, StepError>>>,
    /// The lines of the flush under way, where there are intents.
    recording: Vec<LineId>,
    /// The intent under way; its result is whether this call is alone with its batch.
    naming: Option<AbortOnDropHandle<Result<bool, StepError>>>,
    /// A pause is to last at least so long.
    apart: Duration,
    halt: Option<Halt>,
    /// Requests under way are given up at this instant.
    give_up: Option<Instant>,
}

/// Why nothing is sent any more although lines are left.
enum Halt {
    Pause,
    Interrupt,
    /// A stop marker was found.
    Stop(String),
    /// Nine in ten of the first answers were 401 or 403.
    Denied(String),
}

/// How a call ended.
pub(crate) enum End {
    Done,
    Paused { wait_seconds: u64, pace: Pace },
    Interrupted,
    Stopped { reason: String },
}

impl Drive<'_> {
    /// Until every line has its record, or there is a reason to stop; then writes what it has.
    pub(crate) async fn run(mut self) -> Result<(End, Tally), StepError> {
        let every = self.context.settings.flush_every;
        let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = if self.halt.is_none() { self.send_due() } else { None };
            if self.outbox.is_full() {
                self.flush();
            }
            self.name_ahead();
            if self.is_over(due) {
                return self.close().await;
            }
            let wake = [due, self.last_call.filter(|_| self.halt.is_none()), self.give_up]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !matches!(self.halt, Some(Halt::Interrupt)) => self.interrupt(),
                result = ended(&mut self.flushing) => self.flushed(result?),
                result = ended(&mut self.naming) => self.named(result?),
                _ = ticks.tick() => self.flush(),
                () = sleep_until(wake) => self.woke(),
                Some(joined) = self.in_flight.join_next() => {
                    self.joined(joined);
                    while let Some(joined) = self.in_flight.try_join_next() {
                        self.joined(joined);
                    }
                }
            }
        }
    }

    /// Sends everything that is due. Says when the next line is.
    fn send_due(&mut self) -> Option<Instant> {
        while self.in_flight.len() < self.context.settings.in_flight.max(1) && self.may_send() {
            let now = self.wall.now();
            match self.next(now) {
                Next::Send(line) => self.send(line),
                Next::At(at) => return Some(at),
                Next::Idle => return None,
            }
        }
        None
    }

    /// Whether an answer would find room and a store that takes it.
    fn may_send(&self) -> bool {
        !self.outbox.is_choked() && !self.stuck.load(Ordering::Relaxed)
    }

    fn send(&mut self, line: Line) {
        let state = &mut self.lines[line as usize];
        let prepared = state.prepared.take().expect("a line is prepared before its turn");
        if !std::mem::take(&mut state.mid_redirect) {
            state.tries += 1;
            if state.tries == 1 {
                self.gate.started();
            }
        }
        self.context.observer.sent(self.lane);
        let (sender, n, tries) = (self.sender.clone(), state.n, state.tries);
        let provider = self.schedule.key(state.key).name.clone();
        self.in_flight.spawn(async move {
            let sent = Instant::now();
            let attempt = AssertUnwindSafe(sender.attempt(prepared, provider, n, tries)).catch_unwind();
            (line, attempt.await.unwrap_or_else(|_| bug(sent)))
        });
    }

    /// Whether there is nothing to wait for. May set the reason to halt.
    fn is_over(&mut self, due: Option<Instant>) -> bool {
        if !self.in_flight.is_empty() {
            return false;
        }
        if self.halt.is_some() || self.schedule.waiting() == 0 {
            return true;
        }
        let now = Instant::now();
        match due {
            Some(at) if at > now + self.context.settings.pause_after && self.naming.is_none() => {
                self.halt = Some(Halt::Pause);
                true
            }
            None if self.naming.is_none() && self.may_send() => {
                // The first hundred have gone and left no verdict, for example because their hosts were given up.
                self.gate.open();
                self.schedule.wake(now);
                false
            }
            _ => false,
        }
    }

    fn interrupt(&mut self) {
        self.halt = Some(Halt::Interrupt);
        self.give_up = Some(Instant::now() + self.context.settings.grace);
    }

    fn woke(&mut self) {
        let now = Instant::now();
        if self.halt.is_none() && self.last_call.is_some_and(|last_call| last_call <= now) {
            self.halt = Some(Halt::Pause);
        }
        if self.give_up.is_some_and(|give_up| give_up <= now) {
            self.give_up = None;
            self.in_flight.abort_all();
        }
    }

    fn joined(&mut self, joined: Result<(Line, Outcome), JoinError>) {
        match joined {
            Ok((line, outcome)) => self.settle(line, outcome),
            // A task that was aborted leaves its line without a record, and its request has most likely gone out.
            Err(_) => self.outbox.sent(),
        }
    }

    /// Writes what waits, and looks for stop markers, while sending goes on.
    fn flush(&mut self) {
        if self.flushing.is_some() {
            return;
        }
        if self.intents.is_some() {
            self.recording = self.outbox.lines().collect();
        }
        let object =
            self.outbox.take(&self.invocation, false).map(|(name, body)| (self.prefix.clone() + &name, body));
        let (run, lane, stuck) = (self.run.clone(), self.lane.to_owned(), self.stuck.clone());
        self.flushing = Some(in_this_span(async move {
            if let Some((key, body)) = object {
                flush::put(&run.objects, &key, body, &stuck).await?;
            }
            stop::look(&run, &lane).await
        }));
    }

    fn flushed(&mut self, stop: Option<String>) {
        if let Some(intents) = &mut self.intents {
            intents.recorded(&std::mem::take(&mut self.recording));
        }
        if let Some(reason) = stop
            && self.halt.is_none()
        {
            tracing::warn!(reason, "a stop marker was found");
            self.halt = Some(Halt::Stop(reason));
        }
    }

    /// Names the lines that may be sent soon, where that is needed.
    fn name_ahead(&mut self) {
        if self.naming.is_some() || self.halt.is_some() {
            return;
        }
        let Some(intents) = &mut self.intents else { return };
        let Some((name, body)) = intents.next(&mut self.schedule, &self.lines, self.gate.lets_in()) else {
            return;
        };
        let (run, folder, stuck, known) =
            (self.run.clone(), self.prefix.clone(), self.stuck.clone(), intents.known());
        self.naming = Some(in_this_span(async move {
            intents::put(&run.objects, &folder, &name, body, &stuck, known).await
        }));
    }

    fn named(&mut self, alone: bool) {
        if !alone && self.halt.is_none() {
            tracing::warn!("another call works on the same batch: this one makes room");
            self.halt = Some(Halt::Pause);
            // Different for the two, or they would meet again.
            self.apart = Duration::from_secs(5 + self.context.dice.roll() % APART);
        }
        if let Some(intents) = &mut self.intents {
            intents.written(&mut self.schedule);
        }
    }

    /// Takes back the names of a key's lines: none of them is sent soon.
    fn take_back(&mut self, key: u32) {
        let Some(intents) = &mut self.intents else { return };
        let lines = &self.lines;
        // A line in the middle of a redirect was processed.
        let unsent =
            |line: Line| lines[line as usize].prepared.as_ref().is_none_or(|prepared| prepared.hops == 0);
        let back = self.schedule.take_back(key, unsent);
        intents.take_back(back.into_iter().map(|line| lines[line as usize].n));
    }
}

/// Waits for a task in the background, for ever if there is none.
async fn ended<T>(task: &mut Option<AbortOnDropHandle<Result<T, StepError>>>) -> Result<T, StepError> {
    match task {
        None => std::future::pending().await,
        Some(handle) => {
            let result = handle.await;
            *task = None;
            result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        }
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// The outcome of an attempt that panicked: a bug of ours costs its line, not the batch.
fn bug(sent: Instant) -> Outcome {
    let failure = Failure::new(Code::Extract, "a bug in throughline: the line could not be processed");
    Outcome {
        sent,
        on_wire: false,
        millis: 0,
        reply: Reply::Failure { failure, nature: Nature::Final, retry_after: None, prepared: None },
    }
}

/// A task whose log lines say the run and the lane, as the caller's do.
fn in_this_span<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(tokio::spawn(task.in_current_span()))
}
