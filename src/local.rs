//! Runs on this machine: a state folder with the embedded S3 in it, and the engine, which runs the same definition as AWS.

mod endings;
mod execute;
mod here;
mod input;
mod lock;
mod outputs;
mod secrets;
mod serve;
mod steps;
mod target;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use job::Objects;
use job::run::RunRef;

use states::{Clock, WallClock};

use crate::exit::CliError;

pub use endings::{check_planned, format_by_name, wanted};
pub use execute::{ExecutionEnd, execute, message_of};
pub use here::{Role, check_here};
pub use input::Input;
pub use outputs::{OutputError, Outputs, Protected, save};
pub use secrets::LocalSecrets;
pub use serve::serve;
pub use steps::bind;
pub use target::{Target, at_input, job_name, read_job};

/// An open state folder. Only one process has it at a time.
#[derive(Debug)]
pub struct StateDir {
    folder: PathBuf,
    service: s3::Service,
    s3: aws_sdk_s3::Client,
    clock: Arc<dyn Clock>,
    _lock: lock::Lock,
}

impl StateDir {
    /// Opens a state folder, making it if need be.
    ///
    /// # Errors
    /// When another process has it, or it cannot be made.
    pub fn open(folder: &Path, command: &str) -> Result<Self, CliError> {
        let at = |error| CliError::at(folder, error);
        // Without a slash at its end, behind which a link would be followed.
        let folder: &Path = &folder.components().collect::<PathBuf>();
        trust::check(folder)?;
        let service = s3::Service::open(folder).map_err(at)?;
        let lock = lock::Lock::take(folder, command)?;
        Ok(Self {
            folder: folder.to_owned(),
            s3: s3::client_of(service.clone()),
            service,
            clock: Arc::new(WallClock),
            _lock: lock,
        })
    }

    /// The same by another client of its store, and with another clock.
    #[must_use]
    pub fn with(self, s3: aws_sdk_s3::Client, clock: Arc<dyn Clock>) -> Self {
        Self { s3, clock, ..self }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything in the embedded S3.
    pub fn objects(&self) -> Objects {
        Objects::new(self.s3.clone(), s3::BUCKET)
    }

    /// The client of the embedded S3.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        &self.s3
    }

    /// Whether a run's execution was begun and has not come to its end.
    pub fn is_under_way(&self, run: &RunRef) -> bool {
        self.journal(&run.id, run.generation).exists()
    }

    fn journal(&self, run: &str, generation: u32) -> PathBuf {
        self.folder.join(".journal").join(format!("{run}-{generation:04}.redb"))
    }
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
