//! The callee of a task, as the history and errors name it.

use serde_json::{Value, json};

use super::events::Details;
use crate::machine::State;
use crate::resource::Resource;

/// The callee of a task.
pub(super) enum Callee {
    Function(String),
    Activity(String),
    Service { service: String, action: String },
}

impl Callee {
    pub(super) fn of(resource: &Resource) -> Self {
        match resource {
            Resource::Function(arn) => Callee::Function(arn.clone()),
            Resource::Activity(arn) => Callee::Activity(arn.clone()),
            Resource::Service { service, .. } => {
                Callee::Service { service: service.clone(), action: resource.action() }
            }
        }
    }

    /// The name in the error of a result that is too large.
    pub(super) fn name(&self, state: &State) -> String {
        match self {
            Callee::Function(arn) => arn.clone(),
            Callee::Activity(_) => state.name.clone(),
            Callee::Service { service, .. } => service.clone(),
        }
    }

    pub(super) fn event(&self, what: &str) -> String {
        format!("{}{what}", self.prefix())
    }

    fn prefix(&self) -> &'static str {
        match self {
            Callee::Function(_) => "LambdaFunction",
            Callee::Activity(_) => "Activity",
            Callee::Service { .. } => "Task",
        }
    }

    pub(super) fn details(&self, what: &str, details: Value) -> Details {
        let name = DETAILS.iter().find(|(prefix, event, _)| *prefix == self.prefix() && *event == what);
        name.map(|(_, _, name)| (*name, details))
    }

    /// The fields that name the callee in each event of a service's task.
    pub(super) fn names(&self) -> Value {
        match self {
            Callee::Service { service, action } => json!({"resource": action, "resourceType": service}),
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
