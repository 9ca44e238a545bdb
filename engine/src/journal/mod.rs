//! The journal: what an execution has achieved, kept so that it can go on after a crash.
//!
//! One table. A key is a letter for the kind of entry and the [`Key`] of what it belongs to; the
//! keys below a state are removed when the state is left, so the journal holds what is unfinished
//! and, for a Distributed Map under way, one record for each finished child.

mod entry;
mod key;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, TableDefinition, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

pub(crate) use entry::{Checkpoint, ChildRecord, Frame, MapRun, Owner, Status, micros, moment};
pub(crate) use key::Key;
use writer::Work;

const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("journal");

type Table = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Where an execution's progress is kept. Clones share one store.
#[derive(Clone)]
pub struct Journal(Arc<Store>);

struct Store {
    db: Arc<Database>,
    /// None once the store is closing.
    work: Option<mpsc::UnboundedSender<Work>>,
    writer: Mutex<Option<JoinHandle<()>>>,
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
        Journal::over(Database::create(path).map_err(broken)?)
    }

    /// A journal that lasts as long as its clones.
    pub fn in_memory() -> Result<Journal, JournalError> {
        Journal::over(Database::builder().create_with_backend(InMemoryBackend::new()).map_err(broken)?)
    }

    fn over(db: Database) -> Result<Journal, JournalError> {
        let db = Arc::new(db);
        let (work, incoming) = mpsc::unbounded_channel();
        let writer = std::thread::Builder::new().name("journal".into()).spawn({
            let db = db.clone();
            move || writer::run(&db, incoming)
        });
        let writer = Mutex::new(Some(writer.map_err(broken)?));
        Ok(Journal(Arc::new(Store { db, work: Some(work), writer })))
    }

    /// Returns when the changes are on disk.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        let (done, committed) = oneshot::channel();
        self.send(Work::Commit { changes, done })?;
        committed.await.map_err(|_| JournalError::Broken("its writer has ended".into()))?
    }

    /// Removes everything below the key in its own time. What is left over by a crash lies under a
    /// key that is not used again.
    pub(crate) fn sweep(&self, key: Key) -> Result<(), JournalError> {
        self.send(Work::Sweep(key))
    }

    fn send(&self, work: Work) -> Result<(), JournalError> {
        let sent = self.0.work.as_ref().map(|sender| sender.send(work));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(JournalError::Broken("its writer has ended".into())),
        }
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, kind: Kind, key: &Key) -> Result<Option<T>, JournalError> {
        let Some(table) = self.table()? else { return Ok(None) };
        let found = table.get(key.entry(kind).as_slice()).map_err(broken)?;
        found.map(|value| serde_json::from_slice(value.value()).map_err(broken)).transpose()
    }

    /// The finished children of a map from index `from` on, at most `limit`.
    pub(crate) fn finished(&self, map: &Key, from: u64, limit: usize) -> Result<Vec<(u64, Status)>, JournalError> {
        let mut found = Vec::new();
        let Some(table) = self.table()? else { return Ok(found) };
        let (first, last) = map.children(Kind::Status, from);
        for entry in table.range(first.as_slice()..=last.as_slice()).map_err(broken)?.take(limit) {
            let (key, value) = entry.map_err(broken)?;
            let status = value.value().first().copied().and_then(Status::from_byte);
            let status = status.ok_or_else(|| JournalError::Broken("an unknown status".into()))?;
            found.push((Key::index(key.value()), status));
        }
        Ok(found)
    }

    pub(crate) fn record(&self, map: &Key, index: u64) -> Result<ChildRecord, JournalError> {
        let record = self.get(Kind::Record, &map.child(index))?;
        record.ok_or_else(|| JournalError::Broken(format!("the record of child {index} is missing")))
    }

    /// How many entries there are; for tests and diagnosis.
    #[doc(hidden)]
    pub fn entries(&self) -> usize {
        use redb::ReadableTableMetadata;
        let table = self.table().ok().flatten();
        table.and_then(|table| table.len().ok()).unwrap_or_default() as usize
    }

    fn table(&self) -> Result<Option<Table>, JournalError> {
        let transaction = self.0.db.begin_read().map_err(broken)?;
        match transaction.open_table(TABLE) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(broken(error)),
        }
    }
}

impl Drop for Store {
    /// Waits for the writer, so that the file can be opened again at once.
    fn drop(&mut self) {
        self.work = None;
        let writer = self.writer.lock().ok().and_then(|mut writer| writer.take());
        if let Some(writer) = writer {
            // Its panic, if any, was reported to those who waited for it.
            let _ = writer.join();
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
