//! The history events of an execution. They are always numbered, and recorded if there is a history or a
//! journal that keeps them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::history::{Event, History};
use crate::journal::Journal;

#[derive(Debug, Default)]
pub(super) struct Events {
    /// The number of events.
    count: AtomicU64,
    history: Option<History>,
    /// The journal, if it keeps the events.
    journal: Option<Journal>,
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
            journal: None,
            limit,
            full: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// Lets the journal keep the events, which has this number of them.
    pub(super) fn keep_in(&mut self, journal: Journal, count: u64) {
        self.journal = Some(journal);
        self.at_least(count);
    }

    /// Whether the events are to be written without waiting for the next checkpoint.
    pub(super) fn overflow(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::overflows)
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
        self.history.is_some() || self.journal.is_some()
    }

    /// Adds an event and returns its number. The last number is left for the execution's last event.
    pub(super) fn add(
        &self,
        previous: u64,
        now: impl FnOnce() -> OffsetDateTime,
        kind: impl FnOnce() -> String,
        details: impl FnOnce() -> Details,
    ) -> u64 {
        let number = || {
            let limit = self.limit.unwrap_or(u64::MAX);
            let counted = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count + 1 < limit).then_some(count + 1)
            });
            match counted {
                Ok(before) => Ok(before + 1),
                Err(last) => {
                    self.full.store(true, Ordering::Relaxed);
                    Err(last)
                }
            }
        };
        self.record(number, previous, now, kind, details)
    }

    /// Adds the execution's last event, to which this time belongs.
    pub(super) fn add_last(
        &self,
        previous: u64,
        at: OffsetDateTime,
        kind: &str,
        details: impl FnOnce() -> Details,
    ) {
        let number = || Ok(self.count.fetch_add(1, Ordering::Relaxed) + 1);
        self.record(number, previous, || at, || kind.into(), details);
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Records an event with the number that `number` gives, and returns it. Without a number of its own, which
    /// is an error, nothing is recorded.
    fn record(
        &self,
        number: impl FnOnce() -> Result<u64, u64>,
        previous: u64,
        now: impl FnOnce() -> OffsetDateTime,
        kind: impl FnOnce() -> String,
        details: impl FnOnce() -> Details,
    ) -> u64 {
        if !self.recording() || self.ended.load(Ordering::Relaxed) {
            return number().unwrap_or_else(|last| last);
        }
        let (kind, details, mut id) = (kind(), details(), 0);
        let event = || {
            let numbered = number();
            id = numbered.unwrap_or_else(|last| last);
            Some(Event { id: numbered.ok()?, previous, timestamp: now(), kind, details })
        };
        match (&self.journal, &self.history) {
            (Some(journal), history) => journal.record(|| {
                let event = event();
                if let (Some(history), Some(event)) = (history, &event) {
                    history.record(event.clone());
                }
                event
            }),
            (None, Some(history)) => {
                if let Some(event) = event() {
                    history.record(event);
                }
            }
            (None, None) => {}
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

pub(super) const ABORTED: &str = "ExecutionAborted";

/// The details of the event of that type.
pub(super) fn aborted_details(failure: &Failure) -> Details {
    Some(("executionAbortedEventDetails", self::failure(failure, Value::Null)))
}

/// The last event of an execution that is aborted. As on AWS, it follows no event.
pub(super) fn aborted(id: u64, failure: &Failure, at: OffsetDateTime) -> Event {
    Event { id, previous: 0, timestamp: at, kind: ABORTED.into(), details: aborted_details(failure) }
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
