//! Runs executions by the engine, and ends them.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use engine::{Fault, Journal, Outcome, Start, Stop};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::journal::put_event;
use super::record::{End, Execution, Found, Status, name_key};
use super::{Executions, Open};
use crate::api::ApiError;
use crate::catalog::{Moment, Revision};
use crate::store::{KeyWriter, Space, StoreError};

/// How long the tasks of an execution that was stopped may take to save their work.
const GRACE: Duration = Duration::from_secs(30);
/// The most machines that are kept compiled.
const COMPILED: usize = 1_000;

impl Executions {
    /// Runs an execution until it has ended or the server stops.
    pub(super) fn drive(&self, open: Arc<Open>) {
        let this = self.clone();
        self.0.running.spawn(async move {
            let outcome = this.run(&open).await;
            let end = match outcome {
                Ok(outcome) => end_of(outcome),
                Err(Stop::Interrupted) => return,
                Err(Stop::Fault(Fault::Bug(bug))) => End {
                    stopped: Moment::now(),
                    status: Status::Failed,
                    output: None,
                    error: Some("States.Runtime".into()),
                    cause: Some(format!("internal error: {bug}")),
                },
                // The store has failed, and with it the server; or the execution was ended meanwhile.
                Err(Stop::Fault(Fault::Journal(error))) => {
                    tracing::debug!(%error, execution = open.record.name, "an execution ends without a result");
                    return;
                }
            };
            if let Err(error) = this.end(&open, end, None).await {
                tracing::error!(%error, execution = open.record.name, "the end of an execution cannot be written");
            }
        });
    }

    async fn run(&self, open: &Open) -> Result<Outcome, Stop> {
        let bug = |error: String| Stop::Fault(Fault::Bug(error));
        let revision = self.0.catalog.revision(&open.record.revision).map_err(|error| bug(error.to_string()))?;
        let machine = self.compiled(&revision).map_err(bug)?;
        let start = self.engine_start(&open.record, &revision).map_err(|error| bug(error.message))?;
        let start = Start { history: open.history.clone(), ..start };
        let journal = Journal::over(Arc::new(open.journal.clone()));
        let running =
            engine::run(machine, start, Arc::new(self.host().clone()), journal, open.cancel.clone());
        tokio::pin!(running);
        let stopped = async {
            open.ended().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            outcome = &mut running => outcome,
            () = stopped => Err(Stop::Interrupted),
        }
    }

    /// What the engine needs to start a record.
    fn engine_start(&self, record: &Execution, revision: &Revision) -> Result<Start, ApiError> {
        let input = engine::json::from_str(&record.input)
            .map_err(|error| ApiError::new("InvalidExecutionInput", error.to_string()))?;
        let mut start = Start::new(record.arn(&self.0.place), input);
        start.role_arn.clone_from(&revision.role_arn);
        start.tokens = self.host().tokens().clone();
        Ok(start)
    }

    /// Runs an Express execution and waits for its end. Nothing of it is stored.
    pub(crate) async fn run_sync(&self, record: Execution, revision: &Revision) -> Result<Execution, ApiError> {
        let machine = self.compiled(revision).map_err(ApiError::unavailable)?;
        let start = self.engine_start(&record, revision)?;
        let cancel: CancellationToken = self.0.stop.child_token();
        match states::run(self.host(), machine, start, cancel).await {
            Ok(outcome) => Ok(Execution { end: Some(end_of(outcome)), ..record }),
            Err(Stop::Interrupted) => Err(ApiError::unavailable("the server is stopping")),
            Err(Stop::Fault(fault)) => Err(ApiError::unavailable(fault.to_string())),
        }
    }

    fn compiled(&self, revision: &Revision) -> Result<Arc<engine::Machine>, String> {
        let mut compiled = self.0.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(machine) = compiled.get(&revision.id) {
            return Ok(machine.clone());
        }
        let machine = Arc::new(engine::compile(&revision.definition).map_err(|problems| problems.to_string())?);
        if compiled.len() >= COMPILED {
            compiled.clear();
        }
        compiled.insert(revision.id.clone(), machine.clone());
        Ok(machine)
    }

    /// Stops an execution. Its end is on disk when this returns; it is that which came first.
    pub(crate) async fn stop(
        &self,
        open: &Arc<Open>,
        error: Option<String>,
        cause: Option<String>,
    ) -> Result<Arc<Execution>, ApiError> {
        let mut details = Map::new();
        for (name, text) in [("error", &error), ("cause", &cause)] {
            details.extend(text.as_ref().map(|text| (name.to_owned(), Value::from(text.as_str()))));
        }
        let end = End { stopped: Moment::now(), status: Status::Aborted, output: None, error, cause };
        let (this, stopped) = (self.clone(), open.clone());
        // The end is written although the caller may not wait.
        let ending = self.0.running.spawn(async move { this.end(&stopped, end, Some(details)).await });
        let ended = ending.await.unwrap_or_else(|_| Err(StoreError::Broken("the stop failed".into())))?;
        open.cancel.cancel();
        Ok(ended)
    }

    /// Makes the end of an execution durable, unless it has one. `aborted` are the details of its last event,
    /// if the engine has not recorded one.
    async fn end(
        &self,
        open: &Arc<Open>,
        end: End,
        aborted: Option<Map<String, Value>>,
    ) -> Result<Arc<Execution>, StoreError> {
        let _ending = open.ending.lock().await;
        if let Some(ended) = open.end() {
            return Ok(ended);
        }
        let stopped = end.stopped;
        let ended = Arc::new(Execution { end: Some(end), ..open.record.clone() });
        let arn = ended.arn(&self.0.place);
        let runs = self.0.map_runs.ended(&arn, stopped);
        let written = open.journal.end(|batch, last_event| {
            let number = ended.number;
            batch.remove(Space::Open, KeyWriter::default().number(number).done());
            runs.iter().for_each(|run| run.put(batch));
            if ended.express.is_some() {
                return;
            }
            let key = ended.closed_key();
            batch.put(Space::Names, name_key(&ended.machine, &ended.name), Found::Closed(key.clone()).to_bytes());
            batch.put_json(Space::Closed, key, &*ended);
            if let Some(details) = aborted {
                let event = engine::Event {
                    id: last_event + 1,
                    previous: 0,
                    timestamp: time_of(stopped),
                    kind: "ExecutionAborted".into(),
                    details: Some(("executionAbortedEventDetails", details.into())),
                };
                put_event(batch, number, &event);
            }
        });
        written.await?;
        open.set_ended(ended.clone());
        self.lock().remove(&open.record);
        Ok(ended)
    }
}

fn time_of(moment: Moment) -> time::OffsetDateTime {
    let nanos = i128::from(moment.0) * 1_000;
    time::OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

/// A time as texts of state machines show it.
pub(crate) fn rfc3339(moment: Moment) -> String {
    time_of(moment).format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

fn end_of(outcome: Outcome) -> End {
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let (status, output, error, cause) = match outcome {
        Outcome::Succeeded(output) => (Status::Succeeded, Some(output.to_string()), None, None),
        Outcome::Failed { error, cause } => (Status::Failed, None, text(error), text(cause)),
        Outcome::TimedOut => (Status::TimedOut, None, None, None),
    };
    End { stopped: Moment::now(), status, output, error, cause }
}
