//! The lock of a state folder, which only one process can hold.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::exit::CliError;
use crate::text;
use s3::file::open_private;

/// The holder of the lock, as the lock file names it.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    /// None for a lock that several processes may share.
    pid: Option<u32>,
    command: String,
    /// RFC 3339 in UTC.
    since: String,
}

/// How a command uses a state folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For runs, which no other process may use at the same time.
    Runs,
    /// For the objects of its store only, which several processes may use at the same time.
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

/// The lock of a state folder. It is released when dropped, or by the system when the process ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Acquires the lock. The error names its holder.
    pub(super) fn acquire(folder: &Path, command: &str, purpose: Purpose) -> Result<Self, CliError> {
        let path = folder.join(".lock");
        // Its error names the path.
        let mut file = open_private(&path).map_err(|error| CliError::new(error.to_string()))?;
        let locked = match purpose {
            Purpose::Runs => file.try_lock(),
            Purpose::Objects => file.try_lock_shared(),
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(folder, holder(&path), purpose)),
            Err(TryLockError::Error(error)) => return Err(CliError::at(&path, error)),
        }
        let holder = Holder {
            pid: (purpose == Purpose::Runs).then(std::process::id),
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

/// The holder of the lock, or `None` if another version of the program has it. A new holder is given a moment
/// to write its name.
fn holder(path: &Path) -> Option<Holder> {
    let read = || serde_json::from_str(&fs::read_to_string(path).unwrap_or_default()).ok();
    (0..50).find_map(|attempt| {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        read()
    })
}

fn in_use(folder: &Path, holder: Option<Holder>, purpose: Purpose) -> CliError {
    let folder = folder.display();
    let remedy = format!(
        "Wait until that process has ended, or give this command another folder with {}",
        purpose.option()
    );
    match holder {
        Some(Holder { pid, command, since }) => {
            let who = pid.map_or_else(
                || format!("`{command}` (since {since})"),
                |pid| format!("process {pid} (`{command}`, since {since})"),
            );
            CliError::busy(format!("the state folder {folder} is in use by {who}. {remedy}"))
                .with_field("holder", serde_json::json!({ "pid": pid, "command": command, "since": since }))
        }
        None => CliError::busy(format!("the state folder {folder} is in use by another process. {remedy}")),
    }
}
