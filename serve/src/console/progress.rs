//! How far the states of an execution are, as its history tells.

use std::collections::HashMap;

use serde_json::Value;

use super::status::{self, Shown};
use crate::executions::Status;

/// A state that has been entered.
pub(super) struct State {
    pub(super) name: String,
    pub(super) status: Shown,
    pub(super) entered: u64,
    pub(super) left: u64,
    /// Attempts that failed or timed out.
    pub(super) failures: u64,
    waits: bool,
}

/// The states in the order in which they were first entered, and the state of each event by its id.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) states: Vec<State>,
    pub(super) of_event: HashMap<u64, String>,
}

impl Progress {
    /// `events` are in their order. Events before them may be missing.
    pub(super) fn of(events: &[Value], execution: Status) -> Self {
        let mut this = Self::default();
        for event in events {
            this.add(event);
        }
        for state in &mut this.states {
            let inside = state.entered > state.left;
            state.status = match execution {
                _ if !inside => status::SUCCEEDED,
                Status::Running if state.waits => status::WAITING,
                Status::Running => status::RUNNING,
                Status::Aborted => status::STOPPED,
                Status::Succeeded => status::SUCCEEDED,
                Status::Failed | Status::TimedOut => status::FAILED,
            };
        }
        this
    }

    /// The names of the states that were not left.
    pub(super) fn inside(&self) -> Vec<String> {
        let inside = self.states.iter().filter(|state| state.entered > state.left);
        inside.map(|state| state.name.clone()).collect()
    }

    pub(super) fn class_of(&self, name: &str) -> &'static str {
        self.states.iter().find(|state| state.name == name).map_or("", |state| state.status.class)
    }

    fn add(&mut self, event: &Value) {
        let kind = event["type"].as_str().unwrap_or_default();
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        let own = ["stateEnteredEventDetails", "stateExitedEventDetails"]
            .iter()
            .find_map(|details| event[details]["name"].as_str());
        let name = match own {
            Some(name) => name.to_owned(),
            None => self.of_event.get(&number("previousEventId")).cloned().unwrap_or_default(),
        };
        if name.is_empty() {
            return;
        }
        let state = self.state(&name);
        if kind.ends_with("StateEntered") {
            state.entered += 1;
            state.waits = kind == "WaitStateEntered";
        } else if kind.ends_with("StateExited") {
            state.left += 1;
        } else if kind == "ActivityScheduled" {
            state.waits = true;
        } else if kind == "TaskScheduled" {
            let resource = event["taskScheduledEventDetails"]["resource"].as_str();
            state.waits = resource.is_some_and(|resource| resource.ends_with(".waitForTaskToken"));
        } else if kind.ends_with("Failed") || kind.ends_with("TimedOut") {
            state.failures += u64::from(!kind.starts_with("Execution"));
            state.waits = false;
        }
        self.of_event.insert(number("id"), name);
    }

    fn state(&mut self, name: &str) -> &mut State {
        let at = self.states.iter().position(|state| state.name == name).unwrap_or_else(|| {
            let status = status::RUNNING;
            self.states.push(State {
                name: name.into(),
                status,
                entered: 0,
                left: 0,
                failures: 0,
                waits: false,
            });
            self.states.len() - 1
        });
        &mut self.states[at]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_are_where_their_events_say() {
        let entered = |id: u64, kind: &str, name: &str| json!({"id": id, "previousEventId": id - 1, "type": kind, "stateEnteredEventDetails": {"name": name}});
        let left = |id: u64, name: &str| json!({"id": id, "previousEventId": id - 1, "type": "TaskStateExited", "stateExitedEventDetails": {"name": name}});
        let other = |id: u64, kind: &str| json!({"id": id, "previousEventId": id - 1, "type": kind});
        let events = [
            json!({"id": 1, "previousEventId": 0, "type": "ExecutionStarted"}),
            entered(2, "TaskStateEntered", "A"),
            other(3, "LambdaFunctionScheduled"),
            other(4, "LambdaFunctionFailed"),
            left(5, "A"),
            entered(6, "TaskStateEntered", "B"),
            other(7, "ActivityScheduled"),
        ];
        let progress = Progress::of(&events, Status::Running);
        assert_eq!((progress.class_of("A"), progress.class_of("B")), ("succeeded", "waiting"));
        assert_eq!(progress.states[0].failures, 1);
        assert_eq!(progress.inside(), ["B"]);
        assert_eq!(progress.of_event[&7], "B");
        assert_eq!(Progress::of(&events, Status::Failed).class_of("B"), "failed");
        assert_eq!(Progress::of(&events, Status::Aborted).class_of("B"), "stopped");
    }
}
