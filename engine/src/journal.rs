//! The journal: what an execution has achieved, kept so that it can go on after a crash.
//!
//! A key is a letter for the kind of entry and the [`Key`] of what it belongs to; the keys below a
//! state are removed when the state is left, so the journal holds what is unfinished and, for a
//! Distributed Map under way, the records of finished children that no result file holds yet.

mod entry;
mod file;
mod memory;
mod writer;

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use entry::{
    Checkpoint, ChildRecord, ChildStatus, Done, Ending, FrameEntry, MapRunEntry, Owner, ResultFile, Span,
    Tally, micros, moment,
};
use file::FileStore;
use memory::MemoryStore;

/// Where an execution's progress is kept. Clones share one store.
#[derive(Clone)]
pub struct Journal(Arc<Store>);

enum Store {
    File(FileStore),
    Memory(MemoryStore),
}

/// Why a journal cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened, read or written.
    #[error("the journal cannot be used: {0}")]
    Broken(String),
    /// The disk has no room for it. With room, the execution goes on.
    #[error("the journal cannot be written: {0}")]
    Full(String),
    /// The journal was begun by something else; the text says what differs.
    #[error("the journal belongs to another {0}")]
    Foreign(&'static str),
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

/// Records of children that are read at once: enough that reading is fast, few enough to be held in memory.
pub(crate) const RECORDS_PER_READ: usize = 256;

/// A key and its value.
type KeyValue = (Vec<u8>, Vec<u8>);

/// What an entry is.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum EntryKind {
    Owner = b'o',
    Frame = b'f',
    MapRun = b'm',
    /// The input of a batch that came about by chance.
    Batch = b'b',
    /// A finished child.
    Record = b'r',
}

/// Kinds of entries that lie below a state.
const BELOW: [EntryKind; 4] = [EntryKind::Frame, EntryKind::MapRun, EntryKind::Batch, EntryKind::Record];

/// The path from the execution down to a frame (a run of states) or to a visit of a Map state.
/// The execution's own frame has the empty path; below a frame lies the visit of the state it is
/// in, by the frame's step number; below the visit its iterations or children, by index. Numbers
/// are big-endian, so that keys sort as the children do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Key(Vec<u8>);

const NUMBER: usize = size_of::<u64>();

impl Key {
    pub(crate) fn root() -> Self {
        Key::default()
    }

    pub(crate) fn visit(&self, step: u64) -> Self {
        self.child(step)
    }

    pub(crate) fn child(&self, index: u64) -> Self {
        let mut path = self.0.clone();
        path.extend(index.to_be_bytes());
        Key(path)
    }

    fn entry(&self, kind: EntryKind) -> Vec<u8> {
        let mut entry = vec![kind as u8];
        entry.extend(&self.0);
        entry
    }

    /// The first and last key of entries at and below this one.
    fn range(&self, kind: EntryKind) -> (Vec<u8>, Vec<u8>) {
        let first = self.entry(kind);
        let mut last = first.clone();
        // Longer than any path below it that begins with the highest numbers.
        last.extend([0xff; NUMBER * 16]);
        (first, last)
    }

    fn children(&self, kind: EntryKind, from: u64) -> (Vec<u8>, Vec<u8>) {
        (self.child(from).entry(kind), self.child(u64::MAX).entry(kind))
    }

    /// The last number of an entry's key.
    fn index(entry: &[u8]) -> u64 {
        let mut number = [0; NUMBER];
        number.copy_from_slice(&entry[entry.len() - NUMBER..]);
        u64::from_be_bytes(number)
    }
}

/// A change; those given to [`Journal::commit`] together become durable together.
pub(crate) enum Change {
    Put(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    /// Everything at and below a key.
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
    /// Opens or makes the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Ok(Journal(Arc::new(Store::File(FileStore::open(path.as_ref())?))))
    }

    /// A journal that lasts as long as its clones.
    pub fn in_memory() -> Result<Self, JournalError> {
        Ok(Journal(Arc::new(Store::Memory(MemoryStore::default()))))
    }

    /// Returns when the changes are on disk.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        match &*self.0 {
            Store::File(file) => file.commit(changes).await,
            Store::Memory(memory) => {
                memory.commit(changes);
                Ok(())
            }
        }
    }

    /// Removes everything below the key in its own time. What is left over by a crash lies under a
    /// key that is not used again.
    pub(crate) fn sweep(&self, key: Key) -> Result<(), JournalError> {
        match &*self.0 {
            Store::File(file) => file.sweep(key),
            Store::Memory(memory) => {
                memory.commit(vec![Change::Clear(key)]);
                Ok(())
            }
        }
    }

    pub(crate) fn contains(&self, kind: EntryKind, key: &Key) -> Result<bool, JournalError> {
        let key = key.entry(kind);
        match &*self.0 {
            Store::File(file) => file.contains(&key),
            Store::Memory(memory) => Ok(memory.contains(&key)),
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
        };
        found.map(|value| serde_json::from_slice(&value).map_err(broken)).transpose()
    }

    /// The records of finished children of a map from index `from` on, at most `limit`; not those of
    /// maps inside of children, which lie between them.
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
        };
        let record = |(key, value): KeyValue| {
            let record = ChildRecord::from_bytes(&value).ok_or_else(|| broken("a record is not whole"))?;
            Ok((Key::index(&key), record))
        };
        found.into_iter().map(record).collect()
    }

    /// How many entries there are; for tests and diagnosis.
    #[doc(hidden)]
    pub fn entries(&self) -> usize {
        match &*self.0 {
            Store::File(file) => file.entries(),
            Store::Memory(memory) => memory.entries(),
        }
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
