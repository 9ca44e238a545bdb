//! The secrets of the jobs of a server: a file for each, private to the user. A job reads no others, and neither the
//! environment nor the files of the server.
//!
//! ```text
//! .serve/secrets/<job>/<name>
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use job::file::secrets::{Secret, SecretRef};
use worker::{SecretSource, Unresolved};

use crate::exit::CliError;

/// The folder in the state folder. Names that begin with a dot are never objects of the store.
const FOLDER: &str = ".serve/secrets";

/// The secrets of all jobs of a state folder.
#[derive(Debug, Clone)]
pub struct JobSecrets {
    state: PathBuf,
}

impl JobSecrets {
    /// Those of a state folder.
    pub fn of(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// Sets the value of a secret.
    ///
    /// # Errors
    /// When a name is not plain, the value is empty, or the file cannot be written.
    pub fn set(&self, files: &s3::Service, job: &str, name: &str, value: &str) -> Result<(), CliError> {
        let path = self.path(job, name).map_err(CliError::new)?;
        Secret::read(value)
            .map_err(|reason| CliError::new(format!("the secret {name} is not set: {reason}")))?;
        let folder = path.parent().expect("a secret is in the folder of its job");
        let written = s3::file::make_folder(folder).and_then(|()| files.write_file(&path, value.as_bytes()));
        written.map_err(|error| CliError::new(error.to_string()))
    }

    /// The names of the secrets of a job, in order.
    ///
    /// # Errors
    /// When the name of the job is not plain, or the folder cannot be read.
    pub fn names(&self, job: &str) -> Result<Vec<String>, CliError> {
        let folder = self.path(job, "NAME").map_err(CliError::new)?.with_file_name("");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| CliError::at(&folder, error))?,
        };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// Removes a secret.
    ///
    /// # Errors
    /// When it does not exist, or cannot be removed.
    pub fn remove(&self, job: &str, name: &str) -> Result<(), CliError> {
        let path = self.path(job, name).map_err(CliError::new)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(CliError::new(format!("the job {job} has no secret {name}")))
            }
            removed => removed.map_err(|error| CliError::at(&path, error)),
        }
    }

    fn path(&self, job: &str, name: &str) -> Result<PathBuf, String> {
        for (what, text) in [("job", job), ("secret", name)] {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if text.is_empty() || text.starts_with('.') || text.len() > 200 || !text.chars().all(plain) {
                return Err(format!(
                    "{text:?} is not the name of a {what} with secrets: use letters, digits, '-', '_' and '.'"
                ));
            }
        }
        Ok(self.state.join(FOLDER).join(job).join(name))
    }

    fn read(&self, job: &str, name: &str, variable: &str) -> Result<Secret, String> {
        let path = self.path(job, variable)?;
        match fs::read_to_string(&path) {
            Ok(text) => {
                Secret::read(&text).map_err(|reason| format!("the secret {name} cannot be used: {reason}"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
                "the secret {name} is not set: run `throughline secret set {job} {variable} --state {}`, then upload \
                 the input again",
                self.state.display()
            )),
            Err(error) => Err(format!("the secret {name} cannot be read: {error}")),
        }
    }
}

#[async_trait]
impl SecretSource for JobSecrets {
    async fn resolve(&self, job: &str, name: &str, reference: &SecretRef) -> Result<Secret, Unresolved> {
        let found = match reference {
            SecretRef::Env(variable) => self.read(job, name, variable),
            other => Err(format!(
                "the secret {name} is at {other}, and a job of a server reads only its own secrets: write env:NAME, and \
                 run `throughline secret set {job} NAME`"
            )),
        };
        found.map_err(Unresolved::from)
    }
}
