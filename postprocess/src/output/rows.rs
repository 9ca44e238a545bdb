//! Writes each line to the output and, if it failed, to the file of failed lines.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use job::file::{Format, Style};
use job::{Plan, StepError};

use super::failed::FailedRows;
use super::format::row_format;
use super::row_format::{FormatState, Outcome, Row, RowFormat};
use crate::input::ItemView;
use crate::run::damaged;
use job::wire::json;

/// Writes lines to both files, into memory.
pub(crate) struct Rows {
    /// Bytes of the output.
    output: Vec<u8>,
    /// Bytes of the file of failed lines.
    failed: Vec<u8>,
    /// Number of the last line.
    pub(crate) last: u64,
    /// Lines so far.
    pub(crate) count: u64,
    /// The run has only a part of the lines.
    gaps: bool,
    /// Bytes of a full buffer.
    full: usize,
    format: Format,
    rows: Box<dyn RowFormat>,
    failed_rows: FailedRows,
}

impl Rows {
    /// A writer that needs [`Rows::begin`] or [`Rows::resume`] first. It is full with about `full` bytes.
    /// `dropped`: the columns of the input that the output leaves out.
    pub(crate) fn new(plan: &Plan, style: Style, dropped: &[String], full: usize) -> Self {
        Self::with(row_format(plan, style, dropped), plan, style, full)
    }

    fn with(rows: Box<dyn RowFormat>, plan: &Plan, style: Style, full: usize) -> Self {
        Self {
            output: Vec::with_capacity(full + full / 4),
            failed: Vec::new(),
            last: 0,
            count: 0,
            gaps: plan.input.limited,
            full,
            format: plan.input.format,
            rows,
            failed_rows: FailedRows::new(plan, style),
        }
    }

    /// Begins both files.
    pub(crate) fn begin(&mut self) {
        self.rows.begin(&mut self.output);
    }

    /// Continues after line `last` of an earlier call, which has written `count` lines. `any_failed`: some of
    /// them are failed ones.
    ///
    /// # Errors
    /// `Run.Damaged` if the state is not one that the format writes.
    pub(crate) fn resume(
        &mut self,
        (last, count): (u64, u64),
        any_failed: bool,
        state: FormatState,
    ) -> Result<(), StepError> {
        (self.last, self.count) = (last, count);
        if any_failed {
            self.failed_rows.skip_beginning();
        }
        self.rows.resume(state)
    }

    /// Ends the output after the last line.
    pub(crate) fn finish(&mut self) {
        self.rows.finish(&mut self.output);
    }

    /// Prepares the output for a pause, and returns what [`Rows::resume`] needs.
    pub(crate) fn pause(&mut self) -> FormatState {
        self.rows.pause(&mut self.output)
    }

    /// Whether it is time to take the bytes.
    pub(crate) fn is_full(&self) -> bool {
        self.output.len() >= self.full || self.failed.len() >= self.full
    }

    /// Takes the bytes of the output and of the failed lines.
    pub(crate) fn take(&mut self) -> (Vec<u8>, Vec<u8>) {
        let next = Vec::with_capacity(self.full + self.full / 4);
        (std::mem::replace(&mut self.output, next), std::mem::take(&mut self.failed))
    }

    /// Writes the next line.
    ///
    /// # Errors
    /// `Run.Damaged` if it does not follow the last line, or if its bytes cannot be decoded.
    pub(crate) fn line(&mut self, item: &ItemView<'_>, outcome: Outcome<'_>) -> Result<(), StepError> {
        let n = item.n.number();
        if n != self.last + 1 && !(self.gaps && n > self.last) {
            return Err(damaged(format!(
                "line {n} comes after line {}: items of this run overlap or are missing",
                self.last
            )));
        }
        self.last = n;
        self.count += 1;
        let decode = |raw: &str| {
            let bytes = STANDARD.decode(raw);
            bytes.map_err(|error| damaged(format!("the bytes of line {n}: {error}")))
        };
        let raw = item.raw.as_deref().map(decode).transpose()?;
        let input = item.v;
        let lossy = match (&raw, input) {
            (Some(raw), None) if self.format == Format::Text => {
                Some(array_of_one(&String::from_utf8_lossy(raw)))
            }
            _ => None,
        };
        let row = Row { input: input.or(lossy.as_deref()), keyed: self.format.is_json(), outcome };
        self.rows.row(&mut self.output, &row);
        if let Outcome::Failed { .. } = outcome {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use job::file::{Compression, OutputFormat};
    use job::run::InputFacts;

    use super::*;

    /// A format that keeps rows, and writes the number of all rows at its end, as Parquet does with its
    /// metadata.
    #[derive(Default)]
    struct Grouped {
        kept: Vec<u8>,
        count: u64,
    }

    impl RowFormat for Grouped {
        fn begin(&mut self, out: &mut Vec<u8>) {
            out.extend_from_slice(b"begin;");
        }

        fn row(&mut self, _out: &mut Vec<u8>, row: &Row<'_>) {
            self.kept.extend_from_slice(row.outcome.values().as_bytes());
            self.count += 1;
        }

        fn finish(&mut self, out: &mut Vec<u8>) {
            out.append(&mut self.kept);
            out.extend_from_slice(format!(";{} rows", self.count).as_bytes());
        }

        fn pause(&mut self, out: &mut Vec<u8>) -> FormatState {
            out.append(&mut self.kept);
            self.count.into()
        }

        fn resume(&mut self, state: FormatState) -> Result<(), StepError> {
            self.count = state.as_u64().ok_or_else(|| damaged("no number of rows"))?;
            Ok(())
        }
    }

    fn plan() -> Plan {
        let input = InputFacts {
            file: "a.txt".to_owned(),
            format: Format::Text,
            compression: Compression::None,
            encoding: "UTF-8".to_owned(),
            delimiter: b',',
            quote: None,
            escape: None,
            preamble: String::new(),
            header: false,
            columns: vec!["line".to_owned()],
            lines: 2,
            limited: false,
            selection: None,
            blank: 0,
            bytes: 0,
            notes: Vec::new(),
        };
        Plan {
            format: job::run::FORMAT,
            input,
            output: OutputFormat::Jsonl,
            extracted: Vec::new(),
            lanes: Vec::new(),
            continues: None,
        }
    }

    fn rows() -> Rows {
        Rows::with(Box::new(Grouped::default()), &plan(), Style::default(), 100)
    }

    fn write(rows: &mut Rows, n: u64) {
        let item = ItemView { n: job::LineId::nth(n), v: Some("[]"), error: None, detail: None, raw: None };
        rows.line(&item, Outcome::Values(&format!("[{n}]"))).unwrap();
    }

    #[test]
    fn a_format_carries_its_state_across_a_pause() {
        let mut whole = rows();
        whole.begin();
        write(&mut whole, 1);
        write(&mut whole, 2);
        whole.finish();

        let mut first = rows();
        first.begin();
        write(&mut first, 1);
        let state = first.pause();
        let mut second = rows();
        second.resume((1, 1), false, state).unwrap();
        write(&mut second, 2);
        second.finish();

        let paused = [first.take().0, second.take().0].concat();
        assert_eq!(String::from_utf8(paused).unwrap(), "begin;[1][2];2 rows");
        assert_eq!(whole.take().0, b"begin;[1][2];2 rows");
        assert!(rows().resume((1, 1), false, FormatState::Null).is_err());
    }
}
