//! The context object.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Finish;
use super::events::{self, Details, Events};
use crate::execution::{ExecutionType, Start};
use crate::history::Event;
use crate::map_run::MapRunStatus;

const STARTED: &str = "ExecutionStarted";

/// The execution that is running, or the child of a Distributed Map, which is an execution of its own.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state_machine_id: String,
    pub(super) state_machine_name: String,
    pub(super) role_arn: String,
    pub(super) started: OffsetDateTime,
    pub(super) input: Value,
    pub(super) events: Events,
    /// The Map Run that a child belongs to.
    pub(super) map_run: Option<Arc<MapRunStatus>>,
    /// The redrives of the execution that was started.
    pub(super) generation: u32,
    /// The redrives of this execution, if there are any.
    pub(super) redrive: Option<Redrive>,
    /// Whether it is of the type Standard, and so are those around it.
    pub(super) can_be_redriven: bool,
}

/// The redrives of an execution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Redrive {
    pub(super) count: u32,
    /// The time of the last one.
    pub(super) at: OffsetDateTime,
}

impl Identity {
    pub(super) fn of_execution(start: Start, started: OffsetDateTime) -> Self {
        Self {
            events: Events::new(
                start.history,
                start.max_events.filter(|_| start.execution_type == ExecutionType::Standard),
            ),
            id: start.id,
            name: start.name,
            state_machine_id: start.state_machine_id,
            state_machine_name: start.state_machine_name,
            role_arn: start.role_arn,
            started,
            input: start.input,
            map_run: None,
            generation: 0,
            redrive: None,
            can_be_redriven: false,
        }
    }

    /// The identity of a child of the Map Run `label`. Its state machine is `<machine>/<label>`.
    pub(super) fn of_child(
        &self,
        label: &str,
        map_run: Arc<MapRunStatus>,
        name: String,
        started: OffsetDateTime,
        input: Value,
    ) -> Self {
        Self {
            id: format!("{}:{name}", self.arn("execution", label)),
            name,
            state_machine_id: self.arn("stateMachine", label),
            state_machine_name: format!("{}/{label}", self.machine()),
            role_arn: self.role_arn.clone(),
            started,
            input,
            events: self.events.of_child(),
            map_run: Some(map_run),
            generation: self.generation,
            redrive: None,
            can_be_redriven: self.can_be_redriven,
        }
    }

    /// Records the execution's first event.
    pub(super) fn record_started(&self) {
        self.events.add(0, || self.started, || STARTED.into(), || self.started_details());
    }

    /// The execution's first event.
    pub(super) fn started_event(&self) -> Event {
        let details = self.started_details();
        Event { id: 1, previous: 0, timestamp: self.started, kind: STARTED.into(), details }
    }

    fn started_details(&self) -> Details {
        let details = events::data("input", &self.input, json!({"roleArn": self.role_arn}));
        Some(("executionStartedEventDetails", details))
    }

    /// Records the execution's last event.
    pub(super) fn record_ended(&self, at: OffsetDateTime, finish: &Finish) {
        let (previous, kind) = match finish {
            Finish::Succeeded(done) => (done.previous, "ExecutionSucceeded"),
            Finish::Failed(failure) => (failure.trace.event, "ExecutionFailed"),
            Finish::TimedOut => (0, "ExecutionTimedOut"),
            Finish::Aborted(_) => (0, events::ABORTED),
        };
        let details = || match finish {
            Finish::Succeeded(done) => {
                Some(("executionSucceededEventDetails", events::data("output", &done.output, Value::Null)))
            }
            Finish::Failed(failure) => {
                Some(("executionFailedEventDetails", events::failure(failure, Value::Null)))
            }
            Finish::TimedOut => Some(("executionTimedOutEventDetails", json!({}))),
            Finish::Aborted(failure) => events::aborted_details(failure),
        };
        self.events.add_last(previous, at, kind, details);
    }

    pub(super) fn region(&self) -> &str {
        self.id.split(':').nth(3).unwrap_or_default()
    }

    pub(super) fn map_run_arn(&self, label: &str, id: &str) -> String {
        format!("{}:{id}", self.arn("mapRun", label))
    }

    pub(super) fn arn(&self, kind: &str, label: &str) -> String {
        let before = self.id.split(":execution:").next().unwrap_or_default();
        format!("{before}:{kind}:{}/{label}", self.machine())
    }

    /// The machine's name. A child of a child belongs to the same machine.
    fn machine(&self) -> &str {
        self.state_machine_name.split('/').next().unwrap_or_default()
    }

    pub(super) fn context(
        &self,
        state: &str,
        entered: OffsetDateTime,
        retries: u32,
        item: Option<&Value>,
        token: Option<&str>,
    ) -> Value {
        let mut context = Map::new();
        let mut execution = json!({
            "Id": self.id,
            "Input": self.input,
            "Name": self.name,
            "RoleArn": self.role_arn,
            "StartTime": iso(self.started),
            "RedriveCount": self.redrive.map_or(0, |redrive| redrive.count),
        });
        if let Some(redrive) = self.redrive {
            execution["RedriveTime"] = iso(redrive.at).into();
        }
        context.insert("Execution".into(), execution);
        context.insert(
            "StateMachine".into(),
            json!({"Id": self.state_machine_id, "Name": self.state_machine_name}),
        );
        let mut at = json!({"Name": state, "EnteredTime": iso(entered)});
        if retries > 0 {
            at["RetryCount"] = retries.into();
        }
        context.insert("State".into(), at);
        if let Some(item) = item {
            context.insert("Map".into(), json!({"Item": item}));
        }
        if let Some(token) = token {
            context.insert("Task".into(), json!({"Token": token}));
        }
        Value::Object(context)
    }
}

/// A time in the format of Step Functions, with milliseconds.
pub(crate) fn iso(moment: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    moment.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default()
}
