//! `states:startExecution`: state machines that start others (AWS Step Functions Developer Guide, "Start a
//! new AWS Step Functions state machine from a running execution").

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{Machine, Outcome, Pattern, Resource, Start, Stop, TaskCall, TaskError};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Service, Support};
use crate::Host;
use crate::error::task_error;

/// Starts state machines, which it knows by their names.
#[derive(Clone, Default)]
pub struct Executions(BTreeMap<String, Arc<Machine>>);

impl Executions {
    /// Adds a machine.
    pub fn add(&mut self, name: &str, machine: Arc<Machine>) {
        self.0.insert(name.to_owned(), machine);
    }

    /// Runs a machine, and returns what the call's pattern demands.
    async fn start(&self, host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let arn = call.parameters["StateMachineArn"].as_str().unwrap_or_default();
        let name = arn.rsplit(':').next().unwrap_or_default();
        let Some(machine) = self.0.get(name).cloned() else {
            let known = self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let cause = format!(
                "State Machine Does Not Exist: '{arn}' (known machines: {known}; --machine {name}=FILE adds one)"
            );
            return Err(task_error("StepFunctions.StateMachineDoesNotExistException", &cause));
        };
        let execution =
            call.parameters["Name"].as_str().map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
        let execution = format!("{}:{execution}", arn.replacen(":stateMachine:", ":execution:", 1));
        let input = match call.parameters.get("Input") {
            None => json!({}),
            Some(Value::String(text)) => engine::json::from_str(text).map_err(|wrong| {
                task_error("StepFunctions.InvalidExecutionInputException", &wrong.to_string())
            })?,
            Some(input) => input.clone(),
        };
        let started = now();
        let response = json!({ "ExecutionArn": execution, "StartDate": started });
        let Resource::Service { pattern, .. } = call.resource else { return Ok(response) };
        match pattern {
            Pattern::RequestResponse | Pattern::WaitForTaskToken => {
                // The caller does not wait for the child, which ends with this process at the latest.
                let child = host.clone();
                let start = Start::new(execution, input);
                tokio::spawn(async move { crate::run(&child, machine, start, Default::default()).await });
                Ok(response)
            }
            Pattern::Sync | Pattern::Sync2 => {
                call.submitted(response);
                let outcome = run(host, machine, Start::new(execution.clone(), input.clone()), call).await?;
                let (status, output, error, cause) = match outcome {
                    Outcome::Succeeded(output) => ("SUCCEEDED", Some(output), None, None),
                    Outcome::Failed { error, cause } => ("FAILED", None, Some(error), Some(cause)),
                    Outcome::TimedOut => ("TIMED_OUT", None, None, None),
                    Outcome::Aborted { error, cause } => {
                        let text = |text: String| Some(text).filter(|text| !text.is_empty());
                        ("ABORTED", None, text(error), text(cause))
                    }
                };
                let (machine, stopped) = (arn.to_owned(), now());
                EndedChild { execution, machine, started, stopped, status, input, output, error, cause }
                    .result(pattern)
            }
        }
    }
}

#[async_trait]
impl Service for Executions {
    fn support(&self, _state: &str, resource: &Resource) -> Support {
        if resource.is("states", "startExecution") { Support::Yes } else { Support::No }
    }

    async fn call(&self, host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        self.start(host, call).await
    }
}

async fn run(
    host: &Host,
    machine: Arc<Machine>,
    start: Start,
    call: &TaskCall,
) -> Result<Outcome, TaskError> {
    match Box::pin(crate::run(host, machine, start, call.cancel.child_token())).await {
        Ok(outcome) => Ok(outcome),
        Err(Stop::Interrupted | Stop::Parked { .. }) => Err(TaskError::Interrupted),
        Err(Stop::Fault(fault)) => Err(task_error("States.Runtime", &fault.to_string())),
    }
}

/// A child execution that has ended, of a task that waits for its end (`.sync`, `.sync:2`).
#[derive(Debug, Clone)]
pub struct EndedChild {
    /// Its ARN.
    pub execution: String,
    /// The ARN of its machine.
    pub machine: String,
    /// When it started: RFC 3339.
    pub started: String,
    /// When it ended: RFC 3339.
    pub stopped: String,
    /// `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: &'static str,
    /// Its input.
    pub input: Value,
    /// Its output, if it succeeded.
    pub output: Option<Value>,
    /// The name of its error.
    pub error: Option<String>,
    /// The cause of its error.
    pub cause: Option<String>,
}

impl EndedChild {
    /// The result of the task: the child as `DescribeExecution` shows it, with its output as a text (`.sync`)
    /// or as JSON (`.sync:2`).
    ///
    /// # Errors
    /// `States.TaskFailed` if the child did not succeed. The cause is the child.
    pub fn result(self, pattern: Pattern) -> Result<Value, TaskError> {
        let text = |value: &Value| {
            if pattern == Pattern::Sync { Value::String(value.to_string()) } else { value.clone() }
        };
        let included = json!({ "Included": true });
        let mut shown = json!({
            "ExecutionArn": self.execution,
            "Input": text(&self.input),
            "InputDetails": included,
            "Name": self.execution.rsplit(':').next(),
            "StartDate": self.started,
            "StateMachineArn": self.machine,
            "StopDate": self.stopped,
            "Status": self.status,
        });
        if let Some(output) = &self.output {
            shown["Output"] = text(output);
            shown["OutputDetails"] = included;
            return Ok(shown);
        }
        for (name, text) in [("Error", self.error), ("Cause", self.cause)] {
            if let Some(text) = text {
                shown[name] = text.into();
            }
        }
        Err(task_error("States.TaskFailed", &shown.to_string()))
    }
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
