//! The journal of an execution, in the store of the server. The batch that ends an execution also moves its
//! record, so that the journal and the lists always agree.

use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Event, JournalError, JournalStore, StoreChange};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::map_runs::MapRuns;
use super::record::{End, Execution, Found, Status, name_key};
use super::run::end_of;
use crate::catalog::Moment;
use crate::notify::{Note, Notes};
use crate::store::{Batch, KeyReader, KeyWriter, Space, Store, StoreError};

/// The entries of one execution. Clones share them.
#[derive(Clone)]
pub(super) struct ExecutionJournal(Arc<Shared>);

struct Shared {
    store: Store,
    record: Execution,
    arn: String,
    map_runs: MapRuns,
    notes: Notes,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The execution with its end, once that has been given to the store.
    ended: Option<Arc<Execution>>,
    /// The key of the execution among those that have ended, until the next batch makes it one that runs.
    reopens: Option<Vec<u8>>,
}

impl ExecutionJournal {
    pub(super) fn new(store: Store, record: Execution, arn: String, map_runs: MapRuns, notes: Notes) -> Self {
        Self(Arc::new(Shared { store, record, arn, map_runs, notes, state: Mutex::default() }))
    }

    /// The next batch also moves the record from those that have ended, where it has this key, to those that run.
    pub(super) fn reopen(&self, closed: Vec<u8>) {
        self.0.lock().reopens = Some(closed);
    }

    /// The execution with its end, once that has been given to the store.
    pub(super) fn ended(&self) -> Option<Arc<Execution>> {
        self.0.lock().ended.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the record to those that have ended.
    fn end(&self, batch: &mut Batch, end: End) -> Arc<Execution> {
        let runs = self.map_runs.ended(&self.arn, end.stopped);
        let ended = Execution { end: Some(end), ..self.record.clone() };
        // A redrive needs the entries of one that has not succeeded.
        if ended.express.is_some() || ended.status() == Status::Succeeded {
            batch.clear(Space::Journal, prefix(ended.number));
        }
        batch.remove(Space::Open, prefix(ended.number));
        runs.iter().for_each(|run| run.put(batch));
        if ended.express.is_none() {
            ended.put_closed(batch);
        }
        self.notes.put(batch, Note::of_end(&ended));
        Arc::new(ended)
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
        let mut state = shared.lock();
        let mut batch = Batch::default();
        if let Some(closed) = state.reopens.take() {
            let record = &shared.record;
            batch.remove(Space::Closed, closed);
            batch.put_json(Space::Open, prefix(record.number), record);
            let found = Found::Open(record.number).to_bytes();
            batch.put(Space::Names, name_key(&record.machine, &record.name), found);
        }
        put_changes(&mut batch, shared.record.number, made.changes);
        if shared.record.express.is_none() {
            put_events(&mut batch, shared.record.number, &made.events);
        }
        if let Some(end) = made.end {
            state.ended = Some(shared.end(&mut batch, end_of(end.outcome, Moment::of(end.at))));
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

/// Adds events of an execution to a batch.
pub(super) fn put_events(batch: &mut Batch, number: u64, events: &[Event]) {
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
