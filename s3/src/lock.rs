//! Locks: for the threads of this process by name, and for all processes by a file.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use s3s::S3Result;

use crate::condition::WriteCondition;
use crate::error::{At, io_error};
use crate::file::open_private;
use crate::store::Store;

/// One lock for each name, which exists only while it is held or waited for.
#[derive(Default)]
pub(crate) struct Locks(Mutex<HashMap<String, Arc<Mutex<()>>>>);

impl Locks {
    /// Runs `work` while holding the lock of `name`.
    pub(crate) fn with_lock<T>(&self, name: &str, work: impl FnOnce() -> S3Result<T>) -> S3Result<T> {
        let lock = Arc::clone(self.names().entry(name.to_owned()).or_default());
        let held = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work();
        drop(held);
        let mut names = self.names();
        // Only the map and this function have the lock, so nobody waits, and nobody can start to wait before
        // `names` is released.
        if Arc::strong_count(&lock) == 2 {
            names.remove(name);
        }
        result
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, Arc<Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Changes an object while no other thread of this process does. A change with a condition also excludes
    /// other processes that make one; a change without a condition needs no file.
    pub(crate) fn exclusively<T>(
        &self,
        bucket: &str,
        key: &str,
        condition: &WriteCondition,
        change: impl FnOnce() -> S3Result<T>,
    ) -> S3Result<T> {
        let name = format!("{bucket}/{key}");
        self.objects.with_lock(&name, || {
            let _held = if condition.is_some() { Some(self.lock_of_processes(&name)?) } else { None };
            change()
        })
    }

    /// Waits for a lock among processes until the result is dropped. Objects share 256 files, because a lock
    /// file cannot be removed safely.
    fn lock_of_processes(&self, name: &str) -> S3Result<File> {
        let path = self.locks_folder().join(&blake3::hash(name.as_bytes()).to_hex()[..2]);
        let file = open_private(&path).map_err(io_error)?;
        file.lock().at(&path).map_err(io_error)?;
        Ok(file)
    }
}
