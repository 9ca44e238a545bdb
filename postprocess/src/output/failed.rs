//! The failed lines in the format of the input, so that they can be run again.

use job::Plan;
use job::file::{Format, Style};

use job::wire::json;

const BYTE_ORDER_MARK: &str = "\u{feff}";

pub(super) struct FailedRows {
    format: Format,
    dialect: Dialect,
    /// What comes before the first line, until that is written.
    beginning: Option<Vec<u8>>,
}

/// How the input separates, quotes and escapes fields.
struct Dialect {
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
}

impl FailedRows {
    pub(super) fn new(plan: &Plan, style: Style) -> Self {
        let input = &plan.input;
        let dialect = Dialect { delimiter: input.delimiter, quote: input.quote, escape: input.escape };
        let mut beginning = Vec::new();
        if input.encoding != "UTF-8" || (style.bom && input.format.is_delimited()) {
            // A byte order mark takes precedence over `input.encoding`, and these lines are decoded.
            beginning.extend_from_slice(BYTE_ORDER_MARK.as_bytes());
        }
        beginning.extend_from_slice(input.preamble.as_bytes());
        if input.header && input.format.is_delimited() {
            dialect.record(&mut beginning, input.columns.iter().map(|name| name.as_bytes().to_vec()));
        }
        Self { format: input.format, dialect, beginning: Some(beginning) }
    }

    /// An earlier call has written the first line.
    pub(super) fn skip_beginning(&mut self) {
        self.beginning = None;
    }

    /// Appends a line: its original bytes if they were kept, or else its fields.
    pub(super) fn row(&mut self, out: &mut Vec<u8>, fields: Option<&str>, raw: Option<&[u8]>) {
        if let Some(beginning) = self.beginning.take() {
            out.extend_from_slice(&beginning);
        }
        match (raw, fields, self.format) {
            (Some(raw), ..) => line(out, raw),
            (None, Some(object), Format::Jsonl | Format::Json) => line(out, object.as_bytes()),
            (None, Some(array), Format::Text) => {
                let start = json::elements(array).next().map(text).unwrap_or_default();
                line(out, &start);
            }
            (None, fields, _) => self.dialect.record(out, json::elements(fields.unwrap_or("[]")).map(text)),
        }
    }
}

/// The text of a JSON string of an item.
fn text(value: &str) -> Vec<u8> {
    json::text(value.get(1..value.len() - 1).unwrap_or_default()).as_bytes().to_vec()
}

/// Appends a line. If its last byte is a CR it ends with CRLF, or that CR would be taken for a part of the
/// line end.
fn line(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(line);
    out.extend_from_slice(if line.ends_with(b"\r") { b"\r\n" } else { b"\n" });
}

impl Dialect {
    fn record(&self, out: &mut Vec<u8>, cells: impl IntoIterator<Item = Vec<u8>>) {
        let start = out.len();
        for (index, cell) in cells.into_iter().enumerate() {
            if index > 0 {
                out.push(self.delimiter);
            }
            self.cell(out, &cell);
        }
        // A record of empty cells must not look like a blank line.
        if let Some(quote) = self.quote
            && out[start..].iter().all(|byte| *byte == self.delimiter || matches!(byte, b' ' | b'\t'))
        {
            let end = out[start..]
                .iter()
                .position(|byte| *byte == self.delimiter)
                .map_or(out.len(), |at| start + at);
            out.insert(end, quote);
            out.insert(start, quote);
        }
        out.push(b'\n');
    }

    fn cell(&self, out: &mut Vec<u8>, cell: &[u8]) {
        let is = |byte: u8, special: Option<u8>| special == Some(byte);
        let separates = |byte: u8| byte == self.delimiter || matches!(byte, b'\n' | b'\r');
        let special = |byte: &u8| separates(*byte) || is(*byte, self.quote) || is(*byte, self.escape);
        if !cell.iter().any(special) {
            out.extend_from_slice(cell);
            return;
        }
        out.extend(self.quote);
        for byte in cell {
            if is(*byte, self.quote) {
                out.push(*byte);
            } else if is(*byte, self.escape) || (self.quote.is_none() && separates(*byte)) {
                out.extend(self.escape);
                if *byte == b'\r' {
                    // An escaped CR would take the LF of the line end into the cell.
                    out.push(b'r');
                    continue;
                }
            }
            out.push(*byte);
        }
        out.extend(self.quote);
    }
}
