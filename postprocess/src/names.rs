//! The keys of a run's outputs.

use job::job_file::{Compression, Format, OutputFormat};
use job::keys;
use job::messages::RunRef;
use job::plan::Plan;

use crate::output::extension;

/// Extensions of compressed files.
const COMPRESSED: [&str; 5] = ["gz", "gzip", "zst", "zstd", "bz2"];
/// Extensions that name a format, and therefore change with it.
const FORMATS: [&str; 9] = ["txt", "text", "list", "csv", "tsv", "tab", "jsonl", "ndjson", "json"];

/// `jobs/<job>/output/<file>`: the input's name without the extension of its compression, and with the
/// extension of the output's format if that differs. Two inputs whose names differ only in their extension
/// share an output.
pub fn output_key(run: &RunRef, plan: &Plan) -> String {
    let file = uncompressed(&run.file, plan);
    let file = match (plan.input.format, plan.output) {
        (Format::Csv, OutputFormat::Csv)
        | (Format::Tsv, OutputFormat::Tsv)
        | (Format::Jsonl, OutputFormat::Jsonl) => file.to_owned(),
        (_, format) => with_extension(file, extension(format)),
    };
    keys::output(&run.job, &file)
}

/// `jobs/<job>/failed/<file>`: the input's name without the extension of its compression.
pub fn failed_key(run: &RunRef, plan: &Plan) -> String {
    keys::failed(&run.job, uncompressed(&run.file, plan))
}

/// `jobs/<job>/report/<file>.json`: the input's whole name and `.json`.
pub fn report_key(run: &RunRef) -> String {
    keys::report(&run.job, &run.file)
}

fn uncompressed<'a>(file: &'a str, plan: &Plan) -> &'a str {
    match split_extension(file) {
        Some((stem, extension))
            if plan.input.compression != Compression::None && is_one_of(extension, &COMPRESSED) =>
        {
            stem
        }
        _ => file,
    }
}

fn with_extension(file: &str, new: &str) -> String {
    match split_extension(file) {
        Some((stem, extension)) if is_one_of(extension, &FORMATS) => format!("{stem}.{new}"),
        _ => format!("{file}.{new}"),
    }
}

/// Splits `a/b.csv` at the last dot, unless the name begins with that dot.
fn split_extension(file: &str) -> Option<(&str, &str)> {
    let (stem, extension) = file.rsplit_once('.')?;
    (!stem.is_empty() && !stem.ends_with('/') && !extension.contains('/')).then_some((stem, extension))
}

fn is_one_of(extension: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(extension))
}
