//! Definitions that are read from files.

use std::path::Path;
use std::sync::Arc;

use engine::Machine;

use crate::Error;

/// The text of a definition.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| Error::at(path, error))
}

/// The machine of a definition that was read from `path`.
///
/// # Errors
/// All problems of the definition, when it is not valid.
pub fn compile(path: &Path, text: &str) -> Result<Arc<Machine>, Error> {
    let machine = engine::compile(text)
        .map_err(|problems| Error::at(path, format!("the definition is wrong:\n{problems}")))?;
    Ok(Arc::new(machine))
}
