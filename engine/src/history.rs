//! Execution histories (AWS API Reference, "HistoryEvent").

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use time::OffsetDateTime;

/// A recorder of an execution's history. Given to a [`crate::Start`], it holds the events that come
/// to pass while the execution runs, in their order; clones share them. An execution without one
/// pays nothing for it. Children of a Distributed Map have histories of their own, which are not
/// recorded here.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<Vec<Event>>>);

/// A history event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// From 1.
    pub id: u64,
    /// The event that led to it; 0 for none.
    pub previous: u64,
    /// When.
    pub timestamp: OffsetDateTime,
    /// Such as `TaskStateEntered`.
    pub kind: String,
    /// Name and content of the event's details, such as `stateEnteredEventDetails`.
    pub details: Option<(&'static str, Value)>,
}

impl History {
    /// The events so far.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the history of an execution that was cancelled and is not gone on with, as
    /// `StopExecution` does.
    pub fn abort(&self, now: OffsetDateTime) {
        let id = self.events().iter().map(|event| event.id).max().unwrap_or(0) + 1;
        let details = Some(("executionAbortedEventDetails", Value::Object(Default::default())));
        self.record(Event { id, previous: 0, timestamp: now, kind: "ExecutionAborted".into(), details });
    }

    pub(crate) fn record(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

impl Event {
    /// As `GetExecutionHistory` gives it; the timestamp is in seconds since 1970.
    pub fn to_json(&self) -> Value {
        let seconds = (self.timestamp.unix_timestamp_nanos() / 1_000_000) as f64 / 1_000.0;
        let mut event =
            json!({"timestamp": seconds, "type": self.kind, "id": self.id, "previousEventId": self.previous});
        if let Some((name, details)) = &self.details {
            event[name] = details.clone();
        }
        event
    }
}
