//! The Step Functions API (AWS Step Functions API Reference): one file per resource.

mod activities;
mod aliases;
mod codec;
mod constraints;
mod error;
mod executions;
mod history;
mod input;
mod input_words;
mod machines;
mod map_runs;
mod operations;
mod paging;
mod references;
mod tags;
mod test_state;
mod versions;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

pub(crate) use codec::{read, respond};
pub(crate) use error::ApiError;
pub(crate) use input::Input;

use crate::arn::Place;
use crate::audit::Audit;
use crate::catalog::Catalog;
use crate::executions::Executions;
use crate::inbox::Inbox;
use crate::keys::Key;

/// The API of a server.
pub(crate) struct Api {
    pub(crate) place: Place,
    catalog: Arc<Catalog>,
    pub(crate) executions: Executions,
    workers: states::api::Workers,
    pollers: workers::Pollers,
    stop: CancellationToken,
    audit: Audit,
    inbox: Inbox,
}

impl Api {
    pub(crate) fn new(
        place: Place,
        catalog: Arc<Catalog>,
        executions: Executions,
        workers: states::api::Workers,
        audit: Audit,
        inbox: Inbox,
        stop: CancellationToken,
    ) -> Self {
        let pollers = workers::Pollers::default();
        Self { place, catalog, executions, workers, pollers, stop, audit, inbox }
    }

    /// Whether the server has been told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Checks that a key may use an operation.
    ///
    /// # Errors
    /// As for [`operations::allow`].
    pub(crate) fn allow(&self, key: &Key, operation: &str) -> Result<(), ApiError> {
        operations::allow(key, operation)
    }

    /// Does an operation for a key, if the key may, and records it.
    ///
    /// # Errors
    /// As for [`Api::call`], and those of [`Api::allow`].
    pub(crate) async fn call_as(
        &self,
        key: &Key,
        operation: &str,
        members: Map<String, Value>,
    ) -> Result<Value, ApiError> {
        self.allow(key, operation)?;
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let token = text("taskToken");
        let outcome = match operation {
            "SendTaskSuccess" => Some((true, text("output"))),
            "SendTaskFailure" => Some((false, format!("{}: {}", text("error"), text("cause")))),
            _ => None,
        };
        let asked = members.clone();
        let result = self.call(operation, members).await;
        let error = result.as_ref().map_or_else(|error| error.code, |_| "");
        self.audit.record(&key.id, operation, &asked, error).await?;
        if let (Ok(_), Some((succeeded, outcome))) = (&result, outcome) {
            self.inbox.sent(&token, &key.id, succeeded, outcome).await?;
        }
        result
    }

    /// Counts an operation and its time. What is not an operation has the name of none.
    fn measure(&self, operation: &str, result: &Result<Value, ApiError>, took: Duration) {
        let error = result.as_ref().map_or_else(|error| error.code, |_| "");
        let operation = if operations::exists(operation) { operation } else { "" };
        self.executions.metrics().requested(operation, error, took);
    }

    /// Does an operation.
    ///
    /// # Errors
    /// Those of AWS, in its words. An operation that this server does not have is refused by its name.
    pub(crate) async fn call(&self, operation: &str, members: Map<String, Value>) -> Result<Value, ApiError> {
        constraints::check(operation, &members)?;
        let input = &Input(members);
        match operation {
            "CreateActivity" => self.create_activity(input).await,
            "CreateStateMachine" => self.create_state_machine(input).await,
            "CreateStateMachineAlias" => self.create_state_machine_alias(input).await,
            "DeleteActivity" => self.delete_activity(input).await,
            "DeleteStateMachine" => self.delete_state_machine(input).await,
            "DeleteStateMachineAlias" => self.delete_state_machine_alias(input).await,
            "DeleteStateMachineVersion" => self.delete_state_machine_version(input).await,
            "DescribeActivity" => self.describe_activity(input),
            "DescribeExecution" => self.describe_execution(input),
            "DescribeMapRun" => self.describe_map_run(input),
            "DescribeStateMachine" => self.describe_state_machine(input),
            "DescribeStateMachineAlias" => self.describe_state_machine_alias(input),
            "DescribeStateMachineForExecution" => self.describe_state_machine_for_execution(input),
            "GetActivityTask" => self.get_activity_task(input).await,
            "GetExecutionHistory" => self.get_execution_history(input),
            "ListActivities" => self.list_activities(input),
            "ListExecutions" => self.list_executions(input),
            "ListMapRuns" => self.list_map_runs(input),
            "ListStateMachineAliases" => self.list_state_machine_aliases(input),
            "ListStateMachineVersions" => self.list_state_machine_versions(input),
            "ListStateMachines" => self.list_state_machines(input),
            "ListTagsForResource" => self.list_tags_for_resource(input),
            "PublishStateMachineVersion" => self.publish_state_machine_version(input).await,
            "RedriveExecution" => self.redrive_execution(input).await,
            "SendTaskFailure" | "SendTaskHeartbeat" | "SendTaskSuccess" => self.send(operation, input).await,
            "StartExecution" => self.start_execution(input).await,
            "StartSyncExecution" => self.start_sync_execution(input).await,
            "StopExecution" => self.stop_execution(input).await,
            "TagResource" => self.tag_resource(input).await,
            "TestState" => self.test_state(input).await,
            "UntagResource" => self.untag_resource(input).await,
            "UpdateMapRun" => self.update_map_run(input).await,
            "UpdateStateMachine" => self.update_state_machine(input).await,
            "UpdateStateMachineAlias" => self.update_state_machine_alias(input).await,
            "ValidateStateMachineDefinition" => self.validate_state_machine_definition(input),
            _ => Err(operations::unknown(operation)),
        }
    }
}
