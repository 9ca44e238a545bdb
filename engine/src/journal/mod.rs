//! The journal: what an execution has achieved, kept so that it can go on after a crash.
//!
//! One table, in a file or in memory. A key is a letter for the kind of entry and the [`Key`] of what it belongs to; the
//! keys below a state are removed when the state is left, so the journal holds what is unfinished
//! and, for a Distributed Map under way, one record for each finished child.

mod entry;
mod file;
mod key;
mod memory;
mod writer;

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use entry::{Checkpoint, ChildRecord, Ending, Finished, Frame, MapRun, Owner, Status, micros, moment};
use file::File;
pub(crate) use key::Key;
use memory::Memory;

/// Where an execution's progress is kept. Clones share one store.
#[derive(Clone)]
pub struct Journal(Arc<Store>);

enum Store {
    File(File),
    Memory(Memory),
}

/// Why a journal can't be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The file can't be opened, read or written.
    #[error("the journal can't be used: {0}")]
    Broken(String),
    /// The journal was begun by something else; the text says what differs.
    #[error("the journal belongs to another {0}")]
    Foreign(&'static str),
}

/// What an entry is.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Kind {
    Owner = b'o',
    Frame = b'f',
    MapRun = b'm',
    /// One byte for each finished child, small enough to be read for all of them.
    Status = b's',
    Record = b'r',
}

/// Kinds of entries that lie below a state.
const BELOW: [Kind; 4] = [Kind::Frame, Kind::MapRun, Kind::Status, Kind::Record];

/// A change; those given to [`Journal::commit`] together become durable together.
pub(crate) enum Change {
    Put(Vec<u8>, Vec<u8>),
    /// Everything at and below a key.
    Clear(Key),
}

impl Change {
    pub(crate) fn put(kind: Kind, key: &Key, value: &impl Serialize) -> Result<Change, JournalError> {
        let value = serde_json::to_vec(value).map_err(broken)?;
        Ok(Change::Put(key.entry(kind), value))
    }

    pub(crate) fn status(key: &Key, status: Status) -> Change {
        Change::Put(key.entry(Kind::Status), vec![status as u8])
    }
}

impl Journal {
    /// Opens or makes the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Journal, JournalError> {
        Ok(Journal(Arc::new(Store::File(File::open(path.as_ref())?))))
    }

    /// A journal that lasts as long as its clones.
    pub fn in_memory() -> Result<Journal, JournalError> {
        Ok(Journal(Arc::new(Store::Memory(Memory::default()))))
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

    pub(crate) fn get<T: DeserializeOwned>(&self, kind: Kind, key: &Key) -> Result<Option<T>, JournalError> {
        let key = key.entry(kind);
        let found = match &*self.0 {
            Store::File(file) => file.get(&key)?,
            Store::Memory(memory) => memory.get(&key),
        };
        found.map(|value| serde_json::from_slice(&value).map_err(broken)).transpose()
    }

    /// The finished children of a map from index `from` on, at most `limit`.
    pub(crate) fn finished(&self, map: &Key, from: u64, limit: usize) -> Result<Vec<(u64, Status)>, JournalError> {
        let (first, last) = map.children(Kind::Status, from);
        let entries = match &*self.0 {
            Store::File(file) => file.range(&first, &last, limit)?,
            Store::Memory(memory) => memory.range(first, last, limit),
        };
        let entries = entries.into_iter().map(|(key, value)| {
            let status = value.first().copied().and_then(Status::from_byte);
            status.map(|status| (Key::index(&key), status)).ok_or_else(|| JournalError::Broken("an unknown status".into()))
        });
        entries.collect()
    }

    pub(crate) fn record(&self, map: &Key, index: u64) -> Result<ChildRecord, JournalError> {
        let record = self.get(Kind::Record, &map.child(index))?;
        record.ok_or_else(|| JournalError::Broken(format!("the record of child {index} is missing")))
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
