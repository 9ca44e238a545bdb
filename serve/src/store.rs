//! The durable store: one database for the machines, the executions, their journals and their histories.
//!
//! All changes that wait are written by one thread as one batch with one fsync. A change is answered when it
//! is on disk. After a failed write nothing more is written, because what is on disk is then unknown: the
//! server ends, and a restart reads what is really there.

mod keys;
mod writer;

use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, Readable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};

use crate::metrics::Metrics;

pub(crate) use keys::{KeyReader, KeyWriter};
use writer::Work;

/// The format of the store. A later version with another layout has a higher one.
pub const FORMAT: u32 = 1;

const FORMAT_KEY: &[u8] = b"format";

/// The parts of the store. Each is sorted by its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Space {
    /// Machines, revisions, activities, and the server's own secret.
    Catalog,
    /// Executions that have not ended, by their number.
    Open,
    /// Executions that have ended, by machine, status and time.
    Closed,
    /// Where the execution of a name is.
    Names,
    /// The histories, by execution and event.
    Events,
    /// The journals of the engine, by execution.
    Journal,
    /// Map Runs that have ended with their execution.
    MapRuns,
    /// What starts executions by itself.
    Triggers,
    /// Who is signed in to the console.
    Sessions,
    /// Every change that was asked for, by time.
    Audit,
    /// The tasks that wait for an outcome by token, and the outcomes.
    Inbox,
    /// What somebody is to be told.
    Notes,
    /// Until when executions only wait, by their number.
    Parked,
}

const SPACES: [&str; 13] = [
    "catalog", "open", "closed", "names", "events", "journal", "map_runs", "triggers", "sessions", "audit",
    "inbox", "notes", "parked",
];

/// Why the store cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum StoreError {
    /// Another process has it open.
    #[error("another process uses it")]
    Locked,
    /// A later version wrote it.
    #[error(
        "it has format {0}, and this version knows formats up to {FORMAT}: use the version that wrote it, or another folder"
    )]
    UnknownFormat(u32),
    /// The disk is full.
    #[error("the disk is full: {0}")]
    Full(String),
    /// It cannot be read or written.
    #[error("{0}")]
    Broken(String),
}

/// Changes that become durable together.
#[derive(Debug, Default)]
pub(crate) struct Batch(Vec<Change>);

#[derive(Debug)]
pub(crate) enum Change {
    Put(Space, Vec<u8>, Vec<u8>),
    Remove(Space, Vec<u8>),
    /// Removes all keys that begin with a prefix.
    Clear(Space, Vec<u8>),
}

impl Batch {
    pub(crate) fn put(&mut self, space: Space, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push(Change::Put(space, key.into(), value.into()));
    }

    pub(crate) fn put_json(&mut self, space: Space, key: impl Into<Vec<u8>>, value: &impl Serialize) {
        let value = serde_json::to_vec(value).expect("the records of the store are always JSON");
        self.put(space, key, value);
    }

    pub(crate) fn remove(&mut self, space: Space, key: impl Into<Vec<u8>>) {
        self.0.push(Change::Remove(space, key.into()));
    }

    pub(crate) fn clear(&mut self, space: Space, prefix: impl Into<Vec<u8>>) {
        self.0.push(Change::Clear(space, prefix.into()));
    }
}

/// The keys and values of a page.
pub(crate) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// An open store. Clones share it.
#[derive(Clone)]
pub(crate) struct Store(Arc<Shared>);

struct Shared {
    db: Database,
    spaces: [Keyspace; SPACES.len()],
    /// None once the store is being closed.
    work: Option<mpsc::UnboundedSender<Work>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    failed: watch::Receiver<Option<StoreError>>,
    metrics: Metrics,
}

impl Store {
    /// Opens the store in a folder, or creates it.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let db = Database::builder(folder).open().map_err(unusable)?;
        let mut spaces = Vec::with_capacity(SPACES.len());
        for name in SPACES {
            spaces.push(db.keyspace(name, KeyspaceCreateOptions::default).map_err(unusable)?);
        }
        let spaces: [Keyspace; SPACES.len()] =
            spaces.try_into().unwrap_or_else(|_| unreachable!("one keyspace for each name"));
        let (work, incoming) = mpsc::unbounded_channel();
        let (failing, failed) = watch::channel(None);
        let metrics = Metrics::default();
        let writer = std::thread::Builder::new().name("store".into()).spawn({
            let (db, spaces, metrics) = (db.clone(), spaces.clone(), metrics.clone());
            move || writer::run(&db, &spaces, &failing, &metrics, incoming)
        });
        let writer = Mutex::new(Some(writer.map_err(|error| StoreError::Broken(error.to_string()))?));
        let store = Self(Arc::new(Shared { db, spaces, work: Some(work), writer, failed, metrics }));
        match store.get(Space::Catalog, FORMAT_KEY)? {
            None => {
                let mut batch = Batch::default();
                batch.put(Space::Catalog, FORMAT_KEY, FORMAT.to_string());
                drop(store.submit(batch));
            }
            Some(found) => {
                let found = std::str::from_utf8(&found).ok().and_then(|text| text.parse().ok());
                match found {
                    Some(format) if format > FORMAT => return Err(StoreError::UnknownFormat(format)),
                    Some(_) => {}
                    None => return Err(StoreError::Broken("its format number cannot be read".into())),
                }
            }
        }
        Ok(store)
    }

    /// What is measured of the store, and of all that uses it.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Makes the changes durable; returns when they are on disk.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.submit(batch).await
    }

    /// As [`Store::commit`], for a thread that may block.
    pub(crate) fn commit_blocking(&self, batch: Batch) -> Result<(), StoreError> {
        let (done, committed) = oneshot::channel();
        self.send(Work { changes: batch.0, done })?;
        committed.blocking_recv().map_err(|_| ended())?
    }

    /// Takes the changes now, and returns when they are on disk. They are made in the order of the calls, also
    /// if the future is dropped.
    pub(crate) fn submit(
        &self,
        batch: Batch,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let (done, committed) = oneshot::channel();
        let sent = self.send(Work { changes: batch.0, done });
        async move {
            sent?;
            committed.await.map_err(|_| ended())?
        }
    }

    fn send(&self, work: Work) -> Result<(), StoreError> {
        match self.0.work.as_ref().map(|sender| sender.send(work)) {
            Some(Ok(())) => Ok(()),
            _ => Err(ended()),
        }
    }

    /// The failure after which nothing more is written, once there is one.
    pub(crate) async fn failure(&self) -> StoreError {
        let mut failed = self.0.failed.clone();
        let found = failed.wait_for(Option::is_some).await.map(|found| found.clone());
        found.ok().flatten().unwrap_or_else(ended)
    }

    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.space(space).get(key).map_err(unusable)?;
        Ok(found.map(|value| value.to_vec()))
    }

    pub(crate) fn get_json<T: DeserializeOwned>(
        &self,
        space: Space,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        self.get(space, key)?.map(|value| json(&value)).transpose()
    }

    /// The first entries that begin with `prefix`, from `from` on, at most `limit`.
    pub(crate) fn page(
        &self,
        space: Space,
        prefix: &[u8],
        from: Bound<Vec<u8>>,
        limit: usize,
    ) -> Result<Entries, StoreError> {
        let range = self.space(space).range((from, Bound::Unbounded));
        collect(range, prefix, limit)
    }

    /// The last entries that begin with `prefix`, from `to` on downwards, at most `limit`.
    pub(crate) fn page_back(
        &self,
        space: Space,
        prefix: &[u8],
        to: Bound<Vec<u8>>,
        limit: usize,
    ) -> Result<Entries, StoreError> {
        let range = self.space(space).range((Bound::Included(prefix.to_vec()), to));
        collect(range.rev(), prefix, limit)
    }

    /// All entries that begin with `prefix`, in pages, so that the memory does not depend on their number.
    pub(crate) fn for_each(
        &self,
        space: Space,
        prefix: &[u8],
        mut entry: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for found in self.space(space).prefix(prefix) {
            let (key, value) = found.into_inner().map_err(unusable)?;
            entry(&key, &value)?;
        }
        Ok(())
    }

    /// The bytes that the entries take on disk. What was written in the last seconds is in memory and in a log, and is
    /// not counted.
    pub(crate) fn size(&self) -> u64 {
        self.0.spaces.iter().map(Keyspace::disk_space).sum()
    }

    /// Gives the room of entries that were removed back to the disk. Blocks, for as long as it takes to write the spaces
    /// of executions that have ended anew.
    pub(crate) fn compact(&self) -> Result<(), StoreError> {
        for space in [Space::Closed, Space::Names, Space::Events, Space::Journal, Space::MapRuns] {
            let space = self.space(space);
            space.rotate_memtable_and_wait().and_then(|()| space.major_compact()).map_err(unusable)?;
        }
        Ok(())
    }

    /// Writes what is in the store at one moment into another folder, which must not exist.
    pub(crate) fn copy_to(&self, folder: &Path) -> Result<(), StoreError> {
        let snapshot = self.0.db.snapshot();
        let copy = Database::builder(folder).open().map_err(unusable)?;
        for (name, space) in SPACES.into_iter().zip(&self.0.spaces) {
            let into = copy.keyspace(name, KeyspaceCreateOptions::default).map_err(unusable)?;
            // Entries come in the order of their keys, so they need no log.
            let mut ingestion = into.start_ingestion().map_err(unusable)?;
            for entry in snapshot.iter(space) {
                let (key, value) = entry.into_inner().map_err(unusable)?;
                ingestion.write(key, value).map_err(unusable)?;
            }
            ingestion.finish().map_err(unusable)?;
        }
        copy.persist(fjall::PersistMode::SyncAll).map_err(unusable)
    }

    fn space(&self, space: Space) -> &Keyspace {
        &self.0.spaces[space as usize]
    }
}

fn collect(
    range: impl Iterator<Item = fjall::Guard>,
    prefix: &[u8],
    limit: usize,
) -> Result<Entries, StoreError> {
    let mut found = Vec::new();
    for entry in range {
        if found.len() == limit {
            break;
        }
        let (key, value) = entry.into_inner().map_err(unusable)?;
        if !key.starts_with(prefix) {
            break;
        }
        found.push((key.to_vec(), value.to_vec()));
    }
    Ok(found)
}

/// A record of the store.
pub(crate) fn json<T: DeserializeOwned>(value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value)
        .map_err(|error| StoreError::Broken(format!("a record cannot be read: {error}")))
}

impl Drop for Shared {
    /// Waits for the writer, so that the store can be opened again at once.
    fn drop(&mut self) {
        self.work = None;
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A panic of the writer was already reported to everyone who waited for it.
            let _ = writer.join();
        }
    }
}

fn ended() -> StoreError {
    StoreError::Broken("the writer of the store has ended".into())
}

fn unusable(error: fjall::Error) -> StoreError {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match &error {
        fjall::Error::Locked => StoreError::Locked,
        fjall::Error::Io(cause) if matches!(cause.kind(), StorageFull | QuotaExceeded | FileTooLarge) => {
            StoreError::Full(cause.to_string())
        }
        _ => StoreError::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn put(key: &str) -> Batch {
        let mut batch = Batch::default();
        batch.put(Space::Names, key, "value");
        batch
    }

    #[tokio::test]
    async fn changes_are_there_after_the_store_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let commits: Vec<_> = (0..100)
            .map(|i| {
                let store = store.clone();
                tokio::spawn(async move { store.commit(put(&format!("a{i:03}"))).await })
            })
            .collect();
        for commit in commits {
            commit.await.unwrap().unwrap();
        }
        let mut batch = Batch::default();
        batch.clear(Space::Names, "a00");
        batch.remove(Space::Names, "a011");
        store.commit(batch).await.unwrap();
        assert!(matches!(Store::open(folder.path()).err(), Some(StoreError::Locked)));
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        let forward = store.page(Space::Names, b"a", Bound::Included(b"a".to_vec()), 2).unwrap();
        assert_eq!(forward.iter().map(|(key, _)| key.as_slice()).collect::<Vec<_>>(), [b"a010", b"a012"]);
        let back = store.page_back(Space::Names, b"a", Bound::Excluded(b"a099".to_vec()), 1).unwrap();
        assert_eq!(back[0].0, b"a098");
    }

    /// A crash may leave the last write of the log in part: each batch is there whole or not at all, and those before it
    /// are.
    #[tokio::test]
    async fn a_log_that_is_cut_anywhere_has_whole_batches_up_to_there() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, torn) = (folder.path().join("whole"), folder.path().join("torn"));
        let store = Store::open(&whole).unwrap();
        let batches = 40_u32;
        for i in 0..batches {
            let mut batch = Batch::default();
            for space in [Space::Open, Space::Names, Space::Events] {
                batch.put(space, i.to_be_bytes(), "x".repeat(usize::try_from(i).unwrap() * 7));
            }
            store.commit(batch).await.unwrap();
        }
        drop(store);
        let log = std::fs::read_dir(&whole).unwrap().map(|entry| entry.unwrap().path());
        let log = log.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "jnl")).unwrap();
        let bytes = std::fs::read(&log).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let mut before = 0;
        for cut in (0..=end).step_by(end / 150 + 1).chain([end]) {
            copy_folder(&whole, &torn);
            let log = torn.join(log.file_name().unwrap());
            let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
            file.set_len(cut as u64).unwrap();
            drop(file);
            let store = Store::open(&torn).unwrap();
            let number = |space| {
                (0..batches).take_while(|i| store.get(space, &i.to_be_bytes()).unwrap().is_some()).count()
            };
            let found = [Space::Open, Space::Names, Space::Events].map(number);
            assert_eq!(found, [found[0]; 3], "cut at {cut}");
            let all = store.page(Space::Open, &[], Bound::Unbounded, 100).unwrap().len();
            assert_eq!(all, found[0], "cut at {cut}: there are no gaps");
            assert!(found[0] >= before, "cut at {cut}");
            before = found[0];
            // It can be written again.
            store.commit(put("again")).await.unwrap();
            drop(store);
            std::fs::remove_dir_all(&torn).unwrap();
        }
        assert_eq!(before, usize::try_from(batches).unwrap());
    }

    fn copy_folder(from: &Path, to: &Path) {
        std::fs::create_dir(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let place = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy_folder(&path, &place);
            } else {
                std::fs::copy(&path, &place).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_copy_has_what_was_there_at_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        store.commit(put("a")).await.unwrap();
        let copy = folder.path().join("copy");
        store.copy_to(&copy).unwrap();
        store.commit(put("b")).await.unwrap();
        let copy = Store::open(&copy).unwrap();
        assert!(copy.get(Space::Names, b"a").unwrap().is_some());
        assert!(copy.get(Space::Names, b"b").unwrap().is_none());
        copy.commit(put("c")).await.unwrap();
    }

    #[tokio::test]
    async fn a_store_is_smaller_when_entries_are_removed_and_it_is_compacted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut batch = Batch::default();
        (0..2_000_u32)
            .for_each(|i| batch.put(Space::Events, i.to_be_bytes(), rand::random::<[u8; 32]>().repeat(32)));
        store.commit(batch).await.unwrap();
        store.compact().unwrap();
        let full = store.size();
        assert!(full > 1_000_000, "{full}");
        let mut batch = Batch::default();
        (0..1_500_u32).for_each(|i| batch.remove(Space::Events, i.to_be_bytes()));
        store.commit(batch).await.unwrap();
        store.compact().unwrap();
        assert!(store.size() < full / 2, "{} of {full}", store.size());
    }

    #[tokio::test]
    async fn a_store_of_a_later_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut batch = Batch::default();
        batch.put(Space::Catalog, FORMAT_KEY, "2");
        store.commit(batch).await.unwrap();
        drop(store);
        assert!(matches!(Store::open(folder.path()).err(), Some(StoreError::UnknownFormat(2))));
    }
}
