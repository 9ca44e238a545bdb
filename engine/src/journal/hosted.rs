//! A journal over a store of the host.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;

use super::store::{Batch, Ended, JournalStore, StoreChange};
use super::{BELOW, Change, JournalError, Key, KeyValue};
use crate::history::Event;

/// The size of events that are written without waiting for the next checkpoint, in bytes.
const PENDING: usize = 512 * 1024;
/// The memory that an event takes apart from its details, in bytes.
const EVENT: usize = 200;

pub(super) struct HostedStore {
    store: Arc<dyn JournalStore>,
    pending: Mutex<Pending>,
}

/// The events that are not in a batch yet.
#[derive(Default)]
struct Pending {
    events: Vec<Event>,
    /// Their size, in bytes.
    bytes: usize,
    /// Whether the execution has ended. What its last frames still write is void.
    ended: bool,
}

impl HostedStore {
    pub(super) fn new(store: Arc<dyn JournalStore>) -> Self {
        Self { store, pending: Mutex::default() }
    }

    /// Forgets the events of an earlier run. Returns the number of the last durable one, if the store keeps
    /// events.
    pub(super) fn begin(&self) -> Result<Option<u64>, JournalError> {
        *self.pending() = Pending::default();
        self.store.last_event()
    }

    /// Adds an event that `make` makes; None if it has no number.
    pub(super) fn record(&self, make: impl FnOnce() -> Option<Event>) {
        // Numbers are given under the lock, so that no batch has a gap.
        let mut pending = self.pending();
        if let Some(event) = make() {
            pending.bytes += EVENT + event.details.as_ref().map_or(0, |(_, details)| memory(details));
            pending.events.push(event);
        }
    }

    pub(super) fn overflows(&self) -> bool {
        self.pending().bytes > PENDING
    }

    pub(super) fn pending_events(&self) -> Vec<Event> {
        self.pending().events.clone()
    }

    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        let committed = self.take(flat(changes), None)?;
        committed.await
    }

    /// A sweep is a batch that nobody waits for.
    pub(super) fn sweep(&self, change: Change) -> Result<(), JournalError> {
        self.take(flat(vec![change]), None).map(drop)
    }

    /// Commits the last batch of the execution.
    pub(super) async fn end(&self, owner: Change, end: Ended, keeps: bool) -> Result<(), JournalError> {
        let clear = (!keeps).then(|| Change::Clear(Key::root()));
        let committed = self.take(flat([owner].into_iter().chain(clear).collect()), Some(end))?;
        committed.await
    }

    /// Gives a batch with all events so far to the store.
    fn take(
        &self,
        changes: Vec<StoreChange>,
        end: Option<Ended>,
    ) -> Result<BoxFuture<'static, Result<(), JournalError>>, JournalError> {
        // The lock is held until the store has the batch, so that batches are in the order of their events.
        let mut pending = self.pending();
        if pending.ended {
            return Err(JournalError::Broken("the execution has ended".into()));
        }
        pending.ended = end.is_some();
        pending.bytes = 0;
        let events = std::mem::take(&mut pending.events);
        Ok(self.store.commit(Batch { changes, events, end }))
    }

    pub(super) fn contains(&self, key: &[u8]) -> Result<bool, JournalError> {
        self.store.contains(key)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.store.get(key)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        // The code under the lock does not panic.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries whose keys are as long as the first.
    pub(super) fn range(
        &self,
        first: &[u8],
        last: &[u8],
        limit: usize,
    ) -> Result<Vec<KeyValue>, JournalError> {
        let (mut found, mut from) = (Vec::new(), first.to_vec());
        loop {
            let page = self.store.range(&from, last, limit)?;
            let (is_last, after) = (page.len() < limit, page.last().map(|(key, _)| key.clone()));
            found.extend(page.into_iter().filter(|(key, _)| key.len() == first.len()));
            let Some(after) = after.filter(|_| !is_last && found.len() < limit) else {
                found.truncate(limit);
                return Ok(found);
            };
            from = after;
            // The next key in the order of bytes.
            from.push(0);
        }
    }
}

impl Batch {
    pub(crate) fn of(changes: Vec<Change>, events: Vec<Event>) -> Self {
        Self { changes: flat(changes), events, end: None }
    }
}

/// The memory that a value takes, in bytes: nearly its length as text, since most details are texts.
fn memory(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::String(text) => text.len() + size_of::<Value>(),
        Value::Array(values) => values.iter().map(memory).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + memory(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => size_of::<Value>(),
    }
}

fn flat(changes: Vec<Change>) -> Vec<StoreChange> {
    let mut flat = Vec::with_capacity(changes.len());
    for change in changes {
        match change {
            Change::Put(key, value) => flat.push(StoreChange::Put { key, value }),
            Change::Remove(key) => flat.push(StoreChange::Remove { key }),
            Change::Clear(key) => {
                flat.extend(BELOW.map(|kind| StoreChange::Clear { prefix: key.entry(kind) }));
            }
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    struct Fixed(BTreeMap<Vec<u8>, Vec<u8>>);

    impl JournalStore for Fixed {
        fn commit(&self, _: Batch) -> BoxFuture<'static, Result<(), JournalError>> {
            unreachable!("nothing is written")
        }

        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
            Ok(self.0.get(key).cloned())
        }

        fn range(&self, first: &[u8], last: &[u8], limit: usize) -> Result<Vec<KeyValue>, JournalError> {
            let found = self.0.range(first.to_vec()..=last.to_vec()).take(limit);
            Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
    }

    #[test]
    fn entries_of_longer_keys_in_between_are_passed_over() {
        let keys: [&[u8]; 8] = [b"a0", b"a1", b"a1x", b"a1y", b"a1z", b"a2", b"a2x", b"a3"];
        let entries = keys.map(|key| (key.to_vec(), Vec::new()));
        let store = HostedStore::new(Arc::new(Fixed(BTreeMap::from(entries))));
        let found = |limit| {
            let found = store.range(b"a1", b"a3", limit).unwrap();
            found.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found(1), ["a1"]);
        assert_eq!(found(2), ["a1", "a2"]);
        assert_eq!(found(9), ["a1", "a2", "a3"]);
    }
}
