//! The thread that writes the journal. All commits that are waiting go into one transaction with one fsync.

use std::collections::VecDeque;
use std::sync::OnceLock;

use redb::{Database, ReadableTable, Table, WriteTransaction};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::file::TABLE;
use super::{BELOW, Change, JournalError, Key, broken};

pub(super) enum Work {
    Commit { changes: Vec<Change>, done: oneshot::Sender<Result<(), JournalError>> },
    Sweep(Key),
}

/// The most commits in one transaction, which bounds the delay of the first one.
const GROUP: usize = 8_192;
/// The most entries that one transaction of a sweep removes, so that commits need not wait long for it.
const SWEEP: usize = 10_000;

pub(super) fn run(db: &Database, failed: &Failed, mut incoming: UnboundedReceiver<Work>) {
    let mut sweeps = VecDeque::new();
    loop {
        let mut group = Vec::new();
        // If there is something to sweep, the thread does not wait for more work.
        let first = if sweeps.is_empty() {
            match incoming.blocking_recv() {
                Some(work) => Some(work),
                None => return,
            }
        } else {
            incoming.try_recv().ok()
        };
        let mut next = first;
        while let Some(work) = next {
            match work {
                Work::Commit { changes, done } => group.push((changes, done)),
                Work::Sweep(key) => sweeps.push_back(key),
            }
            next = if group.len() < GROUP { incoming.try_recv().ok() } else { None };
        }
        if !group.is_empty() {
            let (changes, waiting): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let result = failed
                .check()
                .and_then(|()| commit(db, changes.into_iter().flatten()))
                .map_err(|error| failed.is(error));
            for done in waiting {
                // The waiting future may have been dropped.
                let _ = done.send(result.clone());
            }
        }
        if let Some(key) = sweeps.front() {
            match sweep(db, key) {
                Ok(true) => {}
                Ok(false) => {
                    sweeps.pop_front();
                }
                Err(error) => {
                    let error = failed.is(error);
                    tracing::warn!(%error, "cannot remove finished entries from the journal");
                    sweeps.pop_front();
                }
            }
        }
    }
}

fn commit(db: &Database, changes: impl Iterator<Item = Change>) -> Result<(), JournalError> {
    write(db, |table| {
        for change in changes {
            match change {
                Change::Put(key, value) => {
                    table.insert(key.as_slice(), value.as_slice()).map_err(unusable)?;
                }
                Change::Remove(key) => {
                    table.remove(key.as_slice()).map_err(unusable)?;
                }
                Change::Clear(key) => {
                    remove_below(table, &key, usize::MAX)?;
                }
            }
        }
        Ok(())
    })
}

/// Removes entries below a key. Returns whether there are more.
fn sweep(db: &Database, key: &Key) -> Result<bool, JournalError> {
    write(db, |table| Ok(remove_below(table, key, SWEEP)? == SWEEP))
}

fn remove_below(table: &mut Table<'_, &[u8], &[u8]>, key: &Key, limit: usize) -> Result<usize, JournalError> {
    let mut removed = 0;
    for kind in BELOW {
        let (first, last) = key.range(kind);
        let mut found = Vec::new();
        for entry in table.range(first.as_slice()..=last.as_slice()).map_err(unusable)?.take(limit - removed)
        {
            found.push(entry.map_err(unusable)?.0.value().to_vec());
        }
        for entry in &found {
            table.remove(entry.as_slice()).map_err(unusable)?;
        }
        removed += found.len();
    }
    Ok(removed)
}

fn write<T>(
    db: &Database,
    body: impl FnOnce(&mut Table<'_, &[u8], &[u8]>) -> Result<T, JournalError>,
) -> Result<T, JournalError> {
    let transaction: WriteTransaction = db.begin_write().map_err(unusable)?;
    let result = {
        let mut table = transaction.open_table(TABLE).map_err(unusable)?;
        body(&mut table)?
    };
    transaction.commit().map_err(unusable)?;
    Ok(result)
}

/// The first failure of a write. After it, the database only says that there was one.
#[derive(Default)]
pub(super) struct Failed(OnceLock<JournalError>);

impl Failed {
    /// Keeps the first failure, and returns it.
    pub(super) fn is(&self, error: JournalError) -> JournalError {
        self.0.get_or_init(|| error).clone()
    }

    pub(super) fn check(&self) -> Result<(), JournalError> {
        self.0.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// The reason why a read failed: an earlier failure of a write, if there was one.
    pub(super) fn or(&self, error: impl Into<redb::Error>) -> JournalError {
        self.0.get().cloned().unwrap_or_else(|| unusable(error))
    }
}

pub(super) fn unusable(error: impl Into<redb::Error>) -> JournalError {
    match error.into() {
        redb::Error::Io(error) => error.into(),
        error => broken(error),
    }
}
