//! The context object of a test.

use serde_json::{Value, json};

use super::{ALONE, TestRequest};
use crate::host::Host;
use crate::machine::{Kind, State, Work};
use crate::resource::{Pattern, Resource};
use crate::run::iso;
use crate::validation::ApiError;

/// The fields that a context object may have. For each: the inner fields that must be texts, and other inner
/// fields.
const FIELDS: &[(&str, &[&str], &[&str])] = &[
    ("Execution", &["Id", "Name", "RoleArn", "StartTime", "RedriveTime"], &["Input", "RedriveCount"]),
    ("State", &["Name", "EnteredTime"], &["RetryCount"]),
    ("StateMachine", &["Id", "Name"], &[]),
    ("Task", &["Token"], &[]),
];

impl TestRequest {
    /// The context object of the request, or that of a new execution.
    pub(super) fn context(&self, state: &State, host: &dyn Host) -> Result<Value, ApiError> {
        let Some(text) = &self.context else { return Ok(self.new_context(state, host)) };
        let refused = |what: String| ApiError::validation(format!("Invalid Context object provided: {what}"));
        let context = crate::json::object(text.as_bytes())
            .map_err(|error| refused(format!("not a JSON object: {error}")))?;
        if context.contains_key("Task") && !waits(state) {
            let pattern = "'.sync' or '.waitForTaskToken' service integration pattern";
            return Err(refused(format!(
                "Context object contains 'Task' when state is not a Task state with a {pattern}"
            )));
        }
        for (name, value) in &context {
            check(name, value).map_err(refused)?;
        }
        Ok(context.into())
    }

    fn new_context(&self, state: &State, host: &dyn Host) -> Value {
        let arn = self.arn_prefix.as_deref().unwrap_or(ARN);
        let (machine, execution, now) = (host.uuid(), host.uuid(), iso(host.now()));
        let mut at = json!({"Name": ALONE, "EnteredTime": now});
        if matches!(state.kind, Kind::Work(_)) {
            at["RetryCount"] = self.state_configuration.retrier_retry_count.unwrap_or(0).into();
        }
        let mut context = json!({
            "Execution": {
                "Id": format!("{arn}:express:{machine}:{execution}"),
                "Input": self.input().unwrap_or_default(),
                "Name": execution,
                "RoleArn": self.role_arn,
                "StartTime": now,
            },
            "StateMachine": {"Id": format!("{arn}:stateMachine:{machine}"), "Name": machine},
            "State": at,
        });
        if waits(state) {
            context["Task"] = json!({"Token": host.uuid()});
        }
        context
    }
}

/// The default prefix of ARNs that exist only for the test.
const ARN: &str = "arn:aws:states:local:000000000000";

fn waits(state: &State) -> bool {
    match &state.kind {
        Kind::Work(Work::Task(task)) => {
            matches!(&task.resource, Resource::Service { pattern, .. } if *pattern != Pattern::RequestResponse)
        }
        _ => false,
    }
}

fn check(name: &str, value: &Value) -> Result<(), String> {
    if name == "Map" {
        return Err("'Map' field is not supported when mocking a Context object".into());
    }
    let (_, texts, others) =
        FIELDS.iter().find(|(field, ..)| *field == name).ok_or_else(|| not_allowed(name))?;
    let fields = value.as_object().ok_or_else(|| format!("{name} must be an object"))?;
    for (field, value) in fields {
        match texts.contains(&field.as_str()) {
            true if !value.is_string() => return Err(format!("{name}.{field} must be a string")),
            false if !others.contains(&field.as_str()) => return Err(not_allowed(field)),
            _ => {}
        }
    }
    Ok(())
}

fn not_allowed(field: &str) -> String {
    format!("Field '{field}' is not allowed")
}
