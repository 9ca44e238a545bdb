//! The journal: the progress of an execution, from which it is continued after a crash.
//!
//! The key of an entry is a letter for its kind, followed by the [`Key`] of the part of the execution that it
//! belongs to. The entries below a state are removed when the execution leaves the state. So the journal
//! holds what is unfinished and, for a Distributed Map under way, the records of finished children that are
//! not in a result file yet. In a store of the host, a Standard execution that ends without success keeps its
//! entries, so that it can be redriven.

mod entry;
mod file;
mod hosted;
mod key;
mod map_run;
mod memory;
mod store;
mod writer;

use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use entry::{
    Checkpoint, Done, Ending, FORMAT, FrameEntry, Numbered, Owner, Signal, TaskOutcome, micros, moment,
};
use file::FileStore;
use hosted::HostedStore;
use key::BELOW;
pub(crate) use key::{EntryKind, Key};
pub use map_run::MapRunLimits;
pub(crate) use map_run::{ChildRecord, ChildStatus, MapRunEntry, ResultFile, SettledChild, Span, Tally};
use memory::MemoryStore;
pub use store::{Batch, Ended, JournalStore, KeyValue, StoreChange};

use crate::history::Event;

/// The store of an execution's progress. Clones share it.
#[derive(Clone)]
pub struct Journal(Arc<Store>);

enum Store {
    File(FileStore),
    Memory(MemoryStore),
    Hosted(HostedStore),
}

/// A journal for somebody who must not keep it open.
#[derive(Debug)]
pub(crate) struct WeakJournal(Weak<Store>);

impl WeakJournal {
    pub(crate) fn upgrade(&self) -> Option<Journal> {
        self.0.upgrade().map(Journal)
    }
}

/// Why a journal cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened, read or written.
    #[error("the journal cannot be used: {0}")]
    Broken(String),
    /// The disk is full. Once there is room, the execution can be continued.
    #[error("the journal cannot be written: {0}")]
    Full(String),
    /// The journal belongs to another execution; the text names what differs.
    #[error("the journal belongs to another {0}")]
    Foreign(&'static str),
    /// A later version wrote the journal, in this format.
    #[error(
        "the journal has format {0}, and this version knows formats up to {FORMAT}: use the version that wrote it, or begin elsewhere"
    )]
    UnknownFormat(u32),
}

impl From<io::Error> for JournalError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => JournalError::Full(error.to_string()),
            _ => broken(error),
        }
    }
}

/// Records of children that are read at once: many enough to be read fast, few enough to be held in memory.
pub(crate) const RECORDS_PER_READ: usize = 256;

/// A change of the journal. Changes of one [`Journal::commit`] become durable together.
pub(crate) enum Change {
    Put(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    /// Removes all entries at and below a key.
    Clear(Key),
}

impl Change {
    pub(crate) fn put(kind: EntryKind, key: &Key, value: &impl Serialize) -> Result<Self, JournalError> {
        let value = serde_json::to_vec(value).map_err(broken)?;
        Ok(Change::Put(key.entry(kind), value))
    }

    pub(crate) fn record(key: &Key, record: &ChildRecord) -> Self {
        Change::Put(key.entry(EntryKind::Record), record.to_bytes())
    }

    pub(crate) fn remove(kind: EntryKind, key: &Key) -> Self {
        Change::Remove(key.entry(kind))
    }
}

impl Journal {
    /// Opens the journal in a file, or creates it.
    ///
    /// # Errors
    ///
    /// [`JournalError::Broken`] if the file is not a journal or cannot be opened, [`JournalError::Full`] if
    /// it cannot be created because the disk is full.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Ok(Journal(Arc::new(Store::File(FileStore::open(path.as_ref())?))))
    }

    /// Makes a journal in memory, which lasts as long as its clones.
    ///
    /// # Errors
    ///
    /// It does not fail today.
    pub fn in_memory() -> Result<Self, JournalError> {
        Ok(Journal(Arc::new(Store::Memory(MemoryStore::default()))))
    }

    /// Makes a journal over a store of the host. Each [`crate::run`] is to have one of its own, so that what is left
    /// of an earlier run writes nothing more.
    pub fn over(store: Arc<dyn JournalStore>) -> Self {
        Journal(Arc::new(Store::Hosted(HostedStore::new(store))))
    }

    pub(crate) fn downgrade(&self) -> WeakJournal {
        WeakJournal(Arc::downgrade(&self.0))
    }

    /// The events of a running execution that are not in a batch yet: they follow those that its store has
    /// been given. Read these first, and then those of the store.
    pub fn pending_events(&self) -> Vec<Event> {
        self.hosted().map(HostedStore::pending_events).unwrap_or_default()
    }

    fn hosted(&self) -> Option<&HostedStore> {
        match &*self.0 {
            Store::Hosted(hosted) => Some(hosted),
            Store::File(_) | Store::Memory(_) => None,
        }
    }

    /// To be called when an execution begins or is continued. Returns the number of its last durable event, if
    /// the journal keeps the events.
    pub(crate) fn begin(&self) -> Result<Option<u64>, JournalError> {
        self.hosted().map_or(Ok(None), HostedStore::begin)
    }

    /// Adds an event, which becomes durable with the next changes.
    pub(crate) fn record(&self, make: impl FnOnce() -> Option<Event>) {
        match self.hosted() {
            Some(hosted) => hosted.record(make),
            None => drop(make()),
        }
    }

    /// Whether so many events wait for the next changes that they are to be written now.
    pub(crate) fn overflows(&self) -> bool {
        self.hosted().is_some_and(HostedStore::overflows)
    }

    /// Makes the changes durable; returns when they are on disk.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        match &*self.0 {
            Store::File(file) => file.commit(changes).await,
            Store::Memory(memory) => {
                memory.commit(changes);
                Ok(())
            }
            Store::Hosted(hosted) => hosted.commit(changes).await,
        }
    }

    /// Whether a Standard execution that ends without success keeps its entries, to be redriven. A file is
    /// removed by its user, and memory is lost.
    pub(crate) fn keeps_entries(&self) -> bool {
        self.hosted().is_some()
    }

    /// Makes the owner of an execution that has ended durable. A store of the host removes all other entries with
    /// it, unless the execution `keeps` them.
    pub(crate) async fn end(&self, owner: Change, end: &Ended, keeps: bool) -> Result<(), JournalError> {
        if let Store::Hosted(hosted) = &*self.0 {
            return hosted.end(owner, end.clone(), keeps).await;
        }
        self.commit(vec![owner]).await
    }

    /// Removes what an execution that has ended has left, in the background.
    pub(crate) fn clear(&self) -> Result<(), JournalError> {
        match self.hosted() {
            Some(_) => Ok(()),
            None => self.sweep(Key::root()),
        }
    }

    /// Whether an attempt of a task is under way and has no outcome yet.
    pub(crate) fn waits(&self, attempt: &Key) -> Result<bool, JournalError> {
        let (frame, step) = attempt.frame_of_attempt();
        let has_ended = self.owner()?.is_none_or(|owner| owner.outcome.is_some());
        if has_ended || self.contains(EntryKind::Signal, attempt)? {
            return Ok(false);
        }
        let entry = self.get(EntryKind::Frame, &frame)?;
        Ok(matches!(entry, Some(FrameEntry::At(at)) if at.step == step))
    }

    /// Removes the entries at and below the key, in the background. A crash may leave entries behind, but
    /// their keys are never used again.
    pub(crate) fn sweep(&self, key: Key) -> Result<(), JournalError> {
        match &*self.0 {
            Store::File(file) => file.sweep(key),
            Store::Memory(memory) => {
                memory.commit(vec![Change::Clear(key)]);
                Ok(())
            }
            Store::Hosted(hosted) => hosted.sweep(Change::Clear(key)),
        }
    }

    pub(crate) fn contains(&self, kind: EntryKind, key: &Key) -> Result<bool, JournalError> {
        let key = key.entry(kind);
        match &*self.0 {
            Store::File(file) => file.contains(&key),
            Store::Memory(memory) => Ok(memory.contains(&key)),
            Store::Hosted(hosted) => hosted.contains(&key),
        }
    }

    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        kind: EntryKind,
        key: &Key,
    ) -> Result<Option<T>, JournalError> {
        let key = key.entry(kind);
        let found = match &*self.0 {
            Store::File(file) => file.get(&key)?,
            Store::Memory(memory) => memory.get(&key),
            Store::Hosted(hosted) => hosted.get(&key)?,
        };
        found.map(|value| serde_json::from_slice(&value).map_err(broken)).transpose()
    }

    /// The owner, if the journal has one.
    pub(crate) fn owner(&self) -> Result<Option<Owner>, JournalError> {
        match self.get::<Numbered>(EntryKind::Owner, &Key::root())? {
            Some(Numbered { format }) if format > FORMAT => Err(JournalError::UnknownFormat(format)),
            _ => self.get(EntryKind::Owner, &Key::root()),
        }
    }

    /// The records of the finished children of a Map Run from index `from` on, at most `limit`. The keys of
    /// Map Runs inside of children are in between and are skipped.
    pub(crate) fn records(
        &self,
        map: &Key,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, ChildRecord)>, JournalError> {
        let (first, last) = map.children(EntryKind::Record, from);
        let found = match &*self.0 {
            Store::File(file) => file.range(&first, &last, limit)?,
            Store::Memory(memory) => memory.range(&first, &last, limit),
            Store::Hosted(hosted) => hosted.range(&first, &last, limit)?,
        };
        let record = |(key, value): KeyValue| {
            let record = ChildRecord::from_bytes(&value).ok_or_else(|| broken("a record is not whole"))?;
            Ok((Key::index(&key), record))
        };
        found.into_iter().map(record).collect()
    }

    /// The number of entries, for tests and diagnosis. A store of the host counts its own.
    #[doc(hidden)]
    pub fn entries(&self) -> usize {
        match &*self.0 {
            Store::File(file) => file.entries(),
            Store::Memory(memory) => memory.entries(),
            Store::Hosted(_) => 0,
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Journal")
    }
}

fn broken(error: impl std::fmt::Display) -> JournalError {
    JournalError::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn owner(json: serde_json::Value) -> Result<Option<Owner>, JournalError> {
        let journal = Journal::in_memory().unwrap();
        let owner = Change::put(EntryKind::Owner, &Key::root(), &json).unwrap();
        journal.commit(vec![owner]).await.unwrap();
        journal.owner()
    }

    #[tokio::test]
    async fn a_journal_of_a_later_version_is_refused_by_its_format() {
        let later = owner(serde_json::json!({ "format": 3, "owners": [] })).await.unwrap_err();
        assert!(
            later.to_string().starts_with("the journal has format 3, and this version knows formats up to 2")
        );
        let first = serde_json::json!({ "definition": "d", "input": "i", "execution": "e", "started": 1, "outcome": null });
        assert_eq!(owner(first).await.unwrap().unwrap().format, 1);
    }
}
