//! Lanes that are slowed down, sped up or paused while their run goes.

use std::collections::HashMap;
use std::time::Duration;

use job::StepError;
use job::file::{Limit, Rate};
use job::run::{WorkRequest, WorkResponse};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::run::Run;

/// A call for a paused lane looks for stop markers this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A call for a paused lane returns this long before its end.
const BEFORE_END: Duration = Duration::from_secs(10);

/// What was changed of a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LaneChange {
    /// The rate of all its workers together, for each of its limit keys. `None`: that of the job.
    pub rate: Option<Rate>,
    /// Whether it sends nothing.
    pub paused: bool,
}

/// The changes of the lanes of one run, by their names. Clones share them.
#[derive(Clone, Default)]
pub struct LaneControl(watch::Sender<HashMap<String, LaneChange>>);

impl LaneControl {
    /// Changes a lane; its calls see it at once.
    pub fn change(&self, lane: &str, change: LaneChange) {
        self.0.send_modify(|lanes| _ = lanes.insert(lane.to_owned(), change));
    }

    /// What was changed of a lane.
    pub fn of(&self, lane: &str) -> LaneChange {
        self.0.borrow().get(lane).copied().unwrap_or_default()
    }
}

/// The control of a lane, as one call sees it.
pub(crate) struct Controlled {
    lane: String,
    /// The share of a worker in the job's limit.
    own: Rate,
    workers: u32,
    changes: watch::Receiver<HashMap<String, LaneChange>>,
    now: LaneChange,
}

impl Controlled {
    pub(crate) fn new(control: &LaneControl, lane: &str, limit: &Limit, workers: u32) -> Self {
        let changes = control.0.subscribe();
        Self { lane: lane.to_owned(), own: limit.rate, workers, changes, now: control.of(lane) }
    }

    /// The rate of one worker.
    pub(crate) fn rate(&self) -> Rate {
        match self.now.rate {
            None => self.own,
            Some(Rate::Unlimited) => Rate::Unlimited,
            Some(Rate::PerSecond(rate)) => Rate::PerSecond(rate / f64::from(self.workers)),
        }
    }

    pub(crate) fn paused(&self) -> bool {
        self.now.paused
    }

    /// Waits until the lane is changed.
    async fn changed(&mut self) {
        loop {
            if self.changes.changed().await.is_err() {
                return std::future::pending().await;
            }
            let now = self.changes.borrow_and_update().get(&self.lane).copied().unwrap_or_default();
            if now != self.now {
                self.now = now;
                return;
            }
        }
    }
}

/// Waits until a lane that can be controlled is changed.
pub(crate) async fn changed(controlled: &mut Option<Controlled>) {
    match controlled {
        Some(controlled) => controlled.changed().await,
        None => std::future::pending().await,
    }
}

/// Waits while the lane is paused. Returns the response of a call that ends with it.
pub(crate) async fn wait_while_paused(
    context: &Context,
    run: &Run,
    request: &WorkRequest,
    stop: &CancellationToken,
) -> Result<Option<WorkResponse>, StepError> {
    let Some(control) = &context.lanes else { return Ok(None) };
    let mut changes = control.0.subscribe();
    let lane = request.lane.name.as_str();
    let ends = context.ends.map(|ends| ends - BEFORE_END);
    while changes.borrow_and_update().get(lane).is_some_and(|change| change.paused) {
        if stop.is_cancelled() || run.stop_reason(lane).await?.is_some() {
            return Ok(None);
        }
        if ends.is_some_and(|ends| ends <= Instant::now()) {
            return Ok(Some(WorkResponse::Paused { wait_seconds: 1, request: request.clone() }));
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    Ok(None)
}
