//! A row of a CSV or TSV output.

use job::Plan;

use super::cells::Cells;
use super::columns::Columns;
use super::rows::{Ending, Row};
use crate::json;

pub(super) struct CsvRows {
    columns: Columns,
    how: Cells,
    /// Where the values of a JSONL line stand, by column.
    cells: Vec<(usize, usize)>,
}

impl CsvRows {
    pub(super) fn new(plan: &Plan, how: Cells) -> Self {
        Self { columns: Columns::new(plan), how, cells: Vec::new() }
    }

    pub(super) fn header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.how.mark());
        for (index, name) in self.columns.names().enumerate() {
            if index > 0 {
                out.push(self.how.separator());
            }
            self.how.text(out, name.as_bytes());
        }
        out.push(b'\n');
    }

    pub(super) fn row(&mut self, out: &mut Vec<u8>, row: &Row<'_>) {
        match row.input {
            Some(object) if object.starts_with('{') => self.object(out, object),
            Some(array) => self.array(out, array),
            None => self.array(out, "[]"),
        }
        let mut values = json::elements(if let Ending::Values(values) = row.ending { values } else { "[]" });
        for _ in &self.columns.extracted {
            self.how.value(out, values.next().unwrap_or("null"));
            out.push(self.how.separator());
        }
        if let Ending::Failed { code, detail } = row.ending {
            self.how.text(out, code.as_bytes());
            out.push(self.how.separator());
            self.how.text(out, detail.as_bytes());
        } else {
            out.push(self.how.separator());
        }
        out.push(b'\n');
    }

    fn array(&self, out: &mut Vec<u8>, array: &str) {
        let mut values = json::elements(array);
        for column in &self.columns.input {
            let value = values.next();
            if column.is_some() {
                self.how.value(out, value.unwrap_or("null"));
                out.push(self.how.separator());
            }
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, object: &str) {
        self.cells.clear();
        self.cells.resize(self.columns.input.len(), (0, 0));
        for (guess, (key, place)) in json::members(object).enumerate() {
            // Of two members with one key the last counts, as everywhere.
            if let Some(index) = self.columns.index_of(key, guess) {
                self.cells[index] = place;
            }
        }
        for (column, (start, end)) in self.columns.input.iter().zip(&self.cells) {
            if column.is_some() {
                self.how.value(out, &object[*start..*end]);
                out.push(self.how.separator());
            }
        }
    }
}
