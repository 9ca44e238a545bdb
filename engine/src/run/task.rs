//! The Task state.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::events::{self, Details};
use super::frame::Running;
use super::limits;
use crate::error::{Failure, Halt, Stop};
use crate::host::{TaskCall, TaskError};
use crate::journal::{micros, moment};
use crate::machine::{State, Task};
use crate::resource::Resource;
use crate::tokens::{Inbox, Signal};

impl Running {
    pub(super) async fn task(&mut self, state: &State, task: &Task) -> Result<Value, Halt> {
        let input = self.input(state)?;
        let call = self.prepare(state, task, &input)?;
        self.save_chance().await?;
        if self.world.cancel.is_cancelled() {
            return Err(Stop::Interrupted.into());
        }
        let result = self.call(state, call).await?;
        Ok(self.leave(state, input, Some(result))?)
    }

    fn prepare(&mut self, state: &State, task: &Task, input: &Value) -> Result<TaskCall, Failure> {
        // Drawn as chance is, so that it is the same after a crash.
        self.token = task.resource.has_token().then(|| self.draw_uuid());
        let parameters = match &state.io.arguments {
            Some(template) => self.evaluate(state, input, |env| template.fill(env))?,
            None => input.clone(),
        };
        limits::check(&state.name, &parameters)?;
        let credentials = match &task.credentials {
            Some(template) => Some(self.evaluate(state, input, |env| template.fill(env))?),
            None => None,
        };
        let timeout = self.whole(state, "TimeoutSeconds", &task.timeout_seconds, input)?;
        let heartbeat = self.whole(state, "HeartbeatSeconds", &task.heartbeat_seconds, input)?;
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
            cancel: self.world.cancel.clone(),
            submission: Arc::default(),
        })
    }

    async fn call(&mut self, state: &State, call: TaskCall) -> Result<Value, Halt> {
        let who = Who::of(&call.resource);
        let waits = call.resource.waits_for_token();
        let mut inbox = call.token.as_ref().map(|token| self.world.tokens.open(token));
        let scheduled = self.at.submitted.map_or_else(|| self.world.host.now(), moment);
        let limits = Limits { scheduled, deadline: call.timeout.map(|timeout| scheduled + timeout), heartbeat: call.heartbeat };
        let submission = call.submission.clone();
        let handed_over = match self.at.submitted {
            Some(_) if waits => Ok(Value::Null),
            _ => {
                self.scheduled(&who, &call);
                self.hand_over(call, &limits, inbox.as_mut().filter(|_| !waits)).await?
            }
        };
        let outcome = match (handed_over, inbox) {
            (Ok(answer), Some(inbox)) if waits => self.outcome(&who, &limits, answer, inbox).await?,
            (outcome, _) => {
                if let Some(answer) = submission.get() {
                    self.event(|| "TaskSubmitted".into(), || who.details("Submitted", events::data("output", answer, who.names())));
                }
                outcome
            }
        };
        let outcome = outcome.and_then(|result| match limits::size(&result) > limits::DATA {
            true => Err(Failure::too_large(&who.name(state))),
            false => Ok(result),
        });
        match outcome {
            Ok(result) => {
                self.event(|| who.event("Succeeded"), || who.details("Succeeded", events::data("output", &result, who.names())));
                Ok(result)
            }
            Err(failure) => {
                let how = if failure.error == "States.Timeout" { "TimedOut" } else { "Failed" };
                self.event(|| who.event(how), || who.details(how, events::failure(&failure, who.names())));
                Err(failure.into())
            }
        }
    }

    /// The host's answer, unless it takes too long, or the outcome of a job comes by its token.
    async fn hand_over(&mut self, call: TaskCall, limits: &Limits, inbox: Option<&mut Inbox>) -> Result<Result<Value, Failure>, Halt> {
        let answer = tokio::select! {
            biased;
            answer = self.world.host.task(call) => answer,
            outcome = sent(inbox) => return Ok(outcome),
            () = self.world.sleep_until(limits.deadline) => return Ok(Err(Failure::timeout(false))),
        };
        match answer {
            Ok(answer) => Ok(Ok(answer)),
            Err(TaskError::Error { error, cause }) => Ok(Err(Failure::new(error, cause))),
            Err(TaskError::Interrupted) => Err(Stop::Interrupted.into()),
        }
    }

    /// What is sent with the token, unless it or a heartbeat stays out too long.
    async fn outcome(&mut self, who: &Who, limits: &Limits, answer: Value, mut inbox: Inbox) -> Result<Result<Value, Failure>, Halt> {
        if self.at.submitted.is_none() {
            match who {
                Who::Activity(_) => {
                    let details = if answer.is_null() { json!({}) } else { json!({"workerName": answer}) };
                    self.event(|| "ActivityStarted".into(), || Some(("activityStartedEventDetails", details)));
                }
                _ => {
                    self.event(|| "TaskSubmitted".into(), || who.details("Submitted", events::data("output", &answer, who.names())));
                }
            }
            self.at.submitted = Some(micros(limits.scheduled));
            self.save().await?;
        }
        let mut heard = self.world.host.now();
        let cancel = self.world.cancel.clone();
        loop {
            let silence = limits.heartbeat.map(|heartbeat| heard + heartbeat);
            let wake = [limits.deadline, silence].into_iter().flatten().min();
            let signal = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Stop::Interrupted.into()),
                signal = inbox.next() => signal,
                () = self.world.sleep_until(wake) => return Ok(Err(Failure::timeout(wake != limits.deadline))),
            };
            match signal {
                Signal::Heartbeat => heard = self.world.host.now(),
                Signal::Outcome(outcome) => return Ok(outcome.map_err(|(error, cause)| Failure::new(error, cause))),
            }
        }
    }

    fn scheduled(&mut self, who: &Who, call: &TaskCall) {
        let identity = self.frame.identity.clone();
        self.event(
            || who.event("Scheduled"),
            || {
                let mut details = match who {
                    Who::Service { .. } => json!({"parameters": call.parameters.to_string(), "region": identity.region()}),
                    Who::Function(arn) | Who::Activity(arn) => events::data("input", &call.parameters, json!({"resource": arn})),
                };
                if let (Value::Object(details), Value::Object(names)) = (&mut details, who.names()) {
                    details.extend(names);
                }
                if let Some(timeout) = call.timeout {
                    details["timeoutInSeconds"] = timeout.as_secs().into();
                }
                if let Some(heartbeat) = call.heartbeat {
                    details["heartbeatInSeconds"] = heartbeat.as_secs().into();
                }
                if let Some(role) = call.credentials.as_ref().and_then(|credentials| credentials.get("RoleArn")) {
                    details["taskCredentials"] = json!({"roleArn": role});
                }
                who.details("Scheduled", details)
            },
        );
        match who {
            Who::Activity(_) => {}
            Who::Function(_) => {
                self.event(|| who.event("Started"), || None);
            }
            Who::Service { .. } => {
                self.event(|| who.event("Started"), || who.details("Started", who.names()));
            }
        }
    }
}

/// How long a task may take.
struct Limits {
    scheduled: OffsetDateTime,
    deadline: Option<OffsetDateTime>,
    /// Between signs of life, once somebody has taken the task.
    heartbeat: Option<Duration>,
}

/// What is sent with a token; nothing ever, where there is none.
async fn sent(inbox: Option<&mut Inbox>) -> Result<Value, Failure> {
    let Some(inbox) = inbox else { return std::future::pending().await };
    loop {
        if let Signal::Outcome(outcome) = inbox.next().await {
            return outcome.map_err(|(error, cause)| Failure::new(error, cause));
        }
    }
}

/// By which names the history and errors call what is called.
enum Who {
    Function(String),
    Activity(String),
    Service { service: String, action: String },
}

impl Who {
    fn of(resource: &Resource) -> Who {
        match resource {
            Resource::Function(arn) => Who::Function(arn.clone()),
            Resource::Activity(arn) => Who::Activity(arn.clone()),
            Resource::Service { service, .. } => Who::Service { service: service.clone(), action: resource.action() },
        }
    }

    /// Who returned a result that is too large.
    fn name(&self, state: &State) -> String {
        match self {
            Who::Function(arn) => arn.clone(),
            Who::Activity(_) => state.name.clone(),
            Who::Service { service, .. } => service.clone(),
        }
    }

    fn event(&self, what: &str) -> String {
        format!("{}{what}", self.prefix())
    }

    fn prefix(&self) -> &'static str {
        match self {
            Who::Function(_) => "LambdaFunction",
            Who::Activity(_) => "Activity",
            Who::Service { .. } => "Task",
        }
    }

    fn details(&self, what: &str, details: Value) -> Details {
        let name = DETAILS.iter().find(|(prefix, event, _)| *prefix == self.prefix() && *event == what);
        name.map(|(_, _, name)| (*name, details))
    }

    /// The fields that say so in each event of a service's task.
    fn names(&self) -> Value {
        match self {
            Who::Service { service, action } => json!({"resource": action, "resourceType": service}),
            _ => Value::Null,
        }
    }
}

const DETAILS: &[(&str, &str, &str)] = &[
    ("LambdaFunction", "Scheduled", "lambdaFunctionScheduledEventDetails"),
    ("LambdaFunction", "Succeeded", "lambdaFunctionSucceededEventDetails"),
    ("LambdaFunction", "Failed", "lambdaFunctionFailedEventDetails"),
    ("LambdaFunction", "TimedOut", "lambdaFunctionTimedOutEventDetails"),
    ("Activity", "Scheduled", "activityScheduledEventDetails"),
    ("Activity", "Succeeded", "activitySucceededEventDetails"),
    ("Activity", "Failed", "activityFailedEventDetails"),
    ("Activity", "TimedOut", "activityTimedOutEventDetails"),
    ("Task", "Scheduled", "taskScheduledEventDetails"),
    ("Task", "Started", "taskStartedEventDetails"),
    ("Task", "Submitted", "taskSubmittedEventDetails"),
    ("Task", "Succeeded", "taskSucceededEventDetails"),
    ("Task", "Failed", "taskFailedEventDetails"),
    ("Task", "TimedOut", "taskTimedOutEventDetails"),
];
