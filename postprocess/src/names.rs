//! Where the outputs of a run lie.

use job::job_file::{Compression, Format, OutputFormat};
use job::keys;
use job::messages::RunRef;
use job::plan::Plan;

/// `jobs/<job>/output/<file>`: the input's name, without the ending of its compression, and with that of the output's
/// format where it is another one. Two inputs whose names differ in their ending only share an output.
pub fn output_key(run: &RunRef, plan: &Plan) -> String {
    let file = uncompressed(&run.file, plan);
    let file = match (plan.input.format, plan.output) {
        (Format::Csv, OutputFormat::Csv)
        | (Format::Tsv, OutputFormat::Tsv)
        | (Format::Jsonl, OutputFormat::Jsonl) => file.to_owned(),
        (_, output) => with_ending(file, output.name()),
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
            if plan.input.compression != Compression::None && Compression::of_ending(ending).is_some() =>
        {
            stem
        }
        _ => file,
    }
}

/// An ending that names a format changes with the format.
fn with_ending(file: &str, new: &str) -> String {
    match ending(file) {
        Some((stem, ending)) if Format::of_ending(ending).is_some() => format!("{stem}.{new}"),
        _ => format!("{file}.{new}"),
    }
}

/// Splits `a/b.csv` at the last dot, unless nothing of the name would be left before it.
fn ending(file: &str) -> Option<(&str, &str)> {
    let (stem, ending) = file.rsplit_once('.')?;
    (!stem.is_empty() && !stem.ends_with('/') && !ending.contains('/')).then_some((stem, ending))
}
