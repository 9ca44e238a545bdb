//! Normalises the records of an input to JSON values, one for each item.

mod header;
mod keys;
mod value;

use std::sync::Arc;

use job::file::Format;
use job::{Code, ErrorName, Job, StepError};

use super::records::{Fields, Layout, LineError, Record, display};
use crate::wire::{self, FailedLine};
use header::{Header, OUTPUT};
pub(super) use keys::Keys;

/// Knows the columns of an input, and turns its records into JSON values.
pub(super) struct Normaliser<'a> {
    pub(super) job: &'a Arc<Job>,
    pub(super) format: Format,
    delimiter: u8,
    /// Known after the header, or after the first record of an input without a header.
    pub(super) columns: Option<Arc<[String]>>,
    pub(super) keys: Keys,
    /// What the user should know about the columns.
    pub(super) notes: Vec<String>,
    /// The encoding's name.
    encoding: String,
}

impl<'a> Normaliser<'a> {
    /// A normaliser that does not know the columns yet.
    pub(super) fn new(job: &'a Arc<Job>, layout: &Layout, keys: Keys) -> Self {
        Self {
            job,
            format: layout.format,
            delimiter: layout.dialect.delimiter,
            columns: None,
            keys,
            notes: layout.notes.clone(),
            encoding: layout.encoding().name().to_owned(),
        }
    }

    /// Learns the columns from the header, which is this line of the file.
    ///
    /// # Errors
    /// `Input.Unreadable` if the header cannot be used, `Job.Invalid` if the job does not fit the columns.
    pub(super) fn read_header(
        &mut self,
        file: &str,
        line: u64,
        record: &Record<'_>,
    ) -> Result<(), StepError> {
        let unreadable =
            |reason| StepError::new(ErrorName::InputUnreadable, format!("{file}:{line}: {reason}"));
        let Header { columns, output, named } = header::read(record, &self.encoding).map_err(unreadable)?;
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
        self.columns = Some(columns.into());
        Ok(())
    }

    /// Learns the number of columns from the first record of an input without a header.
    ///
    /// # Errors
    /// `Job.Invalid` if the job does not fit the columns.
    pub(super) fn read_first(&mut self, record: &Record<'_>) -> Result<(), StepError> {
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
        self.columns = Some(columns.into());
        Ok(())
    }

    pub(super) fn columns(&self) -> &Arc<[String]> {
        self.columns.as_ref().expect("the columns are known before the first record is written")
    }

    /// Appends the record's value.
    ///
    /// # Errors
    /// The record cannot be decoded or parsed, or does not have as many fields as there are columns.
    pub(super) fn value(&mut self, out: &mut Vec<u8>, record: &Record<'_>) -> Result<(), LineError> {
        if let Some(error) = &record.error {
            return Err(error.clone());
        }
        let written = match self.format {
            Format::Text => value::line(out, record.raw),
            Format::Csv | Format::Tsv if record.fields.len() != self.columns().len() => {
                Err(LineError::new(Code::Parse, self.miscounted(record)))
            }
            Format::Csv | Format::Tsv => value::fields(out, record.fields),
            Format::Jsonl | Format::Json => value::object(out, record.raw, &mut self.keys),
        };
        written.map_err(|mut error| {
            if error.code == Code::Decode {
                error.detail = self.undecoded(&error.detail);
            }
            error
        })
    }

    /// Appends the item of a record that failed: its fields as far as they are known, and its bytes.
    pub(super) fn failed_item(&self, out: &mut Vec<u8>, n: u64, record: &Record<'_>, error: &LineError) {
        let (fields, count) = match self.format {
            Format::Text => (Some(Fields { bytes: record.raw, ends: &[record.raw.len()], gap: 0 }), 1),
            Format::Csv | Format::Tsv => (Some(record.fields), self.columns().len()),
            Format::Jsonl | Format::Json => (None, 0),
        };
        let fields = fields.map(|fields| {
            let mut array = Vec::new();
            wire::strings(&mut array, fields.iter().take(count).map(String::from_utf8_lossy));
            array
        });
        let (LineError { code, detail }, fields) = (error, fields.as_deref());
        wire::failed_item(
            out,
            &FailedLine { n, at: record.at, raw: record.raw, fields, code: *code, detail },
        );
    }

    /// Why a record with another number of fields than the header is refused.
    fn miscounted(&self, record: &Record<'_>) -> String {
        let (columns, fields) = (self.columns(), record.fields.len());
        let counts = format!("the record has {fields} fields, the header has {}", columns.len());
        let last_is_empty = || record.fields.get(fields - 1).is_some_and(<[u8]>::is_empty);
        if fields == columns.len() + 1 && last_is_empty() {
            format!("{counts}: {} at the end of the record is superfluous", display(self.delimiter))
        } else if fields + 1 == columns.len()
            && *columns.last().expect("there is one more") == format!("c{}", columns.len())
        {
            format!("{counts}: {} at the end of the header is superfluous", display(self.delimiter))
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
            format!("the line has bytes that are not valid in {}", self.encoding)
        }
    }
}

/// What to do about a header that is one column but contains another delimiter.
fn other_delimiter(columns: &[String]) -> Option<String> {
    let [header] = columns else { return None };
    let found = [b';', b'\t', b'|', b','].into_iter().find(|byte| header.contains(char::from(*byte)))?;
    let written = char::from(found).escape_default();
    Some(format!("Fields seem to be separated by {}: set input.delimiter = \"{written}\"", display(found)))
}
