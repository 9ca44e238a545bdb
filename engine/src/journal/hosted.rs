//! A journal over a store that a host gives, such as the one database of a server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use time::OffsetDateTime;

use super::{BELOW, Change, JournalError, Key, KeyValue};
use crate::history::Event;
use crate::outcome::Outcome;

/// The entries of one execution, in a store that a host gives. Many executions may share a database: each has
/// a `JournalStore` of its own, which adds the execution's number to the keys, say.
///
/// Keys are a few bytes up to a few hundred, and have an order: that of their bytes. Values are up to some
/// hundred kilobytes. The engine reads an entry only when an execution is continued, and the records of
/// children when a Map Run writes its results.
pub trait JournalStore: Send + Sync + 'static {
    /// Takes a batch. The future is ready when the batch is durable.
    ///
    /// - A batch becomes durable as a whole or not at all, and its changes are made in their order.
    /// - A batch is taken by the call itself, and not when the future is polled. It is kept although the
    ///   future is dropped.
    /// - The batches of an execution become durable in the order of the calls.
    /// - After a batch that failed, no later batch becomes durable.
    ///
    /// # Errors
    ///
    /// [`JournalError::Full`] if the disk is full, [`JournalError::Broken`] for anything else. Either stops the
    /// execution, which can be continued.
    fn commit(&self, batch: Batch) -> BoxFuture<'static, Result<(), JournalError>>;

    /// The value of a key. It includes at least every batch whose future was ready.
    ///
    /// # Errors
    ///
    /// As for [`JournalStore::commit`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError>;

    /// The first entries from key `first` to key `last`, both included, in the order of their keys: `limit`
    /// entries, or fewer if there are no more.
    ///
    /// # Errors
    ///
    /// As for [`JournalStore::commit`].
    fn range(&self, first: &[u8], last: &[u8], limit: usize)
    -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError>;

    /// Whether there is a value of the key.
    ///
    /// # Errors
    ///
    /// As for [`JournalStore::commit`].
    fn contains(&self, key: &[u8]) -> Result<bool, JournalError> {
        Ok(self.get(key)?.is_some())
    }

    /// The number of the last event in a durable batch, or 0 if there is none; None if the store does not keep
    /// the events. Then none are made.
    ///
    /// # Errors
    ///
    /// As for [`JournalStore::commit`].
    fn last_event(&self) -> Result<Option<u64>, JournalError> {
        Ok(None)
    }
}

/// What becomes durable together.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Batch {
    /// Changes of the entries, to be made in this order.
    pub changes: Vec<StoreChange>,
    /// The next events of the history, in their order: the first one has the number after
    /// [`JournalStore::last_event`], and the others follow it without a gap. An event is never replaced.
    ///
    /// The events of a batch are those since the batch before. When an execution is continued after a crash,
    /// the work since its checkpoint is done again, and has its events again under new numbers: a task that was
    /// scheduled twice is in the history twice.
    pub events: Vec<Event>,
    /// How the execution ended; only the last batch has it.
    pub end: Option<Ended>,
}

impl Batch {
    pub(crate) fn of(changes: Vec<Change>, events: Vec<Event>) -> Self {
        Self { changes: flat(changes), events, end: None }
    }
}

/// The end of an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// The time at which it ended.
    pub at: OffsetDateTime,
}

/// A change of the entries of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreChange {
    /// Sets the value of a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The value, in place of an earlier one.
        value: Vec<u8>,
    },
    /// Removes the entry with this key, if there is one.
    Remove {
        /// The key.
        key: Vec<u8>,
    },
    /// Removes the entries whose keys begin with a prefix. There may be none, or millions.
    Clear {
        /// The prefix.
        prefix: Vec<u8>,
    },
}

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

        fn range(
            &self,
            first: &[u8],
            last: &[u8],
            limit: usize,
        ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
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
