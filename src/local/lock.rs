//! One process at a time on a state folder.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::exit::CliError;
use crate::text;
use s3::file::open_private;

/// Who has the lock, as the lock file says.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    command: String,
    /// RFC 3339 in UTC.
    since: String,
}

/// The lock of a state folder; given back when dropped, or by the system when the process ends in any way.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Takes the lock, or says who has it.
    pub(super) fn take(folder: &Path, command: &str) -> Result<Self, CliError> {
        let path = folder.join(".lock");
        // Its error names the path.
        let mut file = open_private(&path).map_err(|error| CliError::new(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(folder, holder(&path))),
            Err(TryLockError::Error(error)) => return Err(CliError::at(&path, error)),
        }
        let holder = Holder {
            pid: std::process::id(),
            command: format!("throughline {command}"),
            since: text::moment(super::now()),
        };
        let holder = serde_json::to_string(&holder).expect("a holder is always JSON") + "\n";
        let written =
            file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).and_then(|()| file.flush());
        written.map_err(|error| CliError::at(&path, error))?;
        Ok(Self(file))
    }
}

/// The holder; `None` when another version has the lock. Who has just taken it has a moment to say so.
fn holder(path: &Path) -> Option<Holder> {
    let read = || serde_json::from_str(&fs::read_to_string(path).unwrap_or_default()).ok();
    (0..50).find_map(|look| {
        if look > 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        read()
    })
}

fn in_use(folder: &Path, holder: Option<Holder>) -> CliError {
    let folder = folder.display();
    let then = "Wait until it has ended, or give this run a folder of its own with --state";
    match holder {
        Some(Holder { pid, command, since }) => {
            let words = format!(
                "the state folder {folder} is in use by process {pid} (`{command}`, since {since}). {then}"
            );
            CliError::busy(words)
                .with("holder", serde_json::json!({ "pid": pid, "command": command, "since": since }))
        }
        None => CliError::busy(format!("the state folder {folder} is in use by another process. {then}")),
    }
}
