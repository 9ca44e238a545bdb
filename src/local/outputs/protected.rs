//! The files that the outputs of a run must not replace.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::sink::{Sink, same_file};
use crate::exit::CliError;
use crate::local::ownership::DATA_FOLDERS;

/// The files that the outputs of a run must not replace.
#[derive(Debug, Clone, Default)]
pub struct ProtectedFiles {
    /// Files that the run reads, each with its description.
    pub files: Vec<(&'static str, PathBuf)>,
    /// The state folder.
    pub state: Option<PathBuf>,
}

impl ProtectedFiles {
    /// Checks that no run replaces the input of this one.
    ///
    /// # Errors
    /// When the input is in a folder that runs write to.
    pub fn check_inputs(&self) -> Result<(), CliError> {
        let Some(state) = &self.state else { return Ok(()) };
        let data = DATA_FOLDERS.map(|name| state.join(name));
        for (what, file) in self.files.iter().filter(|(what, _)| *what == "the input") {
            if data.iter().any(|folder| is_inside(file, folder)) {
                return Err(CliError::new(format!(
                    "{what} {} is in the state folder {}, where runs would replace it: copy it to another folder; or, to send the failed \
                     lines of a run again and complete its output, use `throughline redrive` with that run's input",
                    file.display(),
                    state.display()
                )));
            }
        }
        Ok(())
    }

    /// Checks that an output replaces no protected file.
    pub(super) fn check_output(&self, what: &str, path: &Path, sink: &Sink) -> Result<(), CliError> {
        let refuse = |why: String| Err(CliError::new(why));
        let Some(file) = sink.file() else { return Ok(()) };
        for (kind, protected) in &self.files {
            if same_file(file, protected) {
                return refuse(match (what, *kind) {
                    ("the failed lines", "the input") => format!(
                        "{} is the input, and this run's failed lines would replace it: give the output another name with -o; \
                         or, to send the failed lines of an earlier run again and complete its output, use `throughline redrive` \
                         with that run's input",
                        path.display()
                    ),
                    _ => format!(
                        "{} is {kind}, which {what} would replace: give the output another name with -o",
                        path.display()
                    ),
                });
            }
        }
        match &self.state {
            Some(state) if is_inside(file, state) => refuse(format!(
                "cannot write {}: it is in the state folder {}, which holds the data of runs: write the output to another folder",
                path.display(),
                state.display()
            )),
            _ => Ok(()),
        }
    }
}

/// Whether a file is in a folder or is the folder itself. The file need not exist.
fn is_inside(file: &Path, folder: &Path) -> bool {
    let (file, folder) = (resolved(file), resolved(folder));
    file.ancestors().any(|above| above == folder || same_file(above, &folder))
}

/// The path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let mut missing: Vec<&OsStr> = Vec::new();
    let mut existing = path;
    loop {
        let folder = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
        if let Ok(resolved) = folder.canonicalize() {
            return missing.into_iter().rev().fold(resolved, |path, name| path.join(name));
        }
        let (Some(name), Some(above)) = (existing.file_name(), existing.parent()) else {
            return path.to_owned();
        };
        missing.push(name);
        existing = above;
    }
}
