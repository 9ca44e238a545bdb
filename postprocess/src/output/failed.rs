//! The failed lines in the input's own format, ready to be run again.

use job::Plan;
use job::job_file::Format;

use super::csv;
use crate::json;

pub(super) struct FailedRows {
    format: Format,
    delimiter: u8,
    /// The header record, until the first line is written.
    header: Option<Vec<u8>>,
}

impl FailedRows {
    /// `begun`: the first line was written before.
    pub(super) fn new(plan: &Plan, begun: bool) -> Self {
        let (format, delimiter) = (plan.input.format, plan.input.delimiter);
        let mut header = Vec::new();
        record(&mut header, delimiter, &plan.input.columns, |out, name| csv::text(out, name.as_bytes(), delimiter));
        let has_header = !begun && plan.input.header && matches!(format, Format::Csv | Format::Tsv);
        Self { format, delimiter, header: has_header.then_some(header) }
    }

    /// Appends a line: its bytes as they were where they were kept, or else its fields written again.
    pub(super) fn row(&mut self, out: &mut Vec<u8>, fields: Option<&str>, raw: Option<&[u8]>) {
        if let Some(header) = self.header.take() {
            out.extend_from_slice(&header);
        }
        match (raw, fields, self.format) {
            (Some(raw), ..) => line(out, raw),
            (None, Some(object), Format::Jsonl) => line(out, object.as_bytes()),
            (None, Some(array), Format::Text) => {
                let start = json::elements(array).next().and_then(|value| value.get(1..value.len() - 1)).unwrap_or_default();
                line(out, json::text(start).as_bytes());
            }
            (None, fields, _) => {
                record(out, self.delimiter, json::elements(fields.unwrap_or("[]")), |out, value| csv::value(out, value, self.delimiter));
            }
        }
    }
}

/// A line whose last byte is a CR gets CRLF behind it: one CR would be taken for a part of the line end.
fn line(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(line);
    out.extend_from_slice(if line.ends_with(b"\r") { b"\r\n" } else { b"\n" });
}

fn record<T>(out: &mut Vec<u8>, delimiter: u8, cells: impl IntoIterator<Item = T>, cell: impl Fn(&mut Vec<u8>, T)) {
    let start = out.len();
    for (index, value) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(delimiter);
        }
        cell(out, value);
    }
    // A record of one empty cell must not look like a blank line.
    if out.len() == start {
        out.extend_from_slice(b"\"\"");
    }
    out.push(b'\n');
}
