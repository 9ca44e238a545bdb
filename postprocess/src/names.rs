//! Where the outputs of a run lie.

use job::job_file::{Compression, Format, OutputFormat};
use job::keys;
use job::messages::RunRef;
use job::plan::Plan;

const COMPRESSED: [&str; 5] = ["gz", "gzip", "zst", "zstd", "bz2"];
/// Endings that name a format, and so must change with it.
const FORMATS: [&str; 9] = ["txt", "text", "list", "csv", "tsv", "tab", "jsonl", "ndjson", "json"];

/// `jobs/<job>/output/<file>`: the input's name, without the ending of its compression, and with that of the output's
/// format where it is another one. Two inputs whose names differ in their ending only share an output.
pub fn output_key(run: &RunRef, plan: &Plan) -> String {
    let file = uncompressed(&run.file, plan);
    let file = match (plan.input.format, plan.output) {
        (Format::Csv, OutputFormat::Csv)
        | (Format::Tsv, OutputFormat::Tsv)
        | (Format::Jsonl, OutputFormat::Jsonl) => file.to_owned(),
        (_, OutputFormat::Csv) => with_ending(file, "csv"),
        (_, OutputFormat::Tsv) => with_ending(file, "tsv"),
        (_, OutputFormat::Jsonl) => with_ending(file, "jsonl"),
    };
    keys::output(&run.job, &file)
}

/// `jobs/<job>/failed/<file>`: the input's name without the ending of its compression.
pub fn failed_key(run: &RunRef, plan: &Plan) -> String {
    keys::failed(&run.job, uncompressed(&run.file, plan))
}

/// `jobs/<job>/report/<file>.json`: the input's whole name and `.json`.
pub fn report_key(run: &RunRef) -> String {
    keys::report(&run.job, &run.file)
}

fn uncompressed<'a>(file: &'a str, plan: &Plan) -> &'a str {
    match ending(file) {
        Some((stem, ending))
            if plan.input.compression != Compression::None && is_one_of(ending, &COMPRESSED) =>
        {
            stem
        }
        _ => file,
    }
}

fn with_ending(file: &str, new: &str) -> String {
    match ending(file) {
        Some((stem, ending)) if is_one_of(ending, &FORMATS) => format!("{stem}.{new}"),
        _ => format!("{file}.{new}"),
    }
}

/// Splits `a/b.csv` at the last dot, unless nothing of the name would be left before it.
fn ending(file: &str) -> Option<(&str, &str)> {
    let (stem, ending) = file.rsplit_once('.')?;
    (!stem.is_empty() && !stem.ends_with('/') && !ending.contains('/')).then_some((stem, ending))
}

fn is_one_of(ending: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(ending))
}
