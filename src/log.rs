//! The log of a run (`--log FILE`): what happens, as one JSON object a line, for programs and for later. It holds no
//! value of a line, and nothing of a response.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;

use crate::exit::CliError;
use crate::text;

static LOG: OnceLock<Mutex<File>> = OnceLock::new();

/// Opens the log, to which this process appends from now on.
///
/// # Errors
/// When the file cannot be written.
pub fn open(path: &Path) -> Result<(), CliError> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file =
        file.map_err(|error| CliError::new(format!("cannot write the log {}: {error}", path.display())))?;
    let _ = LOG.set(Mutex::new(file));
    Ok(())
}

/// Whether there is a log.
pub fn is_open() -> bool {
    LOG.get().is_some()
}

/// Appends an event, an object, with its time. An event that cannot be written is left out: it does not end a run.
pub fn event(event: &Value) {
    let (Some(log), Some(members)) = (LOG.get(), event.as_object()) else { return };
    let mut line = serde_json::Map::new();
    line.insert("at".to_owned(), text::moment(crate::local::now()).into());
    line.extend(members.clone());
    let line = Value::Object(line).to_string() + "\n";
    let _ = log.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
}
