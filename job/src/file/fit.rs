//! Checks that a job fits an input and an output: these errors are found after the job file was read.

use std::ops::Range;

use super::follow::RESPONSES;
use super::packing::ROWS;
use super::places::Entry;
use super::{Job, JobError, OutputFormat, Style};

/// Checks that every column that a template names, or that is dropped, is one of the input's.
pub(super) fn columns(job: &Job, columns: &[String]) -> Result<(), JobError> {
    if let Some(name) = job.output.drop.iter().find(|name| !columns.contains(name)) {
        let known = columns.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
        let message =
            format!("drop names the column {name:?}, which the input does not have; it has: {known}");
        let at = word_in(job, &["output", "drop"], name);
        return Err(JobError::at(&job.text, &job.file, &at, message));
    }
    for (path, template) in job.placed_templates() {
        let of_several = job.packing.is_some() && path[0] != "batch" && path != ["limits", "by"];
        let sees = |name: &str| path[0] == "then" && RESPONSES.contains(&name);
        for variable in template.variables() {
            if of_several {
                if variable != ROWS {
                    let message = format!(
                        "with [batch] a request has several lines, and the template names {variable:?} as if it had one: write a loop over rows, or rows[0].{variable}"
                    );
                    return Err(JobError::at(&job.text, &job.file, &word_in(job, &path, variable), message));
                }
            } else if !columns.contains(variable) && !sees(variable) {
                let known = columns.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
                let nearest = columns
                    .iter()
                    .map(|column| (strsim::damerau_levenshtein(column, variable), column))
                    .min();
                let nearest =
                    nearest.filter(|(distance, column)| *distance <= 1 + column.chars().count() / 3);
                let hint = nearest.map_or_else(String::new, |(_, column)| format!(" (is it {column}?)"));
                let message = format!(
                    "the template names the column {variable:?}, which the input does not have{hint}; it has: {known}"
                );
                return Err(JobError::at(&job.text, &job.file, &word_in(job, &path, variable), message));
            }
        }
    }
    Ok(())
}

/// The place of a word in the value of a key.
pub(super) fn word_in(job: &Job, path: &[&str], word: &str) -> Range<usize> {
    let value = job.places.get(path).or_else(|| header(job, path)).map_or(0..0, |entry| entry.value.clone());
    let at = value.start + find_word(&job.text[value], word);
    at..at
}

/// The entry of a header, whose name may be written in other cases.
fn header<'a>(job: &'a Job, path: &[&str]) -> Option<&'a Entry> {
    let [request, headers, name] = path else { return None };
    job.places.find(&[request, headers], |written| written.eq_ignore_ascii_case(name))
}

/// Checks that no key for CSV and TSV is set for JSONL.
pub(super) fn style(job: &Job, format: OutputFormat) -> Result<(), JobError> {
    let Style { bom, guard_formulas } = job.output.style;
    for (wanted, key) in [(bom, "bom"), (guard_formulas, "guard_formulas")] {
        if wanted && format == OutputFormat::Jsonl {
            let message = format!(
                "{key} is for CSV and TSV, and the output is JSONL: remove it, or write format = \"csv\""
            );
            return Err(job.error_at(&["output", key], message));
        }
    }
    Ok(())
}

/// Checks that no column of the output has the name of a column of the input.
pub(super) fn output(job: &Job, columns: &[String]) -> Result<(), JobError> {
    match job.output.columns.names().find(|name| columns.iter().any(|column| column == name)) {
        None => Ok(()),
        Some(name) => {
            let message =
                format!("the output column {name:?} is also a column of the input: give it another name");
            Err(job.error_at(&["output", "columns", name], message))
        }
    }
}

/// The place of a name that is a whole word; 0 where there is none.
fn find_word(text: &str, word: &str) -> usize {
    let boundary = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let found = text.match_indices(word).find(|(at, _)| {
        boundary(text[..*at].chars().next_back()) && boundary(text[at + word.len()..].chars().next())
    });
    found.map_or(0, |(at, _)| at)
}
