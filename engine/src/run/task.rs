//! The Task state.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::callee::Callee;
use super::events;
use super::frame::Running;
use super::limits;
use crate::error::{Halt, Stop};
use crate::failure::Failure;
use crate::host::{TaskCall, TaskError};
use crate::journal::{EntryKind, Key, Signal, TaskOutcome, micros, moment};
use crate::machine::{State, Task};
use crate::quotas::MAX_DATA;
use crate::tokens::{Inbox, Message};

impl Running {
    pub(super) async fn run_task(&mut self, state: &State, task: &Task) -> Result<Value, Halt> {
        let input = self.effective_input(state)?;
        let call = self.prepare_task(state, task, &input)?;
        self.save_if_nondeterministic().await?;
        if self.runtime.cancel.is_cancelled() {
            return Err(Stop::Interrupted.into());
        }
        let result = match self.runtime.inspector.mock() {
            Some(mocked) => mocked?,
            None => self.call_task(state, call).await?,
        };
        Ok(self.complete_state(state, input, Some(result))?)
    }

    fn prepare_task(&mut self, state: &State, task: &Task, input: &Value) -> Result<TaskCall, Failure> {
        // The token is a recorded draw, so that it is the same after a crash.
        self.token = task.resource.has_token().then(|| self.draw_token());
        let parameters = match &state.io.arguments {
            Some(template) => self.evaluate(state, input, |env| template.fill(env))?,
            None => input.clone(),
        };
        self.runtime.inspector.record("afterParameters", &parameters);
        limits::check(&state.name, &parameters)?;
        let credentials = match &task.credentials {
            Some(template) => Some(self.evaluate(state, input, |env| template.fill(env))?),
            None => None,
        };
        let timeout = self.whole_number(state, "TimeoutSeconds", &task.timeout_seconds, input)?;
        let heartbeat = self.whole_number(state, "HeartbeatSeconds", &task.heartbeat_seconds, input)?;
        Ok(TaskCall {
            resource: task.resource.clone(),
            parameters,
            credentials,
            token: self.token.clone(),
            timeout: timeout.map(Duration::from_secs),
            heartbeat: heartbeat.map(Duration::from_secs),
            state: state.name.clone(),
            attempt: self.at.tries.iter().sum(),
            execution: self.frame.identity.id.clone(),
            map_run: self.frame.identity.map_run.clone(),
            cancel: self.runtime.cancel.clone(),
            submission: Arc::default(),
        })
    }

    async fn call_task(&mut self, state: &State, call: TaskCall) -> Result<Value, Halt> {
        let callee = Callee::of(&call.resource);
        let outcome = match call.token.clone() {
            None => self.await_outcome(&callee, call, None).await,
            Some(token) => Box::pin(self.await_signal(&callee, call, &token)).await,
        };
        if let Err(Halt::Stopped(stop)) = outcome {
            return Err(stop.into());
        }
        let outcome = outcome.and_then(|result| {
            if limits::size(&result) > MAX_DATA {
                Err(Failure::too_large(&callee.name(state)).into())
            } else {
                Ok(result)
            }
        });
        match &outcome {
            Ok(result) => {
                let details = || events::data("output", result, callee.names());
                self.event(|| callee.event("Succeeded"), || callee.details("Succeeded", details()));
            }
            Err(Halt::Failed(failure)) => {
                let how = if failure.error == "States.Timeout" { "TimedOut" } else { "Failed" };
                let details = || events::failure(failure, callee.names());
                self.event(|| callee.event(how), || callee.details(how, details()));
            }
            Err(Halt::Stopped(_)) => {}
        }
        outcome
    }

    /// Waits for the outcome of a task that has a token.
    async fn await_signal(&mut self, callee: &Callee, call: TaskCall, token: &str) -> Result<Value, Halt> {
        let attempt = self.frame.key.visit(self.at.step);
        let outcome = match self.sent_before(&attempt)? {
            Some(sent) => {
                if self.at.submitted.is_none() {
                    self.record_scheduled(callee, &call);
                }
                result(sent)
            }
            None => {
                let journal = self.runtime.journal.clone();
                let mut inbox = self.runtime.tokens.open(token, journal, attempt.clone());
                let outcome = self.await_outcome(callee, call, Some(&mut inbox)).await;
                match inbox.close() {
                    // The sender knows that its outcome was taken.
                    Some(sent) if !matches!(outcome, Err(Halt::Stopped(_))) => result(sent),
                    _ => outcome,
                }
            }
        };
        if !matches!(outcome, Err(Halt::Stopped(_))) {
            self.settled = Some(attempt);
        }
        outcome
    }

    /// The outcome of this attempt that was sent before the execution was continued.
    fn sent_before(&self, attempt: &Key) -> Result<Option<TaskOutcome>, Halt> {
        if self.loaded != Some(self.at.step) {
            return Ok(None);
        }
        match self.runtime.journal.get(EntryKind::Signal, attempt)? {
            Some(Signal::Outcome(outcome)) => Ok(Some(outcome)),
            _ => Ok(None),
        }
    }

    /// Hands the task over, unless that has been done, and waits for its outcome.
    async fn await_outcome(
        &mut self,
        callee: &Callee,
        call: TaskCall,
        mut inbox: Option<&mut Inbox>,
    ) -> Result<Value, Halt> {
        let waits = call.resource.waits_for_token();
        let scheduled = self.at.submitted.map_or_else(|| self.runtime.host.now(), moment);
        let limits = TimeLimits {
            scheduled,
            deadline: call.timeout.map(|timeout| scheduled + timeout),
            heartbeat: call.heartbeat,
        };
        let submission = call.submission.clone();
        let response = match self.at.submitted {
            Some(_) if waits => Value::Null,
            _ => {
                self.record_scheduled(callee, &call);
                let early = inbox.as_deref_mut().filter(|_| !waits);
                let handed_over = self.hand_over(call, &limits, early).await;
                let has_ended = match &handed_over {
                    Ok(_) => !waits,
                    Err(Halt::Failed(_)) => true,
                    Err(Halt::Stopped(_)) => false,
                };
                if let Some(response) = submission.get().filter(|_| has_ended) {
                    self.event(
                        || "TaskSubmitted".into(),
                        || callee.details("Submitted", events::data("output", response, callee.names())),
                    );
                }
                handed_over?
            }
        };
        match inbox {
            Some(inbox) if waits => self.await_token(callee, &limits, response, inbox).await,
            _ => Ok(response),
        }
    }

    /// Calls the host. Returns its response, or a timeout, or the outcome of a job that is sent by token.
    async fn hand_over(
        &mut self,
        call: TaskCall,
        limits: &TimeLimits,
        inbox: Option<&mut Inbox>,
    ) -> Result<Value, Halt> {
        let response = tokio::select! {
            biased;
            response = self.runtime.host.task(call) => response,
            outcome = sent(inbox) => return outcome,
            () = self.runtime.sleep_until(limits.deadline) => return Err(Failure::timeout(false).into()),
        };
        match response {
            Ok(response) => Ok(response),
            Err(TaskError::Error { error, cause }) => Err(Failure::new(error, cause).into()),
            Err(TaskError::Interrupted) => Err(Stop::Interrupted.into()),
        }
    }

    /// Waits for the outcome that is sent with the token. Fails if it or a heartbeat is late.
    async fn await_token(
        &mut self,
        callee: &Callee,
        limits: &TimeLimits,
        response: Value,
        inbox: &mut Inbox,
    ) -> Result<Value, Halt> {
        if self.at.submitted.is_none() {
            match callee {
                Callee::Activity(_) => {
                    let named = response.as_str().is_some_and(|name| !name.is_empty());
                    let details = if named { json!({"workerName": response}) } else { json!({}) };
                    self.event(
                        || "ActivityStarted".into(),
                        || Some(("activityStartedEventDetails", details)),
                    );
                }
                _ => {
                    self.event(
                        || "TaskSubmitted".into(),
                        || callee.details("Submitted", events::data("output", &response, callee.names())),
                    );
                }
            }
            self.at.submitted = Some(micros(limits.scheduled));
            self.save().await?;
        }
        let mut last_heartbeat = self.runtime.host.now();
        // Heartbeats are not durable, so that a task that sends them is not parked.
        let parks = limits.heartbeat.is_none();
        let deadline = limits.deadline.map(micros);
        let _waits = parks.then(|| self.runtime.idle.waits_for_token(deadline));
        let cancel = self.runtime.cancel.clone();
        loop {
            let heartbeat_due = limits.heartbeat.map(|heartbeat| last_heartbeat + heartbeat);
            let wake = [limits.deadline, heartbeat_due].into_iter().flatten().min();
            let message = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Stop::Interrupted.into()),
                message = inbox.next() => message,
                () = self.runtime.sleep_until(wake) => return Err(Failure::timeout(wake != limits.deadline).into()),
            };
            match message {
                Message::Heartbeat => last_heartbeat = self.runtime.host.now(),
                Message::Outcome(outcome) => return result(outcome),
            }
        }
    }

    fn record_scheduled(&mut self, callee: &Callee, call: &TaskCall) {
        let identity = self.frame.identity.clone();
        self.event(
            || callee.event("Scheduled"),
            || {
                let mut details = match callee {
                    Callee::Service { .. } => {
                        json!({"parameters": call.parameters.to_string(), "region": identity.region()})
                    }
                    Callee::Function(arn) | Callee::Activity(arn) => {
                        events::data("input", &call.parameters, json!({"resource": arn}))
                    }
                };
                if let (Value::Object(details), Value::Object(names)) = (&mut details, callee.names()) {
                    details.extend(names);
                }
                if let Some(timeout) = call.timeout {
                    details["timeoutInSeconds"] = timeout.as_secs().into();
                }
                if let Some(heartbeat) = call.heartbeat {
                    details["heartbeatInSeconds"] = heartbeat.as_secs().into();
                }
                if let Some(role) =
                    call.credentials.as_ref().and_then(|credentials| credentials.get("RoleArn"))
                {
                    details["taskCredentials"] = json!({"roleArn": role});
                }
                callee.details("Scheduled", details)
            },
        );
        match callee {
            Callee::Activity(_) => {}
            Callee::Function(_) => {
                self.event(|| callee.event("Started"), || None);
            }
            Callee::Service { .. } => {
                self.event(|| callee.event("Started"), || callee.details("Started", callee.names()));
            }
        }
    }
}

/// The time limits of a task.
struct TimeLimits {
    scheduled: OffsetDateTime,
    deadline: Option<OffsetDateTime>,
    /// The longest time between two heartbeats, once the task has been handed over.
    heartbeat: Option<Duration>,
}

/// Waits for the outcome that is sent with a token. Without an inbox it never returns.
async fn sent(inbox: Option<&mut Inbox>) -> Result<Value, Halt> {
    let Some(inbox) = inbox else { return std::future::pending().await };
    loop {
        if let Message::Outcome(outcome) = inbox.next().await {
            return result(outcome);
        }
    }
}

fn result(outcome: TaskOutcome) -> Result<Value, Halt> {
    match outcome {
        TaskOutcome::Succeeded(output) => Ok(output),
        TaskOutcome::Failed { error, cause } => Err(Failure::new(error, cause).into()),
    }
}
