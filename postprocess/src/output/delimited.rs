//! CSV and TSV: one cell for each column, and a header with the columns' names.

mod cells;
mod csv;
mod tsv;

use job::{Plan, StepError};

use super::columns::Columns;
use super::row_format::{FormatState, Outcome, Row, RowFormat};
pub(super) use cells::Cells;
use job::wire::json;

pub(super) struct DelimitedRows {
    columns: Columns,
    cells: Cells,
    has_header: bool,
    /// The range of each column's value in an object. It is kept only to reuse its memory.
    ranges: Vec<(usize, usize)>,
}

impl DelimitedRows {
    pub(super) fn new(plan: &Plan, columns: Columns, cells: Cells) -> Self {
        // The output of an empty input is empty, and that of an input with only a header has only a header.
        let has_header = plan.input.lines > 0 || (plan.input.header && !plan.input.columns.is_empty());
        Self { columns, cells, has_header, ranges: Vec::new() }
    }
}

impl RowFormat for DelimitedRows {
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.has_header {
            return;
        }
        out.extend_from_slice(self.cells.mark());
        for (index, name) in self.columns.names().enumerate() {
            if index > 0 {
                out.push(self.cells.separator());
            }
            self.cells.text(out, name.as_bytes());
        }
        out.push(b'\n');
    }

    fn row(&mut self, out: &mut Vec<u8>, row: &Row<'_>) {
        match row.input {
            Some(object) if object.starts_with('{') => self.object(out, object),
            Some(array) => self.array(out, array),
            None => self.array(out, "[]"),
        }
        let mut values = json::elements(row.outcome.values());
        for _ in &self.columns.extracted {
            self.cells.value(out, values.next().unwrap_or("null"));
            out.push(self.cells.separator());
        }
        if let Outcome::Failed { code, detail, .. } = row.outcome {
            self.cells.text(out, code.as_bytes());
            out.push(self.cells.separator());
            self.cells.text(out, detail.as_bytes());
        } else {
            out.push(self.cells.separator());
            if let Outcome::Skipped(why) = row.outcome {
                self.cells.text(out, why.as_bytes());
            }
        }
        out.push(b'\n');
    }

    fn finish(&mut self, _out: &mut Vec<u8>) {}

    fn pause(&mut self, _out: &mut Vec<u8>) -> FormatState {
        FormatState::Null
    }

    fn resume(&mut self, _state: FormatState) -> Result<(), StepError> {
        Ok(())
    }
}

impl DelimitedRows {
    fn array(&self, out: &mut Vec<u8>, array: &str) {
        let mut values = json::elements(array);
        for column in &self.columns.input {
            let value = values.next();
            if column.is_some() {
                self.cells.value(out, value.unwrap_or("null"));
                out.push(self.cells.separator());
            }
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, object: &str) {
        self.ranges.clear();
        self.ranges.resize(self.columns.input.len(), (0, 0));
        for (guess, (key, range)) in json::members(object).enumerate() {
            // Of two members with one key the last one counts.
            if let Some(index) = self.columns.index_of(key, guess) {
                self.ranges[index] = range;
            }
        }
        for (column, (start, end)) in self.columns.input.iter().zip(&self.ranges) {
            if column.is_some() {
                self.cells.value(out, &object[*start..*end]);
                out.push(self.cells.separator());
            }
        }
    }
}
