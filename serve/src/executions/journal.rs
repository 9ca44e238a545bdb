//! The journal of an execution, in the store of the server. The batch that ends an execution also moves its
//! record, so that the journal and the lists always agree.

use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Event, JournalError, JournalStore, StoreChange};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::map_runs::MapRuns;
use super::record::{End, Execution, Found, name_key};
use super::run::{end_of, time_of};
use crate::catalog::Moment;
use crate::store::{Batch, KeyReader, KeyWriter, Space, Store, StoreError};

/// The entries of one execution. Clones share them.
#[derive(Clone)]
pub(super) struct ExecutionJournal(Arc<Shared>);

struct Shared {
    store: Store,
    record: Execution,
    arn: String,
    map_runs: MapRuns,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    /// The number of the last event that was given to the store.
    last_event: u64,
    /// Once it has ended, nothing of it is written any more.
    ended: Option<Arc<Execution>>,
}

impl ExecutionJournal {
    pub(super) fn new(store: Store, record: Execution, arn: String, map_runs: MapRuns) -> Self {
        Self(Arc::new(Shared { store, record, arn, map_runs, written: Mutex::default() }))
    }

    /// The execution with its end, once that has been given to the store.
    pub(super) fn ended(&self) -> Option<Arc<Execution>> {
        self.0.lock().ended.clone()
    }

    /// Ends the execution from outside, unless it has ended; later batches of the engine are refused.
    /// `pending` are the events that the engine has not written yet, `details` those of the last event.
    /// Returns None if it has ended.
    pub(super) fn abort(
        &self,
        end: End,
        pending: &[Event],
        details: Map<String, Value>,
    ) -> Option<impl Future<Output = Result<(), StoreError>> + Send + 'static> {
        let shared = &self.0;
        let mut written = shared.lock();
        if written.ended.is_some() {
            return None;
        }
        let mut batch = Batch::default();
        if shared.record.express.is_none() {
            shared.put_events(&mut batch, &mut written, pending);
            let event = Event {
                id: written.last_event + 1,
                previous: 0,
                timestamp: time_of(end.stopped),
                kind: "ExecutionAborted".into(),
                details: Some(("executionAbortedEventDetails", details.into())),
            };
            shared.put_events(&mut batch, &mut written, &[event]);
        }
        shared.end(&mut batch, &mut written, end);
        Some(shared.store.submit(batch))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_events(&self, batch: &mut Batch, written: &mut Written, events: &[Event]) {
        for event in events.iter().filter(|event| event.id > written.last_event) {
            batch.put_json(Space::Events, event_key(self.record.number, event.id), &event.to_json());
        }
        written.last_event = events.last().map_or(0, |event| event.id).max(written.last_event);
    }

    /// Moves the record to those that have ended.
    fn end(&self, batch: &mut Batch, written: &mut Written, end: End) {
        let runs = self.map_runs.ended(&self.arn, end.stopped);
        let ended = Execution { end: Some(end), ..self.record.clone() };
        batch.clear(Space::Journal, prefix(ended.number));
        batch.remove(Space::Open, prefix(ended.number));
        runs.iter().for_each(|run| run.put(batch));
        if ended.express.is_none() {
            let key = ended.closed_key();
            let found = Found::Closed(key.clone()).to_bytes();
            batch.put(Space::Names, name_key(&ended.machine, &ended.name), found);
            batch.put_json(Space::Closed, key, &ended);
        }
        written.ended = Some(Arc::new(ended));
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        KeyWriter::default().number(self.record.number).bytes(key).done()
    }
}

/// Adds the changes of the engine to a batch.
pub(super) fn put_changes(batch: &mut Batch, number: u64, changes: Vec<StoreChange>) {
    let own = |key: Vec<u8>| KeyWriter::default().number(number).bytes(&key).done();
    for change in changes {
        match change {
            StoreChange::Put { key, value } => batch.put(Space::Journal, own(key), value),
            StoreChange::Remove { key } => batch.remove(Space::Journal, own(key)),
            StoreChange::Clear { prefix } => batch.clear(Space::Journal, own(prefix)),
        }
    }
}

impl JournalStore for ExecutionJournal {
    fn commit(&self, made: engine::Batch) -> BoxFuture<'static, Result<(), JournalError>> {
        let shared = &self.0;
        let mut written = shared.lock();
        if written.ended.is_some() {
            let ended = JournalError::Broken("the execution has ended".into());
            return async { Err(ended) }.boxed();
        }
        let mut batch = Batch::default();
        put_changes(&mut batch, shared.record.number, made.changes);
        if shared.record.express.is_none() {
            shared.put_events(&mut batch, &mut written, &made.events);
        }
        if let Some(ended) = made.end {
            shared.end(&mut batch, &mut written, end_of(ended.outcome, Moment::of(ended.at)));
        }
        // The lock is held until the batch is in the queue, so the batches are in their order.
        let committed = shared.store.submit(batch);
        async { committed.await.map_err(failed) }.boxed()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.0.store.get(Space::Journal, &self.0.key(key)).map_err(failed)
    }

    fn range(
        &self,
        first: &[u8],
        last: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
        let own = prefix(self.0.record.number);
        let (first, last) = (self.0.key(first), self.0.key(last));
        let found = self.0.store.page(Space::Journal, &own, Bound::Included(first), limit).map_err(failed)?;
        let within = found.into_iter().take_while(|(key, _)| *key <= last);
        Ok(within.map(|(key, value)| (key[own.len()..].to_vec(), value)).collect())
    }

    /// The histories of Express executions are not kept, as on AWS.
    fn last_event(&self) -> Result<Option<u64>, JournalError> {
        let record = &self.0.record;
        if record.express.is_some() {
            return Ok(None);
        }
        let prefix = prefix(record.number);
        let to = Bound::Included(event_key(record.number, u64::MAX));
        let found = self.0.store.page_back(Space::Events, &prefix, to, 1).map_err(failed)?;
        let last = found.first().and_then(|(key, _)| KeyReader(&key[prefix.len()..]).number()).unwrap_or(0);
        self.0.lock().last_event = last;
        Ok(Some(last))
    }
}

fn failed(error: StoreError) -> JournalError {
    match error {
        StoreError::Full(message) => JournalError::Full(message),
        other => JournalError::Broken(other.to_string()),
    }
}

/// The keys of an execution begin with its number.
pub(super) fn prefix(number: u64) -> Vec<u8> {
    KeyWriter::default().number(number).done()
}

/// The key of an event.
fn event_key(number: u64, id: u64) -> Vec<u8> {
    KeyWriter::default().number(number).number(id).done()
}

/// Adds the first events of an execution to the batch of its start.
pub(super) fn put_first_events(batch: &mut Batch, number: u64, events: &[Event]) {
    for event in events {
        batch.put_json(Space::Events, event_key(number, event.id), &event.to_json());
    }
}

/// A page of the events of an execution: from the event `from` on, or downwards from it, at most `limit`.
pub(super) fn events(
    store: &Store,
    number: u64,
    from: u64,
    backward: bool,
    limit: usize,
) -> Result<Vec<Value>, StoreError> {
    let (prefix, from) = (prefix(number), Bound::Included(event_key(number, from)));
    let found = if backward {
        store.page_back(Space::Events, &prefix, from, limit)?
    } else {
        store.page(Space::Events, &prefix, from, limit)?
    };
    found.iter().map(|(_, value)| crate::store::json(value)).collect()
}
