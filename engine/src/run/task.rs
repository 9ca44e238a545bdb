//! The Task state.

use serde_json::{Map, Value, json};

use super::frame::Running;
use super::limits;
use crate::error::{Failure, Halt, Stop};
use crate::host::{TaskCall, TaskError};
use crate::machine::{Resource, State, Task};

impl Running {
    pub(super) async fn task(&mut self, state: &State, task: &Task) -> Result<Value, Halt> {
        let input = self.input(state)?;
        let arguments = match &task.parameters {
            Some(template) => self.evaluate(state, &input, |env| template.fill(env))?,
            None => input,
        };
        limits::check(&state.name, &arguments)?;
        self.save_chance().await?;
        if self.world.cancel.is_cancelled() {
            return Err(Stop::Interrupted.into());
        }
        let result = self.call(state, &task.resource, arguments).await?;
        let result = match &task.result_selector {
            Some(template) => self.evaluate(state, &result, |env| template.fill(env))?,
            None => result,
        };
        let output = self.place_result(&task.result_path, result)?;
        Ok(self.output(state, output)?)
    }

    async fn call(&mut self, state: &State, resource: &Resource, arguments: Value) -> Result<Value, Halt> {
        let (resource, function, payload) = match resource {
            Resource::Function(arn) => (arn.clone(), arn.clone(), arguments),
            Resource::LambdaInvoke => {
                let (function, payload) = invocation(arguments)?;
                ("arn:aws:states:::lambda:invoke".to_owned(), function, payload)
            }
        };
        let invoked = resource != function;
        let who = if invoked { "lambda".to_owned() } else { function.clone() };
        let call = TaskCall {
            resource,
            function,
            payload,
            state: state.name.clone(),
            execution: self.frame.identity.id.clone(),
            cancel: self.world.cancel.clone(),
        };
        // Scheduled, started, ended.
        self.at.events += 3;
        let payload = match self.world.host.task(call).await {
            Ok(payload) => payload,
            Err(TaskError::Error { error, cause }) => return Err(Failure::new(error, cause).into()),
            Err(TaskError::Interrupted) => return Err(Stop::Interrupted.into()),
        };
        if limits::size(&payload) > limits::DATA {
            return Err(Failure::too_large(&who).into());
        }
        Ok(if invoked { self.response(payload) } else { payload })
    }

    /// What `lambda:invoke` gives: the answer of Lambda's API around the payload.
    fn response(&self, payload: Value) -> Value {
        let request = self.world.host.uuid();
        let version = "$LATEST";
        json!({
            "ExecutedVersion": version,
            "Payload": payload,
            "SdkHttpMetadata": {
                "AllHttpHeaders": {
                    "X-Amz-Executed-Version": [version],
                    "x-amzn-RequestId": [request],
                    "Content-Type": ["application/json"],
                },
                "HttpHeaders": {
                    "Content-Type": "application/json",
                    "X-Amz-Executed-Version": version,
                    "x-amzn-RequestId": request,
                },
                "HttpStatusCode": 200,
            },
            "SdkResponseMetadata": {"RequestId": request},
            "StatusCode": 200,
        })
    }
}

/// The function and its payload.
fn invocation(arguments: Value) -> Result<(String, Value), Failure> {
    let Value::Object(mut arguments) = arguments else {
        return Err(Failure::runtime("The Parameters of lambda:invoke must be an object."));
    };
    let payload = arguments.remove("Payload").unwrap_or_else(|| Value::Object(Map::new()));
    match arguments.remove("FunctionName") {
        Some(Value::String(function)) => Ok((function, payload)),
        _ => Err(Failure::runtime("The parameter FunctionName of lambda:invoke must be a string.")),
    }
}
