//! The outputs of a run, in the state folder or where the user wants them.

use std::fs;
use std::path::{Path, PathBuf};

use job::messages::RunRef;
use job::{Objects, Plan};
use tokio::io::AsyncWriteExt;

use crate::exit::Wrong;

/// Where a person finds the outputs.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// One row per input line.
    pub output: PathBuf,
    /// The failed lines; `None` when there are none.
    pub failed: Option<PathBuf>,
    /// The report.
    pub report: PathBuf,
}

impl Outputs {
    /// Makes sure, before anything is paid for, that an output could be written there.
    ///
    /// # Errors
    /// When it could not.
    pub fn check(output: &Path, input: &Path) -> Result<(), Wrong> {
        let folder = folder_of(output);
        if !folder.is_dir() {
            return Err(Wrong::new(format!("cannot write {}: there is no folder {}", output.display(), folder.display())));
        }
        if output.is_dir() {
            return Err(Wrong::new(format!("cannot write {}: it is a folder", output.display())));
        }
        if let (Ok(output), Ok(input)) = (output.canonicalize(), input.canonicalize())
            && output == input
        {
            return Err(Wrong::new(format!("{} is the input: the output needs another name", output.display())));
        }
        Ok(())
    }

    /// Writes the outputs of a finished run where they are wanted; without a wish they stay where `place` says.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub async fn write(objects: &Objects, place: impl Fn(&str) -> PathBuf, run: &RunRef, wanted: Option<&Path>) -> Result<Self, Wrong> {
        let plan = objects.get(&run.keys().plan()).await?;
        let plan: Plan = serde_json::from_slice(&plan).map_err(|error| Wrong::new(format!("{}: {error}", run.keys().plan())))?;
        let (output, failed, report) =
            (postprocess::output_key(run, &plan), postprocess::failed_key(run, &plan), postprocess::report_key(run));
        let some_failed = !objects.list(&failed).await?.iter().all(|entry| entry.key != failed);
        let Some(wanted) = wanted else {
            return Ok(Self { output: place(&output), failed: some_failed.then(|| place(&failed)), report: place(&report) });
        };
        let ending = |key: &str| Path::new(key).extension().map_or_else(String::new, |ending| format!(".{}", ending.to_string_lossy()));
        let stem = wanted.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let beside = |name: String| wanted.with_file_name(name);
        let places = Self {
            output: wanted.to_owned(),
            failed: some_failed.then(|| beside(format!("{stem}.failed{}", ending(&failed)))),
            report: beside(format!("{stem}.report.json")),
        };
        copy(objects, &output, &places.output).await?;
        copy(objects, &report, &places.report).await?;
        match &places.failed {
            Some(path) => copy(objects, &failed, path).await?,
            None => remove_stale(&beside(format!("{stem}.failed{}", ending(&failed))))?,
        }
        Ok(places)
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Copies an object into a file: whole, or not at all.
async fn copy(objects: &Objects, key: &str, path: &Path) -> Result<(), Wrong> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = folder_of(path).join(format!(".{name}.unfinished"));
    let at = |error| Wrong::at(path, error);
    let mut object = objects.read(key, None, None).await?;
    let mut file = tokio::fs::File::create(&unfinished).await.map_err(at)?;
    while let Some(chunk) = object.next().await? {
        file.write_all(&chunk).await.map_err(at)?;
    }
    file.sync_all().await.map_err(at)?;
    fs::rename(&unfinished, path).map_err(at)
}

/// A file of failed lines from an earlier run would be taken for this one's.
fn remove_stale(path: &Path) -> Result<(), Wrong> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Wrong::at(path, error)),
        _ => Ok(()),
    }
}
