//! Histories of executions (AWS Step Functions API Reference, "HistoryEvent").

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use time::OffsetDateTime;

/// Records the history of an execution: give a clone to [`crate::Start`] and read the events from another,
/// also while the execution runs. An execution without a history does not pay for one. Children of a
/// Distributed Map have histories of their own, which are not recorded here.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<Vec<Event>>>);

/// A history event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The event's number; the first is 1.
    pub id: u64,
    /// The number of the event that led to this one, or 0.
    pub previous: u64,
    /// The time of the event.
    pub timestamp: OffsetDateTime,
    /// The type of the event, such as `TaskStateEntered`.
    pub kind: String,
    /// The name of the event's details, such as `stateEnteredEventDetails`, and the details.
    pub details: Option<(&'static str, Value)>,
}

impl History {
    /// The events so far, in their order.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn record(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

impl Event {
    /// The event as `GetExecutionHistory` returns it; the timestamp is in seconds since 1970.
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
