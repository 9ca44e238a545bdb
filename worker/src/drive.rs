//! Sends the requests of a batch: one loop that owns the queues and waits for the next event.

mod close;
mod outcome;
mod prepare;
mod quotas;
mod send;
mod set_up;

use std::sync::Arc;
use std::time::Duration;

use job::StepError;
use job::file::template::Template;
use job::run::Pace;
use quotas::Quotas;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::attempt::Attempt;
use crate::batch::{Items, Origins};
use crate::canary::Canary;
use crate::context::Context;
use crate::intents::IntentLog;
use crate::lane_control::{self, Controlled};
use crate::pace::Wall;
use crate::parcel::{ParcelId, Parcels};
use crate::response::Sender;
use crate::results::{ResultWriter, Tally, Written};
use crate::run::Run;
use crate::schedule::{Key, Schedule};

/// A call that finds another call at work on its batch pauses for up to about this many seconds.
const APART: u64 = 60;

/// One call for one batch.
pub(crate) struct Drive<'a> {
    context: &'a Context,
    stop: CancellationToken,
    run: Arc<Run>,
    lane: &'a str,
    /// The first line of its batch.
    batch: u64,
    wall: Wall,
    /// Nothing is sent after this instant, so that all requests end before the deadline.
    last_call: Option<Instant>,
    /// The state machine does the waits that are longer than this.
    pause_after: Duration,
    /// How often earlier calls for the batch have paused.
    pauses: u32,
    items: Items,
    /// The lines that an earlier run may have sent, each with that run's id and the line that it was then.
    origins: Origins,
    parcels: Parcels,
    schedule: Schedule,
    quotas: Quotas,
    /// What a request counts as, if the limit says it.
    cost: Option<Template>,
    /// How many workers share what responses say about the limit; `None` if the job does not look at it.
    learns: Option<u32>,
    canary: Canary,
    /// The lane's rate and pause, if they can be changed.
    controlled: Option<Controlled>,
    sender: Arc<Sender>,
    in_flight: JoinSet<(ParcelId, Attempt)>,
    results: ResultWriter,
    intents: IntentLog,
    halt: Option<Halt>,
}

/// Why sending has stopped although lines are left.
enum Halt {
    Pause {
        at_least: Duration,
    },
    /// Requests under way are aborted at this instant; `None` once they are.
    Interrupt {
        abort_at: Option<Instant>,
    },
    /// A stop marker was found.
    Stop(String),
    /// Nine in ten of the first responses were 401 or 403.
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
    /// Sends until every line has its result or there is a reason to stop, then writes the rest of the
    /// results.
    pub(crate) async fn run(mut self) -> Result<(End, Tally), StepError> {
        let every = self.context.settings.flush_every;
        let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // It may have been paused since the call began.
        if self.controlled.as_ref().is_some_and(Controlled::paused) {
            self.halt = Some(Halt::Pause { at_least: Duration::ZERO });
        }
        self.report_pace();
        loop {
            let due = if self.halt.is_none() { self.send_due().await } else { None };
            if self.results.is_full() {
                self.results.flush();
            }
            if self.halt.is_none() {
                self.intents.write_due(&mut self.schedule, &self.parcels, self.canary.admits_new());
            }
            if self.is_over(due) {
                return self.close().await;
            }
            let wake = [due, self.last_call.filter(|_| self.halt.is_none()), self.abort_at()];
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !matches!(self.halt, Some(Halt::Interrupt { .. })) => self.interrupt(),
                written = self.results.written() => self.segment_durable(written?),
                alone = self.intents.written() => self.intent_durable(alone?),
                _ = ticks.tick() => {
                    self.results.flush();
                    self.report_pace();
                }
                () = lane_control::changed(&mut self.controlled), if self.controlled.is_some() => self.lane_changed(),
                () = sleep_until(wake.into_iter().flatten().min()) => self.on_timer(),
                Some(joined) = self.in_flight.join_next() => {
                    self.joined(joined);
                    while let Some(joined) = self.in_flight.try_join_next() {
                        self.joined(joined);
                    }
                }
            }
        }
    }

    /// Whether nothing is left to wait for. May set the reason to halt.
    fn is_over(&mut self, due: Option<Instant>) -> bool {
        if !self.in_flight.is_empty() {
            return false;
        }
        if self.halt.is_some() || self.schedule.waiting() == 0 {
            return true;
        }
        let now = Instant::now();
        match due {
            Some(at) if at > now + self.pause_after && !self.intents.is_writing() => {
                self.halt = Some(Halt::Pause { at_least: Duration::ZERO });
                true
            }
            None if !self.intents.is_writing() && self.results.may_send() => {
                // The canary has ended without a verdict, for example because its hosts were abandoned.
                self.canary.pass();
                self.schedule.wake(now);
                false
            }
            _ => false,
        }
    }

    /// The lane's rate was changed, or it was paused.
    fn lane_changed(&mut self) {
        let Some(controlled) = &self.controlled else { return };
        if controlled.paused() {
            self.halt.get_or_insert(Halt::Pause { at_least: Duration::ZERO });
        }
        self.schedule.set_rate(controlled.rate(), Instant::now());
        self.report_pace();
    }

    /// Says how fast the call may send, and what holds it back.
    fn report_pace(&self) {
        let (observer, now) = (&self.context.observer, Instant::now());
        let waiting = || self.schedule.keys().iter().filter(|key| key.waiting() > 0);
        observer.paced(self.lane, self.batch, Some(waiting().map(Key::rate).sum::<f64>()));
        for key in waiting() {
            if let Some(held) = key.provider_held(now) {
                observer.held(self.lane, &key.name, held.saturating_duration_since(now));
            }
        }
    }

    fn interrupt(&mut self) {
        self.halt = Some(Halt::Interrupt { abort_at: Some(Instant::now() + self.context.settings.grace) });
    }

    fn abort_at(&self) -> Option<Instant> {
        match self.halt {
            Some(Halt::Interrupt { abort_at }) => abort_at,
            _ => None,
        }
    }

    fn on_timer(&mut self) {
        let now = Instant::now();
        if self.halt.is_none() && self.last_call.is_some_and(|last_call| last_call <= now) {
            self.halt = Some(Halt::Pause { at_least: Duration::ZERO });
        }
        if self.abort_at().is_some_and(|abort_at| abort_at <= now) {
            self.halt = Some(Halt::Interrupt { abort_at: None });
            self.in_flight.abort_all();
        }
    }

    fn joined(&mut self, joined: Result<(ParcelId, Attempt), JoinError>) {
        match joined {
            Ok((parcel, attempt)) => self.finish_attempt(parcel, attempt),
            // An aborted task leaves its lines without results, and its request has most likely gone out.
            Err(_) => self.results.sent(),
        }
    }

    fn segment_durable(&mut self, Written { lines, stop }: Written) {
        self.intents.recorded(&lines);
        self.context.observer.written(self.lane);
        if let Some(reason) = stop
            && self.halt.is_none()
        {
            tracing::warn!(reason, "a stop marker was found");
            self.halt = Some(Halt::Stop(reason));
        }
    }

    fn intent_durable(&mut self, alone: bool) {
        if !alone && self.halt.is_none() {
            tracing::warn!("another call works on the same batch: this one pauses");
            // A random time, or the two would meet again.
            let at_least = Duration::from_secs(5 + self.context.rng.next_u64() % APART);
            self.halt = Some(Halt::Pause { at_least });
        }
        self.intents.durable(&mut self.schedule);
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
