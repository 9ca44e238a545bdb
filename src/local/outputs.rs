//! The outputs of a run, in the state folder or at the path that the user gave.

mod atomic_file;
mod protected;
mod sink;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use job::run::{RunRef, Start, parse_plan};
use job::{Objects, RunKeys};
use postprocess::Report;

use super::output_format::{compression, without_compression};
use job::file::Compression;

use self::sink::Sink;
use crate::exit::CliError;
use crate::print;

pub use self::protected::ProtectedFiles;

/// The paths of the outputs.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// One row per input line; `-` is standard output.
    pub output: PathBuf,
    /// The failed lines, or `None` if no line failed.
    pub failed: Option<PathBuf>,
    /// The report.
    pub report: PathBuf,
    /// An existing file with the name of the failed lines that does not belong to this run. It was not
    /// changed.
    pub unrelated: Option<PathBuf>,
}

/// Why the outputs of a finished run could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The outputs cannot be read from the store.
    #[error("{0}")]
    Unreadable(String),
    /// A file cannot be written.
    #[error("cannot write {path}: {error}")]
    Write {
        /// The path of the file.
        path: String,
        /// The error of the system.
        error: io::Error,
    },
}

impl OutputError {
    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Write { error, .. } if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }
}

impl Outputs {
    /// Checks before any request that the outputs of a run over an input of this name can be written to
    /// `output` and replace no protected file. Changes nothing.
    ///
    /// # Errors
    /// When an output cannot be written, or would replace a protected file.
    pub fn check(output: &Path, input: &str, protected: &ProtectedFiles) -> Result<(), CliError> {
        let main = Sink::at(output)?;
        if main == Sink::Stdout {
            print::reserve_stdout();
        }
        let mut sinks = vec![("the output", output.to_owned(), main)];
        if sinks[0].2.file().is_some() {
            for (what, path) in companions(output, input) {
                let sink = Sink::at(&path)?;
                sinks.push((what, path, sink));
            }
        }
        for (what, path, sink) in &sinks {
            protected.check_output(what, path, sink)?;
            sink.check_writable()
                .map_err(|error| CliError::new(format!("cannot write {}: {error}", path.display())))?;
        }
        for (index, (what, path, sink)) in sinks.iter().enumerate() {
            for (other, earlier, known) in &sinks[..index] {
                if sink == known && what != other {
                    let message = format!(
                        "{} and {} are the same file: {other} and {what} need different ones",
                        earlier.display(),
                        path.display()
                    );
                    return Err(CliError::new(message));
                }
            }
        }
        Ok(())
    }

    /// Checks that one output can be written to `output` and replaces no protected file. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be written, or would replace a protected file.
    pub fn check_one(output: &Path, protected: &ProtectedFiles) -> Result<(), CliError> {
        let sink = Sink::at(output)?;
        if sink == Sink::Stdout {
            print::reserve_stdout();
        }
        protected.check_output("the output", output, &sink)?;
        sink.check_writable()
            .map_err(|error| CliError::new(format!("cannot write {}: {error}", output.display())))
    }

    /// Copies an object to `output`. A file appears whole or not at all.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub async fn copy_one(objects: &Objects, key: &str, output: &Path) -> Result<(), OutputError> {
        copy(objects, key, output).await
    }

    /// Writes the outputs of a finished run to `destination`. Without one they stay in the store, at the
    /// paths that `path_of` gives; so do the failed lines and the report if the destination is not a file.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub async fn write(
        objects: &Objects,
        path_of: impl Fn(&str) -> PathBuf,
        run: &RunRef,
        destination: Option<&Path>,
    ) -> Result<Self, OutputError> {
        let key = run.keys().plan();
        let plan = parse_plan(&objects.get(&key).await?, &key)
            .map_err(|error| OutputError::Unreadable(error.message))?;
        let (output, failed, report) = (
            postprocess::output_key(run, &plan),
            postprocess::failed_key(run, &plan),
            postprocess::report_key(run),
        );
        let some_failed = !objects.list(&failed).await?.iter().all(|entry| entry.key != failed);
        let in_store = Self {
            output: path_of(&output),
            failed: some_failed.then(|| path_of(&failed)),
            report: path_of(&report),
            unrelated: None,
        };
        let Some(destination) = destination else { return Ok(in_store) };
        let sink = Sink::at(destination).map_err(|error| OutputError::Unreadable(error.to_string()))?;
        if sink.file().is_none() {
            copy(objects, &output, destination).await?;
            let output = if sink == Sink::Stdout { PathBuf::from("-") } else { destination.to_owned() };
            return Ok(Self { output, ..in_store });
        }
        let failed_path = failed_path(destination, extension(&failed));
        let report_path = report_path(destination);
        copy(objects, &output, destination).await?;
        let unrelated = if some_failed {
            copy(objects, &failed, &failed_path).await?;
            None
        } else {
            let runs = runs_before(objects, run).await?;
            remove_stale(&failed_path, &report_path, &run.job, &runs)
                .map_err(|error| write_error(&failed_path, error))?
        };
        // The report is written last, because it says which run the failed lines belong to.
        copy(objects, &report, &report_path).await?;
        Ok(Self {
            output: destination.to_owned(),
            failed: some_failed.then_some(failed_path),
            report: report_path,
            unrelated,
        })
    }
}

/// Writes bytes to a path in the same way as an output.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let sink = Sink::at(path).map_err(|error| OutputError::Unreadable(error.to_string()))?;
    let mut writer = sink.open(Compression::None).map_err(|error| write_error(path, error))?;
    let written = writer.write_all(bytes).and_then(|()| writer.finish(bytes.len() as u64));
    written.map_err(|error| write_error(path, error))
}

/// The paths of the failed lines and the report, with every name that the failed lines may have.
fn companions(output: &Path, input: &str) -> Vec<(&'static str, PathBuf)> {
    let name = Path::new(input);
    // With and without the last extension, which may turn out to be that of a compression.
    let extensions = [extension(input), extension(&name.file_stem().unwrap_or_default().to_string_lossy())];
    let failed = extensions.map(|extension| ("the failed lines", failed_path(output, extension)));
    failed.into_iter().chain([("the report", report_path(output))]).collect()
}

/// `out.failed.csv` of `out.csv`.
pub(super) fn failed_path(output: &Path, extension: String) -> PathBuf {
    output.with_file_name(format!("{}.failed{extension}", stem(output)))
}

/// `out.report.json` of `out.csv`.
fn report_path(output: &Path) -> PathBuf {
    output.with_file_name(format!("{}.report.json", stem(output)))
}

fn stem(output: &Path) -> String {
    without_compression(output).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The extension of a name, with its dot.
pub(super) fn extension(name: &str) -> String {
    let extension = Path::new(name).extension();
    extension.map_or_else(String::new, |extension| format!(".{}", extension.to_string_lossy()))
}

/// Copies an object to a path. A file appears whole or not at all.
async fn copy(objects: &Objects, key: &str, path: &Path) -> Result<(), OutputError> {
    let sink = Sink::at(path).map_err(|error| OutputError::Unreadable(error.to_string()))?;
    copy_to(sink, objects, key, path).await
}

/// Copies an object to a file, which appears whole or not at all. A link of this name is replaced.
pub(super) async fn replace(objects: &Objects, key: &str, path: &Path) -> Result<(), OutputError> {
    copy_to(Sink::File(path.to_owned()), objects, key, path).await
}

async fn copy_to(sink: Sink, objects: &Objects, key: &str, path: &Path) -> Result<(), OutputError> {
    let length = objects.head(key).await?.size;
    let mut object = objects.read(key, None, None).await?;
    let write_error = |error| write_error(path, error);
    let compression = compression(path);
    let mut writer = blocking(move || sink.open(compression)).await.map_err(write_error)?;
    while let Some(chunk) = object.next().await? {
        writer = blocking(move || writer.write_all(&chunk).map(|()| writer)).await.map_err(write_error)?;
    }
    blocking(move || writer.finish(length)).await.map_err(write_error)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn write_error(path: &Path, error: io::Error) -> OutputError {
    OutputError::Write { path: path.display().to_string(), error }
}

/// The ids of this run and of the runs before it of the same job and file.
async fn runs_before(objects: &Objects, run: &RunRef) -> Result<Vec<String>, OutputError> {
    let (mut runs, mut next) = (Vec::new(), Some(run.id.clone()));
    while let Some(id) = next.filter(|id| !runs.contains(id)) {
        let start = objects.find(&RunKeys::new(&run.job, &id).start()).await?;
        let start: Option<Start> = start.and_then(|start| serde_json::from_slice(&start).ok());
        runs.push(id);
        next = start.and_then(|start| start.previous);
    }
    Ok(runs)
}

/// Removes an earlier file of failed lines, which would be mistaken for this run's. It is removed only if the
/// report that is about to be replaced says that it belongs to one of these runs; otherwise its path is
/// returned.
fn remove_stale(failed: &Path, report: &Path, job: &str, runs: &[String]) -> io::Result<Option<PathBuf>> {
    let Ok(meta) = fs::symlink_metadata(failed) else { return Ok(None) };
    let before: Option<Report> =
        fs::read(report).ok().and_then(|report| serde_json::from_slice(&report).ok());
    let ours = before.is_some_and(|before| {
        runs.contains(&before.run) && before.job == job && before.outputs.failed.is_some()
    });
    if !ours || !meta.is_file() {
        return Ok(Some(failed.to_owned()));
    }
    fs::remove_file(failed)?;
    Ok(None)
}

impl From<job::StorageError> for OutputError {
    fn from(error: job::StorageError) -> Self {
        Self::Unreadable(error.to_string())
    }
}
