//! Runs executions by the engine, and ends them.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use engine::{Fault, Outcome, Start, Stop};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::record::{End, Execution, Status};
use super::{Executions, Open};
use crate::api::ApiError;
use crate::catalog::{Moment, Revision};
use crate::jobs::MACHINE;

/// An execution that waits for at least this time is not kept in memory.
const PARK_AFTER: Duration = Duration::from_secs(60);
/// The time between two attempts to stop an execution.
const AGAIN: Duration = Duration::from_millis(5);
/// The most machines that are kept compiled.
const COMPILED: usize = 1_000;

impl Executions {
    /// Runs an execution until it has ended or the server stops.
    pub(super) fn drive(&self, open: Arc<Open>) {
        let this = self.clone();
        self.0.running.spawn(async move {
            let (arn, ended) = (open.record.arn(&this.0.place), this.run(&open).await);
            if open.record.machine == MACHINE {
                this.0.jobs.ended(&arn);
            }
            match ended {
                Ok(_) => this.finish(&open),
                Err(Stop::Parked { until }) => this.park(&open, Moment::of(until)),
                Err(Stop::Interrupted) => {}
                // The store has failed, and with it the server.
                Err(Stop::Fault(Fault::Journal(error))) => {
                    tracing::debug!(%error, arn, "an execution is left without a result");
                }
                Err(Stop::Fault(Fault::Bug(bug))) => {
                    tracing::error!(bug, arn, "an execution cannot go on");
                    let cause = format!("internal error: {bug}");
                    let now = OffsetDateTime::now_utc();
                    match open.engine_journal.abort("States.Runtime", &cause, now).await {
                        Ok(_) => this.finish(&open),
                        Err(error) => {
                            tracing::error!(%error, arn, "the end of an execution cannot be written")
                        }
                    }
                }
            }
        });
    }

    async fn run(&self, open: &Open) -> Result<Outcome, Stop> {
        let bug = |error: String| Stop::Fault(Fault::Bug(error));
        let revision =
            self.0.catalog.revision(&open.record.revision).map_err(|error| bug(error.to_string()))?;
        let machine = self.compiled(&revision).map_err(bug)?;
        let start = self.engine_start(&open.record, &revision).map_err(|error| bug(error.message))?;
        // A run of a job has what is in memory of its server, and there are few of them.
        let parks = open.record.express.is_none() && open.record.machine != MACHINE;
        let park_after = parks.then_some(PARK_AFTER);
        // A task that waits for a token is known to the inbox only while it is in memory.
        let start = Start { abort: Some(open.abort.clone()), park_after, parks_tokens: false, ..start };
        let (host, journal) = (Arc::new(self.host().clone()), open.engine_journal.clone());
        engine::run(machine, start, host, journal, self.0.stop.child_token()).await
    }

    /// What the engine writes at the start of a record.
    pub(super) fn beginning(&self, record: &Execution) -> Result<engine::Batch, ApiError> {
        let revision = self.0.catalog.revision(&record.revision)?;
        let machine = self.compiled(&revision).map_err(ApiError::unavailable)?;
        let start = self.engine_start(record, &revision)?;
        engine::beginning(&machine, &start, time_of(record.started))
            .map_err(|error| ApiError::unavailable(error.to_string()))
    }

    /// What the engine needs to start a record.
    fn engine_start(&self, record: &Execution, revision: &Revision) -> Result<Start, ApiError> {
        let input = engine::json::from_str(&record.input)
            .map_err(|error| ApiError::new("InvalidExecutionInput", error.to_string()))?;
        let mut start = Start::new(record.arn(&self.0.place), input);
        start.role_arn.clone_from(&revision.role_arn);
        start.tokens = self.host().tokens().clone();
        if record.machine == MACHINE {
            // A run of a job may wait for as long as it takes.
            start.max_events = None;
        }
        Ok(start)
    }

    /// Runs an Express execution and waits for its end. Nothing of it is stored.
    pub(crate) async fn run_sync(
        &self,
        record: Execution,
        revision: &Revision,
    ) -> Result<Execution, ApiError> {
        let machine = self.compiled(revision).map_err(ApiError::unavailable)?;
        let start = self.engine_start(&record, revision)?;
        let cancel: CancellationToken = self.0.stop.child_token();
        match states::run(self.host(), machine, start, cancel).await {
            Ok(outcome) => Ok(Execution { end: Some(end_of(outcome, Moment::now())), ..record }),
            Err(Stop::Interrupted | Stop::Parked { .. }) => {
                Err(ApiError::unavailable("the server is stopping"))
            }
            Err(Stop::Fault(fault)) => Err(ApiError::unavailable(fault.to_string())),
        }
    }

    fn compiled(&self, revision: &Revision) -> Result<Arc<engine::Machine>, String> {
        let mut compiled = self.0.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(machine) = compiled.get(&revision.id) {
            return Ok(machine.clone());
        }
        let machine =
            Arc::new(engine::compile(&revision.definition).map_err(|problems| problems.to_string())?);
        if compiled.len() >= COMPILED {
            compiled.clear();
        }
        compiled.insert(revision.id.clone(), machine.clone());
        Ok(machine)
    }

    /// Stops an execution. Its end is on disk when this returns; it is that which came first. None if it is not among
    /// those that have not ended.
    pub(crate) async fn stop(
        &self,
        machine: &str,
        name: &str,
        error: &str,
        cause: &str,
    ) -> Result<Option<Arc<Execution>>, ApiError> {
        let number = self.lock().named(machine, name);
        match number {
            Some(number) => self.stop_number(number, error, cause).await,
            None => Ok(None),
        }
    }

    /// As [`Executions::stop`], of an execution with this number.
    pub(crate) async fn stop_number(
        &self,
        number: u64,
        error: &str,
        cause: &str,
    ) -> Result<Option<Arc<Execution>>, ApiError> {
        let mut before: Option<Arc<Open>> = None;
        loop {
            if let Some(open) = before {
                // Else it could begin to wait again before it is asked.
                open.abort.when_run(error, cause);
            }
            let open = self.awake(&mut self.lock(), number)?;
            let Some(open) = open else { return Ok(None) };
            let end = tokio::select! {
                end = open.abort.abort(error, cause) => end,
                () = self.0.stop.cancelled() => None,
            };
            if end.is_some() {
                self.finish(&open);
                return Ok(Some(open.ended().await));
            }
            if self.0.stop.is_cancelled() {
                return Err(ApiError::unavailable("the server is stopping"));
            }
            // It has begun to wait just now, or has not begun to run again.
            before = Some(open);
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Makes the end of an execution visible, which is on disk.
    fn finish(&self, open: &Open) {
        if let Some(ended) = open.journal.ended() {
            let is_first = open.set_ended(ended.clone());
            self.lock().remove(&open.record);
            if is_first && ended.machine == MACHINE {
                let (error, cause) = ended.end.as_ref().map(|end| (&end.error, &end.cause)).unzip();
                let (error, cause) = (error.cloned().flatten(), cause.cloned().flatten());
                tracing::info!(
                    run = ended.name,
                    status = ended.status().name(),
                    error,
                    cause,
                    "a run has ended"
                );
            }
            if is_first {
                self.0.recent.add(&ended);
                self.0.store.metrics().ended(&ended.machine, ended.status().name());
            }
        }
    }
}

pub(super) fn time_of(moment: Moment) -> OffsetDateTime {
    let nanos = i128::from(moment.0) * 1_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A time as texts of state machines show it.
pub(crate) fn rfc3339(moment: Moment) -> String {
    time_of(moment).format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

pub(super) fn end_of(outcome: Outcome, stopped: Moment) -> End {
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let (status, output, error, cause) = match outcome {
        Outcome::Succeeded(output) => (Status::Succeeded, Some(output.to_string()), None, None),
        Outcome::Failed { error, cause } => (Status::Failed, None, text(error), text(cause)),
        Outcome::TimedOut => (Status::TimedOut, None, None, None),
        Outcome::Aborted { error, cause } => (Status::Aborted, None, text(error), text(cause)),
    };
    End { stopped, status, output, error, cause }
}
