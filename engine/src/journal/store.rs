//! The store that a host gives to journals, such as the one database of a server.

use futures_util::future::BoxFuture;
use time::OffsetDateTime;

use super::JournalError;
use crate::history::Event;
use crate::outcome::Outcome;

/// A key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

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
    fn range(&self, first: &[u8], last: &[u8], limit: usize) -> Result<Vec<KeyValue>, JournalError>;

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
