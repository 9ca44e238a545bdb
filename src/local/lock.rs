//! The locks of a state folder. The system releases the locks of a process that ends in any way.
//!
//! ```text
//! .lock                       shared by all processes that use the folder
//! .locks/job-<hash>.lock      held for the commands of one job
//! .locks/limit-<hash>.lock    held while a lane of this limit is under way
//! .locks/….queue/             the processes that wait for it (`queue`)
//! .locks/server-<hash>.lock   held by the folder's server
//! ```

mod queue;

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::ServerAddress;
use crate::exit::CliError;
use queue::{Entered, Place, Queue};
use s3::file::{make_folder, open_private};

const LOCKS: &str = ".locks";
/// The time between two looks at who holds a lock.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The process that holds a lock, as the lock file names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id. A lock that several processes share names none.
    pub pid: Option<u32>,
    /// Its command.
    pub command: String,
    /// When it started: RFC 3339 in UTC.
    pub since: String,
    /// Its job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Where it is, if it is a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerAddress>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, command, since, .. } = self;
        match pid {
            Some(pid) => write!(f, "process {pid} (`{command}`, since {since})"),
            None => write!(f, "`{command}` (since {since})"),
        }
    }
}

/// How a command uses a state folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For runs.
    Runs,
    /// For the objects of its store only.
    Objects,
}

impl Purpose {
    /// The option that names the folder.
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Runs => "--state",
            Self::Objects => "--store",
        }
    }
}

/// A lock that this process holds until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// Whether no other process may hold it.
    exclusive: bool,
}

impl Lock {
    /// Uses the folder together with other processes.
    ///
    /// # Errors
    /// When a process, such as one of an earlier version, has the whole folder for itself.
    pub(super) fn share(folder: &Path, purpose: Purpose) -> Result<Self, CliError> {
        let path = folder.join(".lock");
        // Its error names the path.
        let file = open_private(&path).map_err(|error| CliError::new(error.to_string()))?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self { file, exclusive: false }),
            Err(TryLockError::WouldBlock) => Err(in_use(folder, holder(&path), purpose)),
            Err(TryLockError::Error(error)) => Err(CliError::at(&path, error)),
        }
    }

    /// Holds the lock of a job or of a limit alone. While another process holds it, `waits` is called with
    /// that process again and again. Processes that wait get it in the order in which they came. The wait ends
    /// when the future is dropped.
    ///
    /// # Errors
    /// When the lock file cannot be used. The message names it.
    pub(super) async fn acquire(
        folder: &Path,
        kind: &str,
        name: &str,
        ours: &Holder,
        mut waits: impl FnMut(Holder),
    ) -> io::Result<Self> {
        make_folder(&folder.join(LOCKS))?;
        let path = path_of(folder, kind, name);
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let file = match Queue::of(&path).enter(open_private(&path)?).map_err(at)? {
            Entered::Locked(file) => file,
            Entered::Waits(place, file) => {
                let turn = wait_for_turn(place, file);
                tokio::pin!(turn);
                let mut looks = tokio::time::interval(LOOK_EVERY);
                loop {
                    tokio::select! {
                        biased;
                        locked = &mut turn => break locked.map_err(at)?,
                        _ = looks.tick() => holder(&path).into_iter().for_each(&mut waits),
                    }
                }
            }
        };
        let lock = Self { file, exclusive: true };
        lock.name(ours).map_err(at)?;
        Ok(lock)
    }

    /// Holds the lock of this name alone, at once.
    ///
    /// # Errors
    /// When another process holds it, which the message names, or the lock file cannot be used.
    pub(super) fn acquire_now(
        folder: &Path,
        kind: &str,
        purpose: Purpose,
        ours: &Holder,
    ) -> Result<Self, CliError> {
        let words = |error: io::Error| CliError::new(error.to_string());
        make_folder(&folder.join(LOCKS)).map_err(words)?;
        let path = path_of(folder, kind, "");
        let file = open_private(&path).map_err(words)?;
        match file.try_lock() {
            Ok(()) => {
                let lock = Self { file, exclusive: true };
                lock.name(ours).map_err(|error| CliError::at(&path, error))?;
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => Err(in_use(folder, holder(&path), purpose)),
            Err(TryLockError::Error(error)) => Err(CliError::at(&path, error)),
        }
    }

    /// Whether a process holds the lock of a job or of a limit.
    ///
    /// # Errors
    /// When the lock file cannot be read.
    pub(super) fn is_held(folder: &Path, kind: &str, name: &str) -> io::Result<bool> {
        let file = match File::open(path_of(folder, kind, name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Where the server says that it is which holds the folder's lock of servers.
    pub(super) fn server_of(folder: &Path) -> Option<ServerAddress> {
        holder(&path_of(folder, "server", ""))?.server
    }

    /// Writes the holder's name for processes that wait.
    pub(super) fn name(&self, holder: &Holder) -> io::Result<()> {
        let holder = serde_json::to_string(holder).expect("a holder is always JSON") + "\n";
        self.file.set_len(0)?;
        (&self.file).rewind()?;
        (&self.file).write_all(holder.as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.exclusive {
            // The name of a process that has ended would mislead.
            let _ = self.file.set_len(0);
        }
    }
}

/// The lock file. Names of limits may have any characters.
fn path_of(folder: &Path, kind: &str, name: &str) -> PathBuf {
    let hash = blake3::hash(name.as_bytes()).to_hex();
    folder.join(LOCKS).join(format!("{kind}-{}.lock", &hash[..16]))
}

/// Waits until every process before this one has got the lock or has ended, and then for the lock.
async fn wait_for_turn(place: Place, lock: File) -> io::Result<File> {
    while let Some(before) = place.before()? {
        in_a_thread(move || before.lock_shared()).await?;
    }
    in_a_thread(move || lock.lock().map(|()| lock)).await
}

/// Waits for a lock in a thread of its own, because the wait can last for days and blocks its thread. If
/// nobody wants the lock any more, it is released.
async fn in_a_thread<T: Send + 'static>(
    wait: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, waited) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = done.send(wait());
    });
    waited.await.map_err(io::Error::other).flatten()
}

/// The holder of a lock, or `None` if it has not yet written its name.
fn holder(path: &Path) -> Option<Holder> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn in_use(folder: &Path, holder: Option<Holder>, purpose: Purpose) -> CliError {
    let folder = folder.display();
    let who = holder.as_ref().map_or_else(|| "another process".to_owned(), Holder::to_string);
    let error = CliError::busy(format!(
        "the state folder {folder} is in use by {who}. Wait until that process has ended, or give this command another folder with {}",
        purpose.option()
    ));
    match holder {
        Some(holder) => error.with_field("holder", serde_json::json!(holder)),
        None => error,
    }
}
