//! The queue of a lock: processes that wait for it get it in the order in which they came. The system itself
//! promises no order.
//!
//! ```text
//! .locks/<lock>.queue/gate           held while the queue is read or changed
//! .locks/<lock>.queue/<number>       held by a process that waits; the lowest number is next
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use s3::file::{make_folder, open_private};

const GATE: &str = "gate";

/// The queue of one lock.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    folder: PathBuf,
}

/// A place in a queue, which is left when it is dropped. The system leaves it for a process that ends in any way.
#[derive(Debug)]
pub(super) struct Place {
    queue: Queue,
    number: u64,
    _file: File,
}

/// How a process has entered a queue.
pub(super) enum Entered {
    /// Nobody waits, and the lock was free: the process holds it.
    Locked(File),
    /// The process waits for this file of the lock.
    Waits(Place, File),
}

impl Queue {
    /// The queue of the lock with this file.
    pub(super) fn of(lock: &Path) -> Self {
        Self { folder: lock.with_extension("queue") }
    }

    /// Takes the lock if nobody waits for it, and the last place of the queue otherwise.
    ///
    /// # Errors
    /// When a file of the queue cannot be used.
    pub(super) fn enter(&self, lock: File) -> io::Result<Entered> {
        make_folder(&self.folder)?;
        let _gate = self.gate()?;
        let last = self.waiting()?.into_iter().next_back();
        if last.is_none() {
            match lock.try_lock() {
                Ok(()) => return Ok(Entered::Locked(lock)),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        let number = last.unwrap_or(0) + 1;
        let file = open_private(&self.path(number))?;
        file.lock()?;
        Ok(Entered::Waits(Place { queue: self.clone(), number, _file: file }, lock))
    }

    /// The numbers of the processes that wait, in order. Removes those of processes that have ended.
    fn waiting(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let path = self.path(number);
            match open_private(&path)?.try_lock_shared() {
                // Its process may be removing it too.
                Ok(()) => match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                },
                Err(TryLockError::WouldBlock) => numbers.push(number),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn gate(&self) -> io::Result<File> {
        let gate = open_private(&self.folder.join(GATE))?;
        gate.lock()?;
        Ok(gate)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}"))
    }
}

impl Place {
    /// The file that the process before this one holds while it waits; `None` if this one is next.
    ///
    /// # Errors
    /// When a file of the queue cannot be used.
    pub(super) fn before(&self) -> io::Result<Option<File>> {
        let _gate = self.queue.gate()?;
        let before = self.queue.waiting()?.into_iter().rfind(|number| *number < self.number);
        before.map(|number| open_private(&self.queue.path(number))).transpose()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The next process that reads the queue removes what is left.
        let _ = fs::remove_file(self.queue.path(self.number));
    }
}
