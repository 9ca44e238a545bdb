//! The journal of an execution, in the store of the server.

use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Event, History, JournalError, JournalStore, StoreChange};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::store::{Batch, KeyWriter, Space, Store, StoreError};

/// The entries of one execution. Clones share them.
#[derive(Clone)]
pub(super) struct ExecutionJournal(Arc<Shared>);

struct Shared {
    store: Store,
    number: u64,
    /// The events that the engine records; none of an Express execution.
    history: Option<History>,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    /// How many of the recorded events are in the store.
    events: usize,
    /// Whether the execution has ended: nothing of it is written any more.
    ended: bool,
}

impl ExecutionJournal {
    pub(super) fn new(store: Store, number: u64, history: Option<History>) -> Self {
        Self(Arc::new(Shared { store, number, history, written: Mutex::default() }))
    }

    /// Writes the end of the execution. `last` makes the changes that belong to it, from the number of the
    /// last event. Later batches of the engine are refused.
    pub(super) fn end(
        &self,
        last: impl FnOnce(&mut Batch, u64),
    ) -> impl Future<Output = Result<(), StoreError>> + 'static {
        let shared = &self.0;
        let mut written = shared.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::default();
        let last_event = shared.add_events(&mut batch, &mut written);
        written.ended = true;
        batch.clear(Space::Journal, prefix(shared.number));
        last(&mut batch, last_event);
        shared.store.submit(batch)
    }
}

impl Shared {
    /// Adds the events that are not in the store yet. Returns the number of the last event of all.
    fn add_events(&self, batch: &mut Batch, written: &mut Written) -> u64 {
        let Some(history) = &self.history else { return 0 };
        let events = history.events();
        for event in &events[written.events..] {
            put_event(batch, self.number, event);
        }
        written.events = events.len();
        events.iter().map(|event| event.id).max().unwrap_or(0)
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        KeyWriter::default().number(self.number).bytes(key).done()
    }
}

impl JournalStore for ExecutionJournal {
    fn commit(&self, changes: engine::Batch) -> BoxFuture<'static, Result<(), JournalError>> {
        let shared = &self.0;
        let mut written = shared.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.ended {
            let ended = JournalError::Broken("the execution has ended".into());
            return async { Err(ended) }.boxed();
        }
        let mut batch = Batch::default();
        for change in changes.changes {
            match change {
                StoreChange::Put { key, value } => batch.put(Space::Journal, shared.key(&key), value),
                StoreChange::Remove { key } => batch.remove(Space::Journal, shared.key(&key)),
                StoreChange::Clear { prefix } => batch.clear(Space::Journal, shared.key(&prefix)),
            }
        }
        shared.add_events(&mut batch, &mut written);
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
        let own = prefix(self.0.number);
        let (first, last) = (self.0.key(first), self.0.key(last));
        let found = self.0.store.page(Space::Journal, &own, Bound::Included(first), limit).map_err(failed)?;
        let within = found.into_iter().take_while(|(key, _)| *key <= last);
        Ok(within.map(|(key, value)| (key[own.len()..].to_vec(), value)).collect())
    }
}

fn failed(error: StoreError) -> JournalError {
    match error {
        StoreError::Full(message) => JournalError::Full(message),
        other => JournalError::Broken(other.to_string()),
    }
}

fn prefix(number: u64) -> Vec<u8> {
    KeyWriter::default().number(number).done()
}

/// The key of an event.
fn event_key(number: u64, id: u64) -> Vec<u8> {
    KeyWriter::default().number(number).number(id).done()
}

pub(super) fn put_event(batch: &mut Batch, number: u64, event: &Event) {
    batch.put_json(Space::Events, event_key(number, event.id), &event.to_json());
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
