//! One process at a time on a state folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

use crate::exit::Wrong;

/// The lock of a state folder; given back when dropped, or by the system when the process ends in any way.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Takes the lock, or says who has it.
    pub(super) fn take(folder: &Path, command: &str) -> Result<Self, Wrong> {
        let path = folder.join(".lock");
        let mut file =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path).map_err(|error| Wrong::at(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
                return Err(Wrong::new(format!(
                    "the state folder {} is in use by {holder}. Wait for it, or give this run a folder of its own with --state",
                    folder.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(Wrong::at(&path, error)),
        }
        let holder = format!("process {} (throughline {command})\n", std::process::id());
        let written = file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).and_then(|()| file.flush());
        written.map_err(|error| Wrong::at(&path, error))?;
        Ok(Self(file))
    }
}
