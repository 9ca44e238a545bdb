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
    /// Whether there was no number left for an event.
    full: AtomicBool,
    /// Whether the execution's last event has been added.
    ended: AtomicBool,
}

/// A name such as `stateEnteredEventDetails`, and the details.
pub(super) type Details = Option<(&'static str, Value)>;

impl Events {
    pub(super) fn new(history: Option<History>, limit: Option<u64>) -> Self {
        Self {
            count: AtomicU64::new(0),
            history,
            limit,
            full: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// The events of a child of a Distributed Map.
    pub(super) fn of_child(&self) -> Self {
        Events::new(None, self.limit)
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts the events before a crash.
    pub(super) fn at_least(&self, count: u64) {
        self.count.fetch_max(count, Ordering::Relaxed);
    }

    pub(super) fn recording(&self) -> bool {
        self.history.is_some()
    }

    /// Adds an event and returns its number. The last number is left for the execution's last event.
    pub(super) fn add(
        &self,
        previous: u64,
        now: impl FnOnce() -> OffsetDateTime,
        kind: impl FnOnce() -> String,
        details: impl FnOnce() -> Details,
    ) -> u64 {
        let limit = self.limit.unwrap_or(u64::MAX);
        let counted = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count + 1 < limit).then_some(count + 1)
        });
        match counted {
            Ok(before) => self.record(before + 1, previous, now, kind, details),
            Err(last) => {
                self.full.store(true, Ordering::Relaxed);
                last
            }
        }
    }

    /// Adds the execution's last event.
    pub(super) fn add_last(
        &self,
        previous: u64,
        now: impl FnOnce() -> OffsetDateTime,
        kind: impl FnOnce() -> String,
        details: impl FnOnce() -> Details,
    ) {
        let id = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        self.record(id, previous, now, kind, details);
        self.ended.store(true, Ordering::Relaxed);
    }

    fn record(
        &self,
        id: u64,
        previous: u64,
        now: impl FnOnce() -> OffsetDateTime,
        kind: impl FnOnce() -> String,
        details: impl FnOnce() -> Details,
    ) -> u64 {
        if let Some(history) = self.history.as_ref().filter(|_| !self.ended.load(Ordering::Relaxed)) {
            history.record(Event { id, previous, timestamp: now(), kind: kind(), details: details() });
        }
        id
    }

    /// Fails if only the last event is left, which says so.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.limit.is_some_and(|limit| self.count() + 1 >= limit) { Err(self.too_many()) } else { Ok(()) }
    }

    /// Fails if an event of the execution, which has ended, had no number.
    pub(super) fn check_end(&self) -> Result<(), Failure> {
        if self.full.load(Ordering::Relaxed) { Err(self.too_many()) } else { Ok(()) }
    }

    fn too_many(&self) -> Failure {
        let mut failure = Failure::runtime(format!(
            "The execution reached the maximum number of history events ({}).",
            self.limit.unwrap_or_default()
        ));
        failure.trace.event = self.count();
        failure
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
