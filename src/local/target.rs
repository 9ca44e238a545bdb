//! A job and an input, installed in the embedded S3 for the state machine.

use std::path::{Path, PathBuf};

use job::file::Selection;
use job::run::{Event, Redrive, RunRef};
use job::{Job, keys};

use super::{FileRole, Input, StateDir, check_local_path};
use crate::args::Vars;
use crate::exit::CliError;
use s3::file::make_folder;

/// A job and an input, installed in the embedded S3.
#[derive(Debug, Clone)]
pub struct Target {
    /// The job.
    pub job: Job,
    /// The text of the job file.
    pub text: String,
    /// The input file as the user named it.
    pub input: PathBuf,
    /// The event that starts the run.
    pub event: Event,
    /// The run.
    pub run: RunRef,
}

/// Reads and validates a job file. Returns its text and the job.
///
/// # Errors
/// When the file cannot be read or the job is not valid.
pub fn read_job(path: &Path) -> Result<(String, Job), CliError> {
    read_job_with(path, &Vars::default())
}

/// [`read_job`] with these values of the job's variables, which the text then has.
///
/// # Errors
/// As [`read_job`], and when the job does not have such a variable.
pub fn read_job_with(path: &Path, vars: &Vars) -> Result<(String, Job), CliError> {
    check_local_path(path, FileRole::Job)?;
    let text = std::fs::read_to_string(path)
        .map_err(|error| CliError::new(format!("cannot read the job file {}: {error}", path.display())))?;
    let file = path.display().to_string();
    let text = if vars.set.is_empty() { text } else { Job::set_vars(&text, &file, &vars.set)? };
    let job = Job::parse(&text, &file)?;
    Ok((text, job))
}

/// The name of a job: `places` of `places.toml`, and of `places/job.toml`.
///
/// # Errors
/// When no name can be derived from the path.
pub fn job_name(path: &Path) -> Result<String, CliError> {
    let stem = path.file_stem().unwrap_or_default();
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = if stem == "job" { full.parent().and_then(Path::file_name).unwrap_or(stem) } else { stem };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.to_string_lossy().chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() {
        Err(CliError::new(format!(
            "cannot derive the name of the job from {}: rename the file to NAME.toml",
            path.display()
        )))
    } else {
        Ok(name.to_owned())
    }
}

impl Target {
    /// Puts the job file and a link to the input where an upload would put them. An input that can be read
    /// only once is copied. The input's version is a hash of its content.
    ///
    /// # Errors
    /// When the input cannot be read, or the state folder cannot be written.
    pub async fn install(
        state: &StateDir,
        name: &str,
        text: String,
        job: Job,
        input: &Path,
    ) -> Result<Self, CliError> {
        let source = Input::open(input)?;
        let objects = state.objects();
        objects.put(&keys::job_file(name), text.clone()).await?;
        let key = keys::input(name, &source.name);
        let version = if source.is_stream {
            source.copy(objects.upload(&key)).await?.2
        } else {
            s3::link_object(state.folder(), s3::BUCKET, &key, input)
                .map_err(|error| CliError::at(input, error))?;
            source.hash().await.map_err(|error| {
                CliError::new(format!("cannot read the input {}: {error}", input.display()))
            })?
        };
        let facts = objects.head(&key).await?;
        let etag = facts.etag.trim_matches('"').to_owned();
        let event = Event::object_created(s3::BUCKET, &key, facts.size, Some(etag), &version);
        let run = event.run(text.as_bytes())?;
        let nonce = state.nonce(&run)?;
        let mut target = Self { job, text, input: input.to_owned(), event, run };
        target.set_nonce(nonce)?;
        Ok(target)
    }

    /// Sets the nonce, which makes this a different run.
    pub(super) fn set_nonce(&mut self, nonce: Option<String>) -> Result<(), CliError> {
        self.event.nonce = nonce;
        self.run = self.event.run(self.text.as_bytes())?;
        Ok(())
    }

    /// A step's message with the paths that the user gave, because the steps know the job file and the input
    /// by their keys.
    pub fn with_user_paths(&self, message: &str) -> String {
        with_user_paths(message, &self.run, self.job.file(), &self.input)
    }

    /// Makes this a redrive.
    pub fn redrive(&mut self, generation: u32, include_unknown: bool) {
        let only = Vec::new();
        self.event.redrive = Some(Redrive { run: self.run.id.clone(), generation, include_unknown, only });
        self.run.generation = generation;
    }
}

fn with_user_paths(message: &str, run: &RunRef, job_file: &str, input: &Path) -> String {
    let keys = [keys::job_file(&run.job), run.keys().job_file()];
    let at_job =
        keys.iter().find_map(|key| message.strip_prefix(key.as_str())).filter(|rest| rest.starts_with(':'));
    at_job.map_or_else(|| with_input_path(message, &run.file, input), |rest| format!("{job_file}{rest}"))
}

/// A message about the input with the path that the user gave, because the steps know only the input's name.
pub fn with_input_path(message: &str, file: &str, input: &Path) -> String {
    match message.strip_prefix(file).filter(|rest| rest.starts_with([':', ' '])) {
        Some(rest) => format!("{}{rest}", input.display()),
        None => message.to_owned(),
    }
}

impl StateDir {
    /// The nonce that `--fresh` gave the latest run of this job and input.
    fn nonce(&self, base: &RunRef) -> Result<Option<String>, CliError> {
        let path = self.nonce_file(base);
        match std::fs::read_to_string(&path) {
            Ok(nonce) => Ok(Some(nonce)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CliError::at(&path, error)),
        }
    }

    /// Selects the lines of its input that the target has. With a part of the lines it is another run.
    ///
    /// # Errors
    /// When the state folder cannot be read.
    pub fn select(&self, target: &mut Target, selection: Option<Selection>) -> Result<(), CliError> {
        if target.event.selection() == selection {
            return Ok(());
        }
        target.event.select(selection);
        target.set_nonce(None)?;
        target.set_nonce(self.nonce(&target.run)?)
    }

    /// Starts over: the job and input of this target are a new run from now on, also for later commands.
    ///
    /// # Errors
    /// When the state folder cannot be written.
    pub fn start_over(&self, target: &mut Target) -> Result<(), CliError> {
        target.set_nonce(None)?;
        let path = self.nonce_file(&target.run);
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let folder = path.parent().expect("a nonce file is inside the state folder");
        make_folder(folder)
            .and_then(|()| self.service.write_file(&path, nonce.as_bytes()))
            .map_err(|error| CliError::new(error.to_string()))?;
        target.set_nonce(Some(nonce))
    }

    fn nonce_file(&self, base: &RunRef) -> PathBuf {
        self.folder.join(".fresh").join(&base.id)
    }
}
