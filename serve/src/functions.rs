//! The functions that state machines call: the steps of jobs, commands, and those at the URL of the settings.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{Resource, TaskCall, TaskError};
use serde_json::Value;
use states::services::{Lambda, Service, Support};
use states::{Host, task_error};

use crate::arn::Place;
use crate::commands::CommandFunction;
use crate::jobs::{Jobs, MACHINE};

/// The service of all functions.
pub(crate) struct Functions {
    pub(crate) place: Place,
    pub(crate) jobs: Arc<dyn Jobs>,
    pub(crate) commands: HashMap<String, Arc<CommandFunction>>,
    pub(crate) lambda: Lambda,
}

impl Functions {
    /// The execution of a run of a job, if the call comes from one. The calls of a Map Run come from its children.
    fn run<'a>(&self, call: &'a TaskCall) -> Option<&'a str> {
        let execution = call.map_run.as_ref().map_or(&call.execution, |map_run| &map_run.execution);
        execution.starts_with(&self.place.execution(MACHINE, "")).then_some(execution)
    }
}

#[async_trait]
impl Service for Functions {
    /// Which function is called is known with the call.
    fn support(&self, _state: &str, resource: &Resource) -> Support {
        let function = matches!(resource, Resource::Function(_)) || resource.is("lambda", "invoke");
        if function { Support::Yes } else { Support::No }
    }

    async fn call(&self, host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        if let Some(execution) = self.run(call) {
            return self.jobs.call(host, call, execution).await;
        }
        if let Some(command) = self.commands.get(call.function_name()) {
            let result = command.call(call.payload(), &call.cancel).await?;
            return Ok(call.function_result(result, &uuid::Uuid::new_v4().to_string()));
        }
        if let Support::Missing(what) = self.lambda.support(&call.state, &call.resource) {
            return Err(task_error("States.Runtime", &what));
        }
        tokio::select! {
            biased;
            result = self.lambda.call(host, call) => result,
            () = call.cancel.cancelled() => Err(TaskError::Interrupted),
        }
    }

    /// The steps save their work first.
    fn ends_on_cancel(&self) -> bool {
        true
    }
}
