//! A journal in a file: one table of an embedded store, which one thread writes.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::{fs, io};

use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition, TableError};
use tokio::sync::{mpsc, oneshot};

use super::writer::{self, Work};
use super::{Change, Entry, JournalError, Key, broken};

pub(super) const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("journal");

type Table = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// What of the file is kept in memory, in bytes.
const CACHE: usize = 32 * 1024 * 1024;

pub(super) struct File {
    db: Arc<Database>,
    /// None once the store is closing.
    work: Option<mpsc::UnboundedSender<Work>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<File, JournalError> {
        if !path.exists() {
            create(path)?;
        }
        let db = Arc::new(Database::builder().set_cache_size(CACHE).open(path).map_err(unusable)?);
        let (work, incoming) = mpsc::unbounded_channel();
        let writer = std::thread::Builder::new().name("journal".into()).spawn({
            let db = db.clone();
            move || writer::run(&db, incoming)
        });
        let writer = Mutex::new(Some(writer.map_err(broken)?));
        Ok(File { db, work: Some(work), writer })
    }

    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        let (done, committed) = oneshot::channel();
        self.send(Work::Commit { changes, done })?;
        committed.await.map_err(|_| JournalError::Broken("its writer has ended".into()))?
    }

    pub(super) fn sweep(&self, key: Key) -> Result<(), JournalError> {
        self.send(Work::Sweep(key))
    }

    fn send(&self, work: Work) -> Result<(), JournalError> {
        let sent = self.work.as_ref().map(|sender| sender.send(work));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(JournalError::Broken("its writer has ended".into())),
        }
    }

    pub(super) fn contains(&self, key: &[u8]) -> Result<bool, JournalError> {
        let Some(table) = self.table()? else { return Ok(false) };
        Ok(table.get(key).map_err(unusable)?.is_some())
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        let Some(table) = self.table()? else { return Ok(None) };
        let found = table.get(key).map_err(unusable)?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// Entries with keys as long as the first.
    pub(super) fn range(&self, first: &[u8], last: &[u8], limit: usize) -> Result<Vec<Entry>, JournalError> {
        let mut found = Vec::new();
        let Some(table) = self.table()? else { return Ok(found) };
        for entry in table.range(first..=last).map_err(unusable)? {
            if found.len() == limit {
                break;
            }
            let (key, value) = entry.map_err(unusable)?;
            if key.value().len() == first.len() {
                found.push((key.value().to_vec(), value.value().to_vec()));
            }
        }
        Ok(found)
    }

    pub(super) fn entries(&self) -> usize {
        let table = self.table().ok().flatten();
        table.and_then(|table| table.len().ok()).unwrap_or_default() as usize
    }

    fn table(&self) -> Result<Option<Table>, JournalError> {
        let transaction = self.db.begin_read().map_err(unusable)?;
        match transaction.open_table(TABLE) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(unusable(error)),
        }
    }
}

/// A journal has its name only when it is whole: one that was cut off while it was made could never be opened.
fn create(path: &Path) -> Result<(), JournalError> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => drop(Database::create(&new).map_err(unusable)?),
    }
    Ok(fs::rename(&new, path)?)
}

pub(super) fn unusable(error: impl Into<redb::Error>) -> JournalError {
    match error.into() {
        redb::Error::Io(error) => error.into(),
        error => broken(error),
    }
}

impl Drop for File {
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
