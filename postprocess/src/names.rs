//! The keys of a run's outputs.

use job::file::{Compression, Format, OutputFormat};
use job::keys;
use job::run::Plan;
use job::run::RunRef;

/// `jobs/<job>/output/<file>`: the input's name without the extension of its compression, and with the
/// extension of the output's format if that differs. Two inputs whose names differ only in their extension
/// share an output.
pub fn output_key(run: &RunRef, plan: &Plan) -> String {
    let file = uncompressed(&run.file, plan);
    let file = match (plan.input.format, plan.output) {
        (Format::Csv, OutputFormat::Csv)
        | (Format::Tsv, OutputFormat::Tsv)
        | (Format::Jsonl, OutputFormat::Jsonl) => file.to_owned(),
        (_, format) => with_extension(file, format.name()),
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
            if plan.input.compression != Compression::None && Compression::of_ending(extension).is_some() =>
        {
            stem
        }
        _ => file,
    }
}

fn with_extension(file: &str, new: &str) -> String {
    match split_extension(file) {
        Some((stem, extension)) if Format::of_ending(extension).is_some() => format!("{stem}.{new}"),
        _ => format!("{file}.{new}"),
    }
}

/// Splits `a/b.csv` at the last dot, unless the name begins with that dot.
fn split_extension(file: &str) -> Option<(&str, &str)> {
    let (stem, extension) = file.rsplit_once('.')?;
    (!stem.is_empty() && !stem.ends_with('/') && !extension.contains('/')).then_some((stem, extension))
}
