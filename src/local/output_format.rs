//! The format that the extension of the output's name asks for.

use std::path::{Path, PathBuf};

use job::Job;
use job::file::{Compression, OutputFormat};
use job::run::RunRef;
use job::{Objects, Plan};

use crate::exit::CliError;

/// Extensions that users may expect to work and that cannot be written.
const UNWRITABLE: [&str; 18] = [
    "bz2", "xz", "zip", "lz4", "br", "7z", "tar", "tgz", "json", "parquet", "avro", "orc", "arrow",
    "feather", "xlsx", "xls", "ods", "xml",
];

/// The format that the output's name asks for. `None` if the job decides.
///
/// # Errors
/// When such a file cannot be written, or the job names another format.
pub fn format_by_name(output: &Path, job: &Job) -> Result<Option<OutputFormat>, CliError> {
    let Some(requested) = format_of_name(output)? else { return Ok(None) };
    match job.output.format {
        Some(format) if format != requested => {
            let message = format!(
                "the job says {}, and the output {} is to be {}: change one of them",
                name(format),
                output.display(),
                name(requested)
            );
            Err(job.error_at(&["output", "format"], message).into())
        }
        _ => {
            job.check_style(requested)?;
            Ok(Some(requested))
        }
    }
}

/// Checks that a run which already has a plan writes the format that the output's name asks for.
///
/// # Errors
/// When it writes another format, or its plan cannot be read.
pub async fn check_planned_format(
    objects: &Objects,
    run: &RunRef,
    output: Option<&Path>,
) -> Result<(), CliError> {
    let Some(output) = output else { return Ok(()) };
    let Some(requested) = format_of_name(output)? else { return Ok(()) };
    let plan =
        objects.find(&run.keys().plan()).await?.and_then(|plan| serde_json::from_slice::<Plan>(&plan).ok());
    match plan.map(|plan| plan.output) {
        Some(format) if format != requested => Err(CliError::new(format!(
            "the output of this run is {}, and {} is to be {}: give the output another extension, or start over with --fresh, which makes \
             every request again",
            name(format),
            output.display(),
            name(requested)
        ))),
        _ => Ok(()),
    }
}

/// The format that a file name asks for.
///
/// # Errors
/// When such a file cannot be written.
pub fn format_of_name(output: &Path) -> Result<Option<OutputFormat>, CliError> {
    let plain = without_compression(output);
    let ending = plain.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match ending.as_str() {
        "csv" => Ok(Some(OutputFormat::Csv)),
        "tsv" | "tab" => Ok(Some(OutputFormat::Tsv)),
        "jsonl" | "ndjson" => Ok(Some(OutputFormat::Jsonl)),
        "json" => Err(CliError::new(format!(
            "{} cannot be written: use .jsonl, which has a JSON object on each line",
            output.display()
        ))),
        other if UNWRITABLE.contains(&other) => Err(CliError::new(format!(
            "{} cannot be written: the output is a .csv, .tsv or .jsonl file",
            output.display()
        ))),
        _ => Ok(None),
    }
}

/// The path without the ending of a compression that an output may have.
pub(super) fn without_compression(output: &Path) -> PathBuf {
    if compression(output) == Compression::None { output.to_owned() } else { output.with_extension("") }
}

/// How an output of this name is compressed.
pub(super) fn compression(output: &Path) -> Compression {
    let ending = output.extension().unwrap_or_default().to_string_lossy().into_owned();
    match Compression::of_ending(&ending) {
        Some(known @ (Compression::Gzip | Compression::Zstd)) => known,
        _ => Compression::None,
    }
}

fn name(format: OutputFormat) -> &'static str {
    match format {
        OutputFormat::Csv => "CSV",
        OutputFormat::Tsv => "TSV",
        OutputFormat::Jsonl => "JSONL",
    }
}
