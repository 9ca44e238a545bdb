//! A journal in a file: one table of an embedded database, which a single thread writes.

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::{fs, io};

use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition, TableError};
use tokio::sync::{mpsc, oneshot};

use super::writer::{self, Failed, Work, unusable};
use super::{Change, JournalError, Key, KeyValue, broken};

pub(super) const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("journal");

type Table = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The size of the database's cache, in bytes: enough for the hot pages of a large Map Run.
const CACHE: usize = 32 * 1024 * 1024;

pub(super) struct FileStore {
    db: Arc<Database>,
    failed: Arc<Failed>,
    /// None once the journal is being closed.
    work: Option<mpsc::UnboundedSender<Work>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl FileStore {
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        if !path.exists() {
            create(path)?;
        }
        Self::over(Database::builder().set_cache_size(CACHE).open(path).map_err(unusable)?)
    }

    fn over(db: Database) -> Result<Self, JournalError> {
        let (db, failed) = (Arc::new(db), Arc::new(Failed::default()));
        let (work, incoming) = mpsc::unbounded_channel();
        let writer = std::thread::Builder::new().name("journal".into()).spawn({
            let (db, failed) = (db.clone(), failed.clone());
            move || writer::run(&db, &failed, incoming)
        });
        let writer = Mutex::new(Some(writer.map_err(broken)?));
        Ok(Self { db, failed, work: Some(work), writer })
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
        Ok(table.get(key).map_err(|error| self.failed.or(error))?.is_some())
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        let Some(table) = self.table()? else { return Ok(None) };
        let found = table.get(key).map_err(|error| self.failed.or(error))?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// The entries whose keys are as long as the first.
    pub(super) fn range(
        &self,
        first: &[u8],
        last: &[u8],
        limit: usize,
    ) -> Result<Vec<KeyValue>, JournalError> {
        let mut found = Vec::new();
        let Some(table) = self.table()? else { return Ok(found) };
        for entry in table.range(first..=last).map_err(|error| self.failed.or(error))? {
            if found.len() == limit {
                break;
            }
            let (key, value) = entry.map_err(|error| self.failed.or(error))?;
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
        let transaction = self.db.begin_read().map_err(|error| self.failed.or(error))?;
        match transaction.open_table(TABLE) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(self.failed.or(error)),
        }
    }
}

/// Creates a journal under another name and renames it once it is complete. A half-created file could never
/// be opened.
fn create(path: &Path) -> Result<(), JournalError> {
    let new = path.with_extension("new");
    if let Err(error) = fs::remove_file(&new)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error.into());
    }
    let file = fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&new)?;
    // The umask may have removed permissions.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    drop(Database::builder().create_file(file).map_err(unusable)?);
    Ok(fs::rename(&new, path)?)
}

impl Drop for FileStore {
    /// Waits for the writer, so that the file can be opened again at once.
    fn drop(&mut self) {
        self.work = None;
        let writer = self.writer.lock().ok().and_then(|mut writer| writer.take());
        if let Some(writer) = writer {
            // A panic of the writer was already reported to everyone who waited for it.
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;

    use super::*;

    /// A disk that can become full.
    #[derive(Debug)]
    struct Disk {
        inner: InMemoryBackend,
        full: Arc<AtomicBool>,
    }

    impl Disk {
        fn room(&self) -> io::Result<()> {
            if self.full.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    impl StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            self.inner.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.inner.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.room()?;
            self.inner.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.inner.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.room()?;
            self.inner.write(offset, data)
        }
    }

    fn put(name: &[u8]) -> Vec<Change> {
        vec![Change::Put(name.to_vec(), vec![0; 10_000])]
    }

    #[tokio::test]
    async fn every_commit_after_a_full_disk_fails_for_the_disk() {
        for sweeps in [false, true] {
            let full = Arc::new(AtomicBool::new(false));
            let disk = Disk { inner: InMemoryBackend::new(), full: full.clone() };
            let file = FileStore::over(Database::builder().create_with_backend(disk).unwrap()).unwrap();
            let key = Key::root();
            file.commit(put(&key.entry(super::super::EntryKind::Frame))).await.unwrap();
            full.store(true, Ordering::SeqCst);
            if sweeps {
                file.sweep(key).unwrap();
            }
            for _ in 0..3 {
                let error = file.commit(put(b"more")).await.unwrap_err();
                assert!(matches!(error, JournalError::Full(_)), "{sweeps}: {error}");
            }
        }
    }
}
