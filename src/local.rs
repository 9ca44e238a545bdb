//! Runs on this machine. A state folder holds the embedded S3, and the engine runs the same definition as
//! AWS.

mod execute;
mod fingerprints;
mod input;
mod lane_locks;
mod latest;
mod line;
mod local_path;
mod lock;
mod output_format;
mod outputs;
mod ownership;
mod proxy;
mod secrets;
mod serve;
mod server;
mod server_address;
mod steps;
mod target;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use job::Objects;
use job::run::RunRef;

use states::{Clock, WallClock};

use crate::exit::CliError;
use crate::text;
use lock::{Lock, Purpose};

pub use execute::{ExecutionEnd, execute, message_of};
pub use input::{Input, input_name};
pub use line::{InputLine, LineError};
pub use local_path::{FileRole, check_local_path};
pub use lock::Holder;
pub use output_format::{check_planned_format, format_by_name, format_of_name};
pub use outputs::{OutputError, Outputs, ProtectedFiles, save};
pub use proxy::unused_proxy;
pub use secrets::LocalSecrets;
pub use serve::serve;
pub use server::{JobSecrets, ServerJobs, is_refused_by_a_server};
pub use server_address::ServerAddress;
pub use steps::bind;
pub use target::{Target, job_name, read_job, read_job_with, with_input_path};

/// An open state folder. Several processes can have it open at a time, but only one for the runs of a job.
#[derive(Debug)]
pub struct StateDir {
    folder: PathBuf,
    service: s3::Service,
    s3: aws_sdk_s3::Client,
    clock: Arc<dyn Clock>,
    /// This process, as locks name it to others.
    holder: Holder,
    _folder_lock: Lock,
    _own_lock: Option<Lock>,
}

impl StateDir {
    /// Opens a state folder for the runs of a job, and creates it if it does not exist. While another process
    /// runs the same job, it waits, and tells `waits` about that process again and again.
    ///
    /// # Errors
    /// When another process has the whole folder for itself, or it cannot be created or trusted.
    pub async fn open(
        folder: &Path,
        job: &str,
        command: &str,
        waits: impl FnMut(Holder),
    ) -> Result<Self, CliError> {
        let mut state = Self::open_for(Purpose::Runs, folder, command)?;
        state.holder.job = Some(job.to_owned());
        let lock = Lock::acquire(&state.folder, "job", job, &state.holder, waits).await;
        state._own_lock = Some(lock.map_err(|error| CliError::new(error.to_string()))?);
        Ok(state)
    }

    /// Opens a state folder for its objects, and creates it if it does not exist.
    ///
    /// # Errors
    /// When another process has the whole folder for itself, or it cannot be created or trusted.
    pub fn open_objects(folder: &Path, command: &str) -> Result<Self, CliError> {
        Self::open_for(Purpose::Objects, folder, command)
    }

    /// Opens a state folder for a server, and creates it if it does not exist. Runs may use it meanwhile.
    ///
    /// # Errors
    /// When another server or process has the folder for itself, or it cannot be created or trusted.
    pub fn open_server(folder: &Path) -> Result<Self, CliError> {
        let mut state = Self::open_for(Purpose::Runs, folder, "serve")?;
        state._own_lock = Some(Lock::acquire_now(&state.folder, "server", Purpose::Runs, &state.holder)?);
        Ok(state)
    }

    /// Tells other commands where the server of the folder is.
    ///
    /// # Errors
    /// When the lock cannot be written.
    pub fn announce(&self, address: ServerAddress) -> Result<(), CliError> {
        let holder = Holder { server: Some(address), ..self.holder.clone() };
        let named = self._own_lock.as_ref().map_or(Ok(()), |lock| lock.name(&holder));
        named.map_err(|error| CliError::at(&self.folder, error))
    }

    /// Opens a state folder for the settings of its server, and creates it if it does not exist.
    ///
    /// # Errors
    /// When another process has the whole folder for itself, or it cannot be created or trusted.
    pub fn open_for_settings(folder: &Path) -> Result<Self, CliError> {
        Self::open_for(Purpose::Runs, folder, "secret")
    }

    fn open_for(purpose: Purpose, folder: &Path, command: &str) -> Result<Self, CliError> {
        let at = |error| CliError::at(folder, error);
        // Without a trailing slash, which would make the system follow a link.
        let folder: &Path = &folder.components().collect::<PathBuf>();
        ownership::secure(folder, purpose)?;
        let service = s3::Service::open(folder).map_err(at)?;
        Ok(Self {
            _folder_lock: Lock::share(folder, purpose)?,
            _own_lock: None,
            folder: folder.to_owned(),
            s3: s3::client_of(service.clone()),
            service,
            clock: Arc::new(WallClock),
            holder: Holder {
                pid: Some(std::process::id()),
                command: format!("throughline {command}"),
                since: text::moment(now()),
                job: None,
                server: None,
            },
        })
    }

    /// The same folder with another client of its store and another clock.
    #[must_use]
    pub fn with(self, s3: aws_sdk_s3::Client, clock: Arc<dyn Clock>) -> Self {
        Self { s3, clock, ..self }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The objects of the embedded S3.
    pub fn objects(&self) -> Objects {
        Objects::new(self.s3.clone(), s3::BUCKET)
    }

    /// The embedded S3.
    pub fn service(&self) -> &s3::Service {
        &self.service
    }

    /// The client of the embedded S3.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        &self.s3
    }

    /// Whether a process runs a job.
    ///
    /// # Errors
    /// When the lock of the job cannot be read.
    pub fn is_busy(&self, job: &str) -> Result<bool, CliError> {
        Lock::is_held(&self.folder, "job", job).map_err(|error| CliError::at(&self.folder, error))
    }

    /// Whether a run's execution has started and not ended.
    pub fn is_under_way(&self, run: &RunRef) -> bool {
        self.journal(&run.id, run.generation).exists()
    }

    /// Removes what is kept of a run besides its objects.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn forget(&self, run: &RunRef) -> Result<(), CliError> {
        for generation in 0..=run.generation {
            let path = self.journal(&run.id, generation);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(CliError::at(&path, error));
                }
                _ => {}
            }
        }
        Ok(())
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
