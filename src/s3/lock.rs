//! One lock per name, for as long as somebody holds or wants it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use s3s::S3Result;

#[derive(Default)]
pub(super) struct Locks(Mutex<HashMap<String, Arc<Mutex<()>>>>);

impl Locks {
    /// Runs `work` while nobody else holds `name`.
    pub(super) fn hold<T>(&self, name: &str, work: impl FnOnce() -> S3Result<T>) -> S3Result<T> {
        let lock = Arc::clone(self.names().entry(name.to_owned()).or_default());
        let held = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work();
        drop(held);
        let mut names = self.names();
        // The map's and ours: nobody waits, and nobody can come before `names` is released.
        if Arc::strong_count(&lock) == 2 {
            names.remove(name);
        }
        result
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, Arc<Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
