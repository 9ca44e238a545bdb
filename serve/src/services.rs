//! Step Functions as a service of the server's own state machines: `states:startExecution` and
//! `aws-sdk:sfn:…`. The executions that it starts are executions of the server.

use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use engine::{Pattern, Resource, TaskCall, TaskError};
use serde_json::{Map, Value, json};
use states::Host;
use states::services::sdk::{lower, sdk_error, upper};
use states::services::{EndedChild, Service, Support};

use crate::api::{Api, ApiError, Input};
use crate::executions::{Execution, Open};

/// The service. It is made before the API that it calls.
#[derive(Clone, Default)]
pub(crate) struct StepFunctions(Arc<OnceLock<Weak<Api>>>);

const START: &str = "startExecution";
/// The service's name in the errors of SDK integrations.
const NAME: &str = "Sfn";

impl StepFunctions {
    /// Sets the API, once.
    pub(crate) fn set(&self, api: &Arc<Api>) {
        // A second API would be a bug of the caller; the first one stays.
        let _ = self.0.set(Arc::downgrade(api));
    }

    fn api(&self) -> Result<Arc<Api>, TaskError> {
        // The API is gone when the server ends.
        self.0.get().and_then(Weak::upgrade).ok_or(TaskError::Interrupted)
    }

    async fn start(&self, call: &TaskCall, pattern: Pattern) -> Result<Value, TaskError> {
        let api = self.api()?;
        let waits = matches!(pattern, Pattern::Sync | Pattern::Sync2);
        let mut members = Map::new();
        for (from, to) in
            [("StateMachineArn", "stateMachineArn"), ("Name", "name"), ("TraceHeader", "traceHeader")]
        {
            members.extend(call.parameters.get(from).map(|value| (to.to_owned(), value.clone())));
        }
        let input = match call.parameters.get("Input") {
            None => "{}".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(input) => input.to_string(),
        };
        members.insert("input".into(), input.into());
        if let Some(token) = call.token.as_ref().filter(|_| waits && !members.contains_key("name")) {
            // The call may be repeated after a crash, with the same token: then the child is the same.
            members.insert("name".into(), child_name(token).into());
        }
        let new = api.new_execution(&Input(members)).map_err(failed)?;
        let (machine, name) = (new.machine.name.clone(), new.name.clone());
        let open = match api.executions.start(new).await {
            Ok(open) => open,
            Err(error) if waits && error.code == "ExecutionAlreadyExists" => {
                let found = api.executions.find(&machine, &name);
                let child = found.ok().flatten().filter(|child| child.end.is_some() && call.token.is_some());
                let own = call.token.as_ref().is_some_and(|token| child_name(token) == name);
                let child = child.filter(|_| own).ok_or_else(|| failed(error))?;
                return described(&api, &child, pattern);
            }
            Err(error) => return Err(failed(error)),
        };
        let response = json!({
            "ExecutionArn": open.record.arn(&api.place),
            "StartDate": shown_time(&open.record),
        });
        if !waits {
            return Ok(response);
        }
        call.submitted(response);
        let ended = tokio::select! {
            biased;
            ended = open.ended() => ended,
            () = call.cancel.cancelled() => return Err(interrupted(&api, &open).await),
        };
        described(&api, &ended, pattern)
    }

    async fn operation(&self, action: &str, parameters: &Value) -> Result<Value, TaskError> {
        let api = self.api()?;
        let operation = first_upper(action);
        let Value::Object(members) = lower(parameters) else { return Ok(Value::Null) };
        // An endless recursion of types without the box: a call can start an execution that calls.
        let called = Box::pin(api.call(&operation, members)).await;
        called
            .map(|output| upper(&output))
            .map_err(|error| sdk_error(NAME, error.code, &error.message, error.status.as_u16()))
    }
}

/// If the execution that waits was stopped, its child is stopped. If the server stops, the child goes on later.
async fn interrupted(api: &Api, child: &Arc<Open>) -> TaskError {
    if !api.is_stopping()
        && let Err(error) = api.executions.stop_number(child.record.number, "", "").await
    {
        tracing::error!(error = error.message, "a child execution cannot be stopped");
    }
    TaskError::Interrupted
}

/// A name that belongs to a token alone.
fn child_name(token: &str) -> String {
    let hash = blake3::hash(token.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(id).into_uuid().to_string()
}

fn described(api: &Api, child: &Execution, pattern: Pattern) -> Result<Value, TaskError> {
    let text = |text: &str| engine::json::from_str(text).unwrap_or_default();
    let end = child.end.as_ref();
    EndedChild {
        execution: child.arn(&api.place),
        machine: api.place.machine(&child.machine),
        started: shown_time(child),
        stopped: crate::executions::rfc3339(child.stopped()),
        status: child.status().name(),
        input: text(&child.input),
        output: end.and_then(|end| end.output.as_deref()).map(text),
        error: end.and_then(|end| end.error.clone()),
        cause: end.and_then(|end| end.cause.clone()),
    }
    .result(pattern)
}

fn shown_time(execution: &Execution) -> String {
    crate::executions::rfc3339(execution.started)
}

fn failed(error: ApiError) -> TaskError {
    let code = if error.code.ends_with("Exception") {
        error.code.into()
    } else {
        format!("{}Exception", error.code)
    };
    TaskError::Error {
        error: format!("StepFunctions.{code}"),
        cause: format!(
            "{} (Service: AWSStepFunctions; Status Code: {}; Error Code: {}; Request ID: null; Proxy: null)",
            error.message,
            error.status.as_u16(),
            error.code
        ),
    }
}

fn first_upper(action: &str) -> String {
    let mut letters = action.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

#[async_trait]
impl Service for StepFunctions {
    fn support(&self, _state: &str, resource: &Resource) -> Support {
        let own = matches!(resource, Resource::Service { service, .. } if service == "aws-sdk:sfn");
        if own || resource.is("states", START) { Support::Yes } else { Support::No }
    }

    async fn call(&self, _host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let Resource::Service { service, action, pattern } = &call.resource else { return Ok(Value::Null) };
        if service == "states" {
            return self.start(call, *pattern).await;
        }
        self.operation(action, &call.parameters).await
    }

    /// A child of an execution that was stopped is stopped first.
    fn ends_on_cancel(&self) -> bool {
        true
    }
}
