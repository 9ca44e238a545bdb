//! StartExecution, StartSyncExecution, StopExecution, DescribeExecution, DescribeStateMachineForExecution,
//! ListExecutions.

use std::sync::Arc;

use serde_json::{Value, json};

use super::machines::{refuse_deleting, show_revision};
use super::{Api, ApiError, Input, input_words};
use crate::arn::{self, Arn};
use crate::catalog::{Alias, Machine};
use crate::executions::{Execution, Listing, NewExecution, Position, Status};
use crate::jobs::MACHINE;

/// The parts of the time of an Express execution that are billed on AWS, in milliseconds.
const BILLED: i64 = 100;
/// The memory of an Express execution that is billed on AWS, in MB. The server does not measure it.
const MEMORY: u64 = 64;

/// What an ARN of a machine, a version or an alias leads to.
struct Target {
    machine: Arc<Machine>,
    revision: String,
    version: Option<u32>,
    alias: Option<String>,
}

impl Api {
    pub(crate) async fn start_execution(&self, input: &Input) -> Result<Value, ApiError> {
        let new = self.new_execution(input)?;
        let open = self.executions.start(new).await?;
        Ok(json!({
            "executionArn": open.record.arn(&self.place),
            "startDate": open.record.started.to_json(),
        }))
    }

    /// The execution that a request to start one describes.
    pub(crate) fn new_execution(&self, input: &Input) -> Result<NewExecution, ApiError> {
        let Target { machine, revision, version, alias } = self.target(input.text("stateMachineArn"))?;
        let name = match input.maybe("name") {
            Some(name) => {
                arn::check_name(name)?;
                name.to_owned()
            }
            None => uuid::Uuid::new_v4().to_string(),
        };
        let text = input.maybe("input").unwrap_or("{}").to_owned();
        if let Some(words) = input_words::of(&text) {
            return Err(ApiError::about(
                "InvalidExecutionInput",
                "Invalid State Machine Execution Input",
                &words,
            ));
        }
        let trace = input.owned("traceHeader");
        Ok(NewExecution { machine, revision, version, alias, name, input: text, trace })
    }

    pub(super) async fn start_sync_execution(&self, input: &Input) -> Result<Value, ApiError> {
        let new = self.new_execution(input)?;
        if !new.machine.express {
            return Err(type_not_supported());
        }
        let data = input.maybe("includedData") != Some("METADATA_ONLY");
        let revision = self.catalog.revision(&new.revision)?;
        let record = new.record(0);
        let execution = self.executions.run_sync(record, &revision).await?;
        let mut shown = self.shown(&execution, data);
        let stopped = execution.stopped();
        // AWS shows it here also when there is no output.
        shown["outputDetails"] = json!({ "included": data });
        let took = (stopped.0 - execution.started.0) / 1_000;
        shown["billingDetails"] = json!({
            "billedDurationInMilliseconds": (took / BILLED + 1) * BILLED,
            "billedMemoryUsedInMB": MEMORY,
        });
        Ok(shown)
    }

    pub(super) async fn stop_execution(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("executionArn");
        let execution = self.execution_of(arn)?;
        let (machine, name) = (&execution.machine, &execution.name);
        let stopped = self.executions.stop(machine, name, input.text("error"), input.text("cause"));
        let ended = match stopped.await? {
            Some(ended) => ended,
            None => Arc::new(self.execution_of(arn)?),
        };
        Ok(json!({ "stopDate": ended.stopped().to_json() }))
    }

    pub(super) async fn redrive_execution(&self, input: &Input) -> Result<Value, ApiError> {
        let execution = self.execution_of(input.text("executionArn"))?;
        let (machine, name) = (&execution.machine, &execution.name);
        let at = self.executions.redrive(machine, name, input.maybe("clientToken")).await?;
        Ok(json!({ "redriveDate": at.to_json() }))
    }

    pub(super) fn describe_execution(&self, input: &Input) -> Result<Value, ApiError> {
        let execution = self.execution_of(input.text("executionArn"))?;
        let data = input.maybe("includedData") != Some("METADATA_ONLY");
        let mut shown = self.shown(&execution, data);
        for (name, arn) in self.qualifiers(&execution) {
            shown[name] = arn.into();
        }
        show_redrives(&mut shown, &execution);
        let reason = self.executions.not_redrivable(&execution)?;
        shown["redriveStatus"] = if reason.is_some() { "NOT_REDRIVABLE" } else { "REDRIVABLE" }.into();
        if let Some(reason) = reason {
            shown["redriveStatusReason"] = reason.into();
        }
        Ok(shown)
    }

    /// What `DescribeExecution` and `StartSyncExecution` both show.
    fn shown(&self, execution: &Execution, data: bool) -> Value {
        let mut shown = json!({
            "executionArn": execution.arn(&self.place),
            "stateMachineArn": self.place.machine(&execution.machine),
            "name": execution.name,
            "status": execution.status().name(),
            "startDate": execution.started.to_json(),
        });
        let included = json!({ "included": data });
        let mut set = |name: &str, value: Value| shown[name] = value;
        if data {
            set("input", execution.input.as_str().into());
        }
        set("inputDetails", included.clone());
        if let Some(trace) = &execution.trace {
            set("traceHeader", trace.as_str().into());
        }
        let Some(end) = &execution.end else { return shown };
        set("stopDate", end.stopped.to_json());
        if let Some(output) = &end.output {
            if data {
                set("output", output.as_str().into());
            }
            set("outputDetails", included);
        }
        for (name, text) in [("error", &end.error), ("cause", &end.cause)] {
            if let Some(text) = text.as_ref().filter(|_| data) {
                set(name, text.as_str().into());
            }
        }
        shown
    }

    /// The ARNs of the version and alias by which an execution was started.
    fn qualifiers(&self, execution: &Execution) -> Vec<(&'static str, String)> {
        let arn = |qualifier: &str| self.place.qualified(&execution.machine, qualifier);
        let version = execution.version.map(|version| ("stateMachineVersionArn", arn(&version.to_string())));
        let alias = execution.alias.as_ref().map(|alias| ("stateMachineAliasArn", arn(alias)));
        version.into_iter().chain(alias).collect()
    }

    pub(super) fn describe_state_machine_for_execution(&self, input: &Input) -> Result<Value, ApiError> {
        let execution = self.execution_of(input.text("executionArn"))?;
        let revision = self.catalog.revision(&execution.revision)?;
        let mut shown = json!({
            "stateMachineArn": self.place.machine(&execution.machine),
            "name": execution.machine,
            "updateDate": revision.updated.to_json(),
        });
        show_revision(&mut shown, &revision, input.maybe("includedData") != Some("METADATA_ONLY"));
        Ok(shown)
    }

    pub(super) fn list_executions(&self, input: &Input) -> Result<Value, ApiError> {
        if input.maybe("mapRunArn").is_some() {
            return Err(ApiError::unsupported("the list of the child executions of a Map Run ('mapRunArn')"));
        }
        let Some(arn) = input.maybe("stateMachineArn") else {
            return Err(ApiError::validation("Must provide a state machine ARN or map run ARN")
                .with("reason", "MISSING_REQUIRED_PARAMETER"));
        };
        if input.maybe("redriveFilter").is_some() {
            return Err(ApiError::validation("The redrive filter can only be used with a map run ARN"));
        }
        let (name, qualifier) = arn::machine(arn)?;
        let machine = self.machine_of(name, arn)?;
        if machine.express {
            return Err(type_not_supported());
        }
        let status = match input.maybe("statusFilter") {
            None => None,
            Some("RUNNING") => Some(Status::Running),
            Some("PENDING_REDRIVE") => {
                return Err(ApiError::validation(
                    "The status filter PENDING_REDRIVE can only be used with a map run ARN",
                ));
            }
            Some(wanted) => Status::ENDED.into_iter().find(|status| status.name() == wanted),
        };
        let version = qualifier.and_then(|qualifier| qualifier.parse::<u32>().ok());
        if version.is_some_and(|version| machine.version(version).is_none()) {
            return Err(ApiError::no_machine(arn));
        }
        let alias = qualifier.filter(|_| version.is_none()).map(str::to_owned);
        if alias.as_ref().is_some_and(|alias| machine.alias(alias).is_none()) {
            return Err(ApiError::no_machine(arn));
        }
        let list = format!("ListExecutions {arn} {}", status.map_or("", Status::name));
        let before = match self.page_position(&list, input)? {
            Some(position) => Some(Position::of(&position).ok_or_else(ApiError::invalid_token)?),
            None => None,
        };
        let size = input.page_size();
        let listing = Listing { machine_number: machine.number, status, version, alias };
        let mut found = self.executions.list(&listing, before, size + 1)?;
        let mut shown = json!({});
        if found.len() > size {
            found.truncate(size);
            if let Some(last) = found.last() {
                shown["nextToken"] = self.page_token(&list, &last.position().key()).into();
            }
        }
        shown["executions"] = found.iter().map(|execution| self.list_item(execution)).collect();
        Ok(shown)
    }

    /// The runs of jobs before a position, newest first.
    pub(crate) fn runs(&self, before: Option<Position>, limit: usize) -> Result<Vec<Execution>, ApiError> {
        let Some(machine) = self.catalog.machine(MACHINE) else { return Ok(Vec::new()) };
        let listing = Listing { machine_number: machine.number, status: None, version: None, alias: None };
        Ok(self.executions.list(&listing, before, limit)?)
    }

    fn list_item(&self, execution: &Execution) -> Value {
        let mut item = json!({
            "executionArn": execution.arn(&self.place),
            "stateMachineArn": self.place.machine(&execution.machine),
            "name": execution.name,
            "status": execution.status().name(),
            "startDate": execution.started.to_json(),
        });
        show_redrives(&mut item, execution);
        if let Some(end) = &execution.end {
            item["stopDate"] = end.stopped.to_json();
        }
        for (name, arn) in self.qualifiers(execution) {
            item[name] = arn.into();
        }
        item
    }

    /// The Standard execution of an ARN.
    pub(super) fn execution_of(&self, arn: &str) -> Result<Execution, ApiError> {
        let (machine, name) = arn::execution(arn)?;
        let found = self.executions.find(machine, name)?.filter(|found| found.arn(&self.place) == arn);
        found.ok_or_else(|| ApiError::no_execution(arn))
    }

    fn target(&self, arn: &str) -> Result<Target, ApiError> {
        let (name, qualifier) = match Arn::parse(arn)? {
            Arn::Machine { name, qualifier } => (name, qualifier),
            other => return Err(other.wrong_kind()),
        };
        if name.contains('/') {
            return Err(ApiError::validation(
                "A state machine ARN with a label of a Distributed Map state is not supported by this operation",
            )
            .with("reason", "API_DOES_NOT_SUPPORT_LABELED_ARNS"));
        }
        let machine = self.machine_of(name, arn)?;
        refuse_deleting(&machine, arn)?;
        let Some(qualifier) = qualifier else {
            let revision = machine.revision.clone();
            return Ok(Target { machine, revision, version: None, alias: None });
        };
        let (number, alias) = match qualifier.parse() {
            Ok(number) => (number, None),
            Err(_) => {
                let alias = machine.alias(qualifier).ok_or_else(|| ApiError::no_machine(arn))?;
                (chosen(alias), Some(alias.name.clone()))
            }
        };
        let version = machine.version(number).ok_or_else(|| ApiError::no_machine(arn))?;
        let revision = version.revision.clone();
        Ok(Target { machine, revision, version: Some(number), alias })
    }
}

/// The version of an alias that an execution uses, by chance and weight.
fn chosen(alias: &Alias) -> u32 {
    let mut drawn: u8 = rand::random_range(0..100);
    for route in &alias.routes {
        if drawn < route.weight {
            return route.version;
        }
        drawn -= route.weight;
    }
    alias.routes.last().map_or(0, |route| route.version)
}

/// How often an execution was redriven, and when last.
fn show_redrives(shown: &mut Value, execution: &Execution) {
    shown["redriveCount"] = execution.redrives.len().into();
    if let Some(last) = execution.redrives.last() {
        shown["redriveDate"] = last.at.to_json();
    }
}

fn type_not_supported() -> ApiError {
    ApiError::new(
        "StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine",
    )
}
