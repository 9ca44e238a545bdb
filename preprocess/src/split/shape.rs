//! What a record of the input looks like, and what becomes of it.

use std::sync::Arc;

use job::job_file::Format;
use job::{Code, ErrorName, Job, Row, StepError};
use serde_json::value::RawValue;

use super::header::{self, Header, OUTPUT};
use crate::layout::{Layout, shown};
use crate::normalise::{self, Keys};
use crate::records::{Fields, Record};
use crate::route::{Routed, Router};

/// What a record of this input looks like.
pub(super) struct Shape<'a> {
    pub(super) job: &'a Arc<Job>,
    pub(super) format: Format,
    delimiter: u8,
    pub(super) columns: Option<Arc<[String]>>,
    pub(super) keys: Keys,
    /// What a person should know about the columns.
    pub(super) notes: Vec<String>,
    /// Its name.
    encoding: String,
    /// Index of the column that decides the lane.
    routing_column: Option<usize>,
}

impl<'a> Shape<'a> {
    /// Without columns yet.
    pub(super) fn new(job: &'a Arc<Job>, layout: &Layout, keys: Keys) -> Self {
        let (format, encoding) = (layout.format, layout.encoding().name().to_owned());
        Self {
            job,
            format,
            delimiter: layout.dialect.delimiter,
            columns: None,
            keys,
            notes: layout.notes.clone(),
            encoding,
            routing_column: None,
        }
    }

    /// `line` is the header's in the file.
    pub(super) fn read_header(
        &mut self,
        file: &str,
        line: u64,
        record: &Record<'_>,
        router: &Router,
    ) -> Result<(), StepError> {
        let wrong = |reason| StepError::new(ErrorName::InputUnreadable, format!("{file}:{line}: {reason}"));
        let Header { columns, output, named } = header::read(record, &self.encoding).map_err(wrong)?;
        self.job.check_columns(&columns).map_err(|mut error| {
            if let Some(hint) = other_delimiter(&columns) {
                error.message = format!("{}. {hint}", error.message);
            }
            error
        })?;
        if output {
            let dropped = columns.iter().filter(|name| {
                OUTPUT.contains(&name.as_str()) || self.job.output.columns.names().any(|own| own == *name)
            });
            let dropped = dropped.map(String::as_str).collect::<Vec<_>>().join(", ");
            self.notes.push(format!(
                "the input is an earlier output: its columns {dropped} are replaced in this one"
            ));
        } else {
            self.job.check_output(&columns)?;
        }
        if !named.is_empty() {
            let (plural, names) = (
                if named.len() == 1 { "" } else { "s" },
                named.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", "),
            );
            self.notes.push(format!("{} column{plural} without a name, called {names}", named.len()));
        }
        self.know_columns(columns, router);
        Ok(())
    }

    /// Without a header the first record tells how many columns there are.
    pub(super) fn first_record(&mut self, record: &Record<'_>, router: &Router) -> Result<(), StepError> {
        let columns = match self.format {
            Format::Text => vec!["line".to_owned()],
            Format::Csv | Format::Tsv => (1..=record.fields.len()).map(|index| format!("c{index}")).collect(),
            Format::Jsonl | Format::Json => {
                self.columns = Some(Arc::from([]));
                return Ok(());
            }
        };
        self.job.check_columns(&columns)?;
        self.job.check_output(&columns)?;
        self.know_columns(columns, router);
        Ok(())
    }

    /// Takes columns that were checked before.
    pub(super) fn know_columns(&mut self, columns: Vec<String>, router: &Router) {
        self.routing_column =
            router.column().and_then(|name| columns.iter().position(|column| column == name));
        self.columns = Some(columns.into());
    }

    pub(super) fn columns(&self) -> &Arc<[String]> {
        self.columns.as_ref().expect("set before the first record")
    }

    /// Writes the record's `v`.
    pub(super) fn value(&mut self, out: &mut Vec<u8>, record: &Record<'_>) -> Option<(Code, String)> {
        if let Some(fault) = &record.fault {
            return Some(fault.clone());
        }
        let fault = match self.format {
            Format::Text => normalise::line(out, record.raw),
            Format::Csv | Format::Tsv if record.fields.len() != self.columns().len() => {
                Some((Code::Parse, self.miscounted(record)))
            }
            Format::Csv | Format::Tsv => normalise::fields(out, record.fields),
            Format::Jsonl | Format::Json => normalise::object(out, record.raw, &mut self.keys),
        };
        match fault {
            Some((Code::Decode, detail)) => Some((Code::Decode, self.undecoded(&detail))),
            fault => fault,
        }
    }

    /// Why a record with another number of fields than the header is none.
    fn miscounted(&self, record: &Record<'_>) -> String {
        let (columns, fields) = (self.columns(), record.fields.len());
        let counts = format!("the record has {fields} fields, the header has {}", columns.len());
        let last_is_empty = || record.fields.get(fields - 1).is_some_and(<[u8]>::is_empty);
        if fields == columns.len() + 1 && last_is_empty() {
            format!("{counts}: {} at the end of the record separates nothing", shown(self.delimiter))
        } else if fields + 1 == columns.len()
            && *columns.last().expect("there is one more") == format!("c{}", columns.len())
        {
            format!("{counts}: {} at the end of the header separates nothing", shown(self.delimiter))
        } else if let Some(hint) = other_delimiter(columns) {
            format!("{counts}. {hint}")
        } else {
            counts
        }
    }

    fn undecoded(&self, detail: &str) -> String {
        if self.encoding == encoding_rs::UTF_8.name() {
            format!("{detail}: set input.encoding, for example \"windows-1252\"")
        } else {
            format!("the line has bytes that mean nothing in {}", self.encoding)
        }
    }

    pub(super) fn route(
        &self,
        router: &mut Router,
        record: &Record<'_>,
        value: &[u8],
    ) -> Result<Routed, (Code, String)> {
        if let Some((lane, key)) = router.fixed_lane() {
            return Ok(Routed { lane, key });
        }
        let text = match (self.format, self.routing_column) {
            (Format::Text, Some(_)) => Some(record.raw),
            (Format::Csv | Format::Tsv, Some(column)) => record.fields.get(column),
            _ => None,
        };
        if let Some(text) = text.and_then(|text| std::str::from_utf8(text).ok()) {
            return router.by_value(text);
        }
        let raw: &RawValue =
            serde_json::from_slice(value).map_err(|error| (Code::Parse, error.to_string()))?;
        let row = Row::parse(self.columns(), raw).map_err(|error| (Code::Parse, error))?;
        router.by_row(row)
    }

    pub(super) fn failed(&self, n: u64, record: &Record<'_>, code: Code, detail: &str) -> Vec<u8> {
        let columns = match self.format {
            Format::Text => Some((Fields { bytes: record.raw, ends: &[record.raw.len()], gap: 0 }, 1)),
            Format::Csv | Format::Tsv => Some((record.fields, self.columns().len())),
            Format::Jsonl | Format::Json => None,
        };
        normalise::failed(n, record.at, record.raw, columns, code, detail)
    }
}

/// What to do about a header that is one column, in which another delimiter stands.
fn other_delimiter(columns: &[String]) -> Option<String> {
    let [header] = columns else { return None };
    let found = [b';', b'\t', b'|', b','].into_iter().find(|byte| header.contains(char::from(*byte)))?;
    let written = char::from(found).escape_default();
    Some(format!("Fields seem to be separated by {}: set input.delimiter = \"{written}\"", shown(found)))
}
