//! The rows of the output, and of the file of failed lines, of one line after the other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use job::job_file::{Format, OutputFormat, Style};
use job::{Plan, StepError};

use super::cells::Cells;
use super::csv_row::CsvRows;
use super::failed::FailedRows;
use super::json_row::JsonRows;
use crate::input::ItemView;
use crate::json;
use crate::run::damaged;

/// One line of the output, before it is written.
pub(super) struct Row<'a> {
    /// The line's fields: a JSON array beside the columns, or its own object.
    pub(super) input: Option<&'a str>,
    /// Lines of the input bring their own keys.
    pub(super) keyed: bool,
    pub(super) ending: Ending<'a>,
}

/// How a line ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending<'a> {
    /// With the extracted values, a JSON array.
    Values(&'a str),
    /// Not well.
    Failed { code: &'a str, detail: &'a str },
}

/// Writes each line to both files, into memory.
pub(crate) struct Rows {
    /// Rows of the output.
    pub(crate) output: Vec<u8>,
    /// Lines of the file of failed lines.
    pub(crate) failed: Vec<u8>,
    /// Number of the last line.
    pub(crate) last: u64,
    full: usize,
    format: Format,
    rows: OutputRows,
    failed_rows: FailedRows,
}

enum OutputRows {
    Csv(CsvRows),
    Jsonl(JsonRows),
}

impl Rows {
    /// Rows behind line `after`, of which some had `failed`, or from the beginning on; about `full` bytes are handed on
    /// together.
    pub(crate) fn new(plan: &Plan, style: Style, after: u64, failed: bool, full: usize) -> Self {
        let mut output = Vec::with_capacity(full + full / 4);
        let rows = match plan.output {
            OutputFormat::Csv | OutputFormat::Tsv => {
                let rows = CsvRows::new(plan, Cells::new(plan.output, style));
                // An empty input has an empty output; one that is only a header has one that is only a header.
                if after == 0
                    && (plan.input.lines > 0 || (plan.input.header && !plan.input.columns.is_empty()))
                {
                    rows.header(&mut output);
                }
                OutputRows::Csv(rows)
            }
            OutputFormat::Jsonl => OutputRows::Jsonl(JsonRows::new(plan)),
        };
        let (format, failed_rows) = (plan.input.format, FailedRows::new(plan, style, failed));
        Self { output, failed: Vec::new(), last: after, full, format, rows, failed_rows }
    }

    /// Whether it is time to hand the bytes on.
    pub(crate) fn is_full(&self) -> bool {
        self.output.len() >= self.full || self.failed.len() >= self.full
    }

    /// The rows so far; they are then no longer here.
    pub(crate) fn take(&mut self) -> (Vec<u8>, Vec<u8>) {
        let next = Vec::with_capacity(self.full + self.full / 4);
        (std::mem::replace(&mut self.output, next), std::mem::take(&mut self.failed))
    }

    pub(crate) fn line(&mut self, item: &ItemView<'_>, ending: Ending<'_>) -> Result<(), StepError> {
        let n = item.n.number();
        if n != self.last + 1 {
            return Err(damaged(format!(
                "line {} comes after line {}: items of this run overlap or are missing",
                n, self.last
            )));
        }
        self.last = n;

        let raw = match &item.raw {
            Some(raw) => Some(
                STANDARD
                    .decode(raw.as_ref())
                    .map_err(|error| damaged(format!("the bytes of line {n}: {error}")))?,
            ),
            None => None,
        };
        let input = item.v;
        let lossy = match (&raw, input) {
            (Some(raw), None) if self.format == Format::Text => {
                Some(array_of_one(&String::from_utf8_lossy(raw)))
            }
            _ => None,
        };
        let row = Row { input: input.or(lossy.as_deref()), keyed: self.format.is_json(), ending };
        match &mut self.rows {
            OutputRows::Csv(rows) => rows.row(&mut self.output, &row),
            OutputRows::Jsonl(rows) => rows.row(&mut self.output, &row),
        }
        if let Ending::Failed { .. } = ending {
            self.failed_rows.row(&mut self.failed, input, raw.as_deref());
        }
        Ok(())
    }
}

fn array_of_one(text: &str) -> String {
    let mut array = vec![b'['];
    json::string(&mut array, text);
    array.push(b']');
    String::from_utf8(array).expect("JSON is UTF-8")
}
