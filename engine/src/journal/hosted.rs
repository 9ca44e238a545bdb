//! A journal over a store that a host gives, such as the one database of a server.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{BELOW, Change, JournalError, KeyValue};

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
}

/// What becomes durable together.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Batch {
    /// Changes of the entries, to be made in this order.
    pub changes: Vec<StoreChange>,
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

pub(super) struct HostedStore(pub(super) Arc<dyn JournalStore>);

impl HostedStore {
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        self.0.commit(batch(changes)).await
    }

    /// A sweep is a batch that nobody waits for.
    pub(super) fn sweep(&self, change: Change) {
        drop(self.0.commit(batch(vec![change])));
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
            let page = self.0.range(&from, last, limit)?;
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

fn batch(changes: Vec<Change>) -> Batch {
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
    Batch { changes: flat }
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
        let store = HostedStore(Arc::new(Fixed(BTreeMap::from(entries))));
        let found = |limit| {
            let found = store.range(b"a1", b"a3", limit).unwrap();
            found.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found(1), ["a1"]);
        assert_eq!(found(2), ["a1", "a2"]);
        assert_eq!(found(9), ["a1", "a2", "a3"]);
    }
}
