//! The outputs of a run, in the state folder or where the user wants them.

mod sink;
mod unfinished;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use job::run::RunRef;
use job::{Objects, Plan};
use postprocess::Report;

use self::sink::{Sink, same_file};
use crate::exit::CliError;
use crate::print;

/// Where a person finds the outputs.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// One row per input line; `-` is standard output.
    pub output: PathBuf,
    /// The failed lines; `None` when there are none.
    pub failed: Option<PathBuf>,
    /// The report.
    pub report: PathBuf,
    /// A file of failed lines in this run's place that is not this run's: it was left there.
    pub left: Option<PathBuf>,
}

/// Why the outputs of a finished run are not where they are wanted.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// They cannot be read.
    #[error("{0}")]
    Unread(String),
    /// One cannot be written.
    #[error("cannot write {path}: {error}")]
    Write {
        /// Which.
        path: String,
        /// Why.
        error: io::Error,
    },
}

/// What the outputs of a run must leave alone.
#[derive(Debug, Clone, Default)]
pub struct Protected {
    /// Files that are read, each with what it is.
    pub files: Vec<(&'static str, PathBuf)>,
    /// The state folder.
    pub state: Option<PathBuf>,
}

impl OutputError {
    /// Whether there was no room for it.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Write { error, .. } if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }
}

impl Outputs {
    /// Makes sure, before anything is paid for, that the outputs of a run over a file of this name could be written there
    /// and would replace nothing that is to be kept. Leaves everything as it is.
    ///
    /// # Errors
    /// When they could not, or would.
    pub fn check(output: &Path, input: &str, kept: &Protected) -> Result<(), CliError> {
        let main = Sink::at(output)?;
        if main == Sink::Stdout {
            print::keep_stdout_for_the_output();
        }
        let mut sinks = vec![("the output", output.to_owned(), main)];
        if sinks[0].2.file().is_some() {
            for (what, path) in beside(output, input) {
                let sink = Sink::at(&path)?;
                sinks.push((what, path, sink));
            }
        }
        for (what, path, sink) in &sinks {
            kept.check(what, path, sink)?;
            sink.try_out()
                .map_err(|error| CliError::new(format!("cannot write {}: {error}", path.display())))?;
        }
        for (index, (what, path, sink)) in sinks.iter().enumerate() {
            for (other, earlier, known) in &sinks[..index] {
                if sink == known && what != other {
                    let message = format!(
                        "{} and {} are one file: {other} and {what} need two",
                        earlier.display(),
                        path.display()
                    );
                    return Err(CliError::new(message));
                }
            }
        }
        Ok(())
    }

    /// Writes the outputs of a finished run where they are wanted; without a wish they stay where `place` says, as failed lines and
    /// report do whose output is no file.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub async fn write(
        objects: &Objects,
        place: impl Fn(&str) -> PathBuf,
        run: &RunRef,
        wanted: Option<&Path>,
    ) -> Result<Self, OutputError> {
        let plan = objects.get(&run.keys().plan()).await?;
        let plan: Plan = serde_json::from_slice(&plan)
            .map_err(|error| OutputError::Unread(format!("{}: {error}", run.keys().plan())))?;
        let (output, failed, report) = (
            postprocess::output_key(run, &plan),
            postprocess::failed_key(run, &plan),
            postprocess::report_key(run),
        );
        let some_failed = !objects.list(&failed).await?.iter().all(|entry| entry.key != failed);
        let stay = Self {
            output: place(&output),
            failed: some_failed.then(|| place(&failed)),
            report: place(&report),
            left: None,
        };
        let Some(wanted) = wanted else { return Ok(stay) };
        let sink = Sink::at(wanted).map_err(|wrong| OutputError::Unread(wrong.to_string()))?;
        if sink.file().is_none() {
            copy(objects, &output, wanted).await?;
            let output = if sink == Sink::Stdout { PathBuf::from("-") } else { wanted.to_owned() };
            return Ok(Self { output, ..stay });
        }
        let (beside_failed, beside_report) = (failed_beside(wanted, ending(&failed)), report_beside(wanted));
        copy(objects, &output, wanted).await?;
        let left = if some_failed {
            copy(objects, &failed, &beside_failed).await?;
            None
        } else {
            remove_stale(&beside_failed, &beside_report, run)
                .map_err(|error| unwritten(&beside_failed, error))?
        };
        // Last: it is what tells whose the failed lines are.
        copy(objects, &report, &beside_report).await?;
        Ok(Self {
            output: wanted.to_owned(),
            failed: some_failed.then_some(beside_failed),
            report: beside_report,
            left,
        })
    }
}

/// Writes something that is in memory where a path leads, as an output is written.
///
/// # Errors
/// When it cannot be written.
pub fn save(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let sink = Sink::at(path).map_err(|wrong| OutputError::Unread(wrong.to_string()))?;
    let mut writer = sink.open().map_err(|error| unwritten(path, error))?;
    let written = writer.write_all(bytes).and_then(|()| writer.finish(bytes.len() as u64));
    written.map_err(|error| unwritten(path, error))
}

impl Protected {
    /// Makes sure that no run replaces what this one reads.
    ///
    /// # Errors
    /// When a file is one that runs write.
    pub fn check_reads(&self) -> Result<(), CliError> {
        let Some(state) = &self.state else { return Ok(()) };
        let written = ["jobs", "runs", ".s3", ".journal", ".fresh"].map(|name| state.join(name));
        for (what, file) in self.files.iter().filter(|(what, _)| *what == "the input") {
            if written.iter().any(|folder| is_below(file, folder)) {
                return Err(CliError::new(format!(
                    "{what} {} lies in the state folder {}, where runs replace it: copy it to another place; or, to send the failed \
                     lines of a run again and complete its output, use `throughline redrive` with that run's input",
                    file.display(),
                    state.display()
                )));
            }
        }
        Ok(())
    }

    fn check(&self, what: &str, path: &Path, sink: &Sink) -> Result<(), CliError> {
        let refuse = |why: String| Err(CliError::new(why));
        let Some(file) = sink.file() else { return Ok(()) };
        for (kind, kept) in &self.files {
            if same_file(file, kept) {
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
            Some(state) if is_below(file, state) => refuse(format!(
                "cannot write {}: it lies in the state folder {}, where runs keep what they know: give the output another place",
                path.display(),
                state.display()
            )),
            _ => Ok(()),
        }
    }
}

/// Failed lines and report, with every name that the failed lines may have.
fn beside(output: &Path, input: &str) -> Vec<(&'static str, PathBuf)> {
    let name = Path::new(input);
    // With and without an ending that may turn out to be that of a compression.
    let endings = [ending(input), ending(&name.file_stem().unwrap_or_default().to_string_lossy())];
    let failed = endings.map(|ending| ("the failed lines", failed_beside(output, ending)));
    failed.into_iter().chain([("the report", report_beside(output))]).collect()
}

/// `out.failed.csv` of `out.csv`.
fn failed_beside(output: &Path, ending: String) -> PathBuf {
    output.with_file_name(format!("{}.failed{ending}", stem(output)))
}

/// `out.report.json` of `out.csv`.
fn report_beside(output: &Path) -> PathBuf {
    output.with_file_name(format!("{}.report.json", stem(output)))
}

fn stem(output: &Path) -> String {
    output.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// With its dot.
fn ending(name: &str) -> String {
    Path::new(name).extension().map_or_else(String::new, |ending| format!(".{}", ending.to_string_lossy()))
}

/// Whether a file lies, or would lie, in a folder or is it.
fn is_below(file: &Path, folder: &Path) -> bool {
    let (file, folder) = (whole(file), whole(folder));
    file.ancestors().any(|above| above == folder || same_file(above, &folder))
}

/// The path without links, as far as anything is there.
fn whole(path: &Path) -> PathBuf {
    let mut missing: Vec<&OsStr> = Vec::new();
    let mut there = path;
    loop {
        if let Ok(whole) = if there.as_os_str().is_empty() { Path::new(".") } else { there }.canonicalize() {
            return missing.into_iter().rev().fold(whole, |path, name| path.join(name));
        }
        let (Some(name), Some(above)) = (there.file_name(), there.parent()) else { return path.to_owned() };
        missing.push(name);
        there = above;
    }
}

/// Copies an object to where a path leads: a file whole, or not at all.
async fn copy(objects: &Objects, key: &str, path: &Path) -> Result<(), OutputError> {
    let sink = Sink::at(path).map_err(|wrong| OutputError::Unread(wrong.to_string()))?;
    let length = objects.head(key).await?.size;
    let mut object = objects.read(key, None, None).await?;
    let at = |error| unwritten(path, error);
    let mut writer = blocking(move || sink.open()).await.map_err(at)?;
    while let Some(chunk) = object.next().await? {
        writer = blocking(move || writer.write_all(&chunk).map(|()| writer)).await.map_err(at)?;
    }
    blocking(move || writer.finish(length)).await.map_err(at)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn unwritten(path: &Path, error: io::Error) -> OutputError {
    OutputError::Write { path: path.display().to_string(), error }
}

/// A file of failed lines from before would be taken for this run's. It is removed if the report that is about to be replaced
/// names it as this run's; any other is left, and returned.
fn remove_stale(failed: &Path, report: &Path, run: &RunRef) -> io::Result<Option<PathBuf>> {
    let Ok(meta) = fs::symlink_metadata(failed) else { return Ok(None) };
    let before: Option<Report> =
        fs::read(report).ok().and_then(|report| serde_json::from_slice(&report).ok());
    let ours = before.is_some_and(|before| {
        before.run == run.id && before.job == run.job && before.outputs.failed.is_some()
    });
    if !ours || !meta.is_file() {
        return Ok(Some(failed.to_owned()));
    }
    fs::remove_file(failed)?;
    Ok(None)
}

impl From<job::StorageError> for OutputError {
    fn from(error: job::StorageError) -> Self {
        Self::Unread(error.to_string())
    }
}
