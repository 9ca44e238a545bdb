//! `states:startExecution`: state machines that start others (AWS Step Functions Developer Guide, "Start a new AWS Step
//! Functions state machine from a running execution").

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use engine::{Machine, Outcome, Pattern, Resource, Start, Stop, TaskCall, TaskError};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{World, error};
use crate::exit::Wrong;

/// State machines by their names.
#[derive(Clone, Default)]
pub struct Machines(BTreeMap<String, Arc<Machine>>);

impl Machines {
    /// Adds the definition in a file.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn add(&mut self, name: &str, path: &Path) -> Result<(), Wrong> {
        let text = super::read(path)?;
        self.0.insert(name.to_owned(), super::compile(path, &text)?);
        Ok(())
    }

    /// Runs one, and answers as the pattern of the call wants it.
    pub(super) async fn start(&self, world: &World, call: &TaskCall) -> Result<Value, TaskError> {
        let arn = call.parameters["StateMachineArn"].as_str().unwrap_or_default();
        let name = arn.rsplit(':').next().unwrap_or_default();
        let Some(machine) = self.0.get(name).cloned() else {
            let known = self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let cause = format!(
                "State Machine Does Not Exist: '{arn}' (--machine {name}=FILE names one; there are: {known})"
            );
            return Err(error("StepFunctions.StateMachineDoesNotExistException", &cause));
        };
        let execution =
            call.parameters["Name"].as_str().map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
        let execution = format!("{}:{execution}", arn.replacen(":stateMachine:", ":execution:", 1));
        let input = match call.parameters.get("Input") {
            None => json!({}),
            Some(Value::String(text)) => engine::json::from_str(text)
                .map_err(|wrong| error("StepFunctions.InvalidExecutionInputException", &wrong.to_string()))?,
            Some(input) => input.clone(),
        };
        let started = now();
        let answer = json!({ "ExecutionArn": execution, "StartDate": started });
        let Resource::Service { pattern, .. } = call.resource else { return Ok(answer) };
        match pattern {
            Pattern::RequestResponse | Pattern::WaitForTaskToken => {
                // What it comes to is nobody's business here; it ends with this process at the latest.
                let child = Arc::new(world.clone());
                let start = Start::new(execution, input);
                tokio::spawn(async move { super::run(&child, machine, start, Default::default()).await });
                Ok(answer)
            }
            Pattern::Sync | Pattern::Sync2 => {
                call.submitted(answer);
                let ended = run(world, machine, Start::new(execution.clone(), input.clone()), call).await?;
                ended.describe(&execution, arn, &started, &input, pattern)
            }
        }
    }
}

async fn run(
    world: &World,
    machine: Arc<Machine>,
    start: Start,
    call: &TaskCall,
) -> Result<Ended, TaskError> {
    match Box::pin(super::run(&Arc::new(world.clone()), machine, start, call.cancel.child_token())).await {
        Ok(outcome) => Ok(Ended(outcome)),
        Err(Stop::Interrupted) => Err(TaskError::Interrupted),
        Err(Stop::Fault(fault)) => Err(error("States.Runtime", &fault.to_string())),
    }
}

struct Ended(Outcome);

impl Ended {
    /// As `DescribeExecution` has it; a failure's cause is the same, as text.
    fn describe(
        self,
        execution: &str,
        arn: &str,
        started: &str,
        input: &Value,
        pattern: Pattern,
    ) -> Result<Value, TaskError> {
        let text = |value: &Value| {
            if pattern == Pattern::Sync { Value::String(value.to_string()) } else { value.clone() }
        };
        let included = json!({ "Included": true });
        let mut answer = json!({
            "ExecutionArn": execution,
            "Input": text(input),
            "InputDetails": included,
            "Name": execution.rsplit(':').next(),
            "StartDate": started,
            "StateMachineArn": arn,
            "StopDate": now(),
        });
        match self.0 {
            Outcome::Succeeded(output) => {
                answer["Status"] = "SUCCEEDED".into();
                answer["Output"] = text(&output);
                answer["OutputDetails"] = included;
                return Ok(answer);
            }
            Outcome::Failed { error, cause } => {
                answer["Status"] = "FAILED".into();
                answer["Error"] = error.into();
                answer["Cause"] = cause.into();
            }
            Outcome::TimedOut => answer["Status"] = "TIMED_OUT".into(),
        }
        Err(error("States.TaskFailed", &answer.to_string()))
    }
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
