//! The history events of an execution. They are always numbered, and recorded if there is a history.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::history::{Event, History};

#[derive(Debug, Default)]
pub(super) struct Events {
    /// The number of events.
    count: AtomicU64,
    history: Option<History>,
    limit: Option<u64>,
    /// Whether the execution's last event has been added.
    ended: AtomicBool,
}

/// A name such as `stateEnteredEventDetails`, and the details.
pub(super) type Details = Option<(&'static str, Value)>;

impl Events {
    pub(super) fn new(history: Option<History>, limit: Option<u64>) -> Self {
        Self { count: AtomicU64::new(0), history, limit, ended: AtomicBool::new(false) }
    }

    /// The events of a child of a Distributed Map.
    pub(super) fn of_child(&self) -> Self {
        Events::new(None, self.limit)
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Stops recording: tasks that are aborted after the end have no events.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Counts the events before a crash.
    pub(super) fn at_least(&self, count: u64) {
        self.count.fetch_max(count, Ordering::Relaxed);
    }

    pub(super) fn recording(&self) -> bool {
        self.history.is_some()
    }

    /// Adds an event and returns its number.
    pub(super) fn add(
        &self,
        previous: u64,
        now: impl FnOnce() -> OffsetDateTime,
        kind: impl FnOnce() -> String,
        details: impl FnOnce() -> Details,
    ) -> u64 {
        let id = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(history) = self.history.as_ref().filter(|_| !self.ended.load(Ordering::Relaxed)) {
            history.record(Event { id, previous, timestamp: now(), kind: kind(), details: details() });
        }
        id
    }

    /// Fails if only the last event is left, which says so.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.limit {
            Some(limit) if self.count() + 1 >= limit => Err(Failure::runtime(format!(
                "The execution reached the maximum number of history events ({limit})."
            ))),
            _ => Ok(()),
        }
    }
}

/// `{input, inputDetails}` or the same with another name, together with `more`.
pub(super) fn data(name: &str, value: &Value, more: Value) -> Value {
    let mut details = Map::new();
    details.insert(name.to_owned(), value.to_string().into());
    details.insert(format!("{name}Details"), json!({"truncated": false}));
    merge(details, more)
}

/// `{error, cause}`, as far as they are set, together with `more`.
pub(super) fn failure(failure: &Failure, more: Value) -> Value {
    let mut details = Map::new();
    for (name, text) in [("error", &failure.error), ("cause", &failure.cause)] {
        if !text.is_empty() {
            details.insert(name.to_owned(), text.as_str().into());
        }
    }
    merge(details, more)
}

fn merge(mut details: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        details.extend(more);
    }
    Value::Object(details)
}
