//! JSONL: each row is an object.

use std::collections::HashMap;

use job::StepError;
use job::file::OWN_COLUMNS;

use super::columns::Columns;
use super::row_format::{FormatState, Outcome, Row, RowFormat};
use job::wire::json;

/// The maximum number of members of an object that are compared with each other one by one.
const COMPARED_MEMBERS: usize = 16;

pub(super) struct JsonlRows {
    columns: Columns,
    /// `"name":` of each column.
    input: Vec<Option<Vec<u8>>>,
    extracted: Vec<Vec<u8>>,
    own: [Vec<u8>; 2],
}

impl JsonlRows {
    pub(super) fn new(columns: Columns) -> Self {
        let input = columns.input.iter().map(|name| name.as_deref().map(key)).collect();
        let extracted = columns.extracted.iter().map(|name| key(name)).collect();
        Self { columns, input, extracted, own: OWN_COLUMNS.map(key) }
    }
}

impl RowFormat for JsonlRows {
    fn begin(&mut self, _out: &mut Vec<u8>) {}

    fn row(&mut self, out: &mut Vec<u8>, row: &Row<'_>) {
        out.push(b'{');
        match row.input {
            Some(object) if object.starts_with('{') => self.object(out, object),
            Some(array) => self.array(out, array),
            // The keys of a line that is not JSON are unknown.
            None if row.keyed => {}
            None => self.array(out, "[]"),
        }
        let mut values = json::elements(row.outcome.values());
        for key in &self.extracted {
            member(out, key, values.next().unwrap_or("null"));
        }
        let [error, error_detail] = &self.own;
        if let Outcome::Failed { code, detail, .. } = row.outcome {
            out.extend_from_slice(error);
            json::string(out, code);
            out.push(b',');
            out.extend_from_slice(error_detail);
            json::string(out, detail);
        } else {
            member(out, error, "null");
            out.extend_from_slice(error_detail);
            match row.outcome {
                Outcome::Skipped(why) => json::string(out, why),
                _ => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(b"}\n");
    }

    fn finish(&mut self, _out: &mut Vec<u8>) {}

    fn pause(&mut self, _out: &mut Vec<u8>) -> FormatState {
        FormatState::Null
    }

    fn resume(&mut self, _state: FormatState) -> Result<(), StepError> {
        Ok(())
    }
}

impl JsonlRows {
    fn array(&self, out: &mut Vec<u8>, array: &str) {
        let mut values = json::elements(array);
        for key in &self.input {
            let value = values.next().unwrap_or("null");
            if let Some(key) = key {
                member(out, key, value);
            }
        }
    }

    /// Writes the object's own members as they are, without those whose names are columns of the output. Of
    /// two members with one key the last one counts.
    fn object(&self, out: &mut Vec<u8>, object: &str) {
        let members: Vec<_> =
            json::members(object).map(|(key, range)| (json::text(key), key, range)).collect();
        let last_of_many: Option<HashMap<&str, usize>> = (members.len() > COMPARED_MEMBERS)
            .then(|| members.iter().enumerate().map(|(index, (name, ..))| (name.as_ref(), index)).collect());
        for (index, (name, key, (start, end))) in members.iter().enumerate() {
            let repeated = match &last_of_many {
                Some(last) => last.get(name.as_ref()).is_some_and(|last| *last != index),
                None => members[index + 1..].iter().any(|(later, ..)| later == name),
            };
            if !repeated && !self.columns.is_taken(name) {
                out.push(b'"');
                out.extend_from_slice(key.as_bytes());
                out.extend_from_slice(b"\":");
                out.extend_from_slice(&object.as_bytes()[*start..*end]);
                out.push(b',');
            }
        }
    }
}

fn key(name: &str) -> Vec<u8> {
    let mut key = Vec::new();
    json::string(&mut key, name);
    key.push(b':');
    key
}

fn member(out: &mut Vec<u8>, key: &[u8], value: &str) {
    out.extend_from_slice(key);
    out.extend_from_slice(value.as_bytes());
    out.push(b',');
}
