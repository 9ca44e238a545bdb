//! What a record of the input looks like, and what becomes of it.

use std::sync::Arc;

use job::job_file::Format;
use job::{Code, ErrorName, Job, Row, StepError};
use serde_json::value::RawValue;

use crate::normalise::{self, Keys};
use crate::records::{Fields, Record};
use crate::route::{Routed, Router};

/// What a record of this input looks like.
pub(super) struct Shape<'a> {
    pub(super) job: &'a Arc<Job>,
    pub(super) format: Format,
    pub(super) columns: Option<Arc<[String]>>,
    pub(super) keys: Keys,
    /// Index of the column that decides the lane.
    routing_column: Option<usize>,
}

impl<'a> Shape<'a> {
    /// Without columns yet.
    pub(super) fn new(job: &'a Arc<Job>, format: Format, keys: Keys) -> Self {
        Self { job, format, columns: None, keys, routing_column: None }
    }

    pub(super) fn read_header(&mut self, file: &str, record: &Record<'_>, router: &Router) -> Result<(), StepError> {
        let fault = |detail: &str| StepError::new(ErrorName::InputUnreadable, format!("the header of {file} cannot be read: {detail}"));
        if let Some((_, detail)) = &record.fault {
            return Err(fault(detail));
        }
        let names: Result<Vec<String>, _> = record.fields.iter().map(|field| std::str::from_utf8(field).map(str::to_owned)).collect();
        self.set_columns(names.map_err(|error| fault(&error.to_string()))?, router)
    }

    /// Without a header the first record tells how many columns there are.
    pub(super) fn first_record(&mut self, record: &Record<'_>, router: &Router) -> Result<(), StepError> {
        match self.format {
            Format::Text => self.set_columns(vec!["line".to_owned()], router),
            Format::Csv | Format::Tsv => self.set_columns((1..=record.fields.len()).map(|index| format!("c{index}")).collect(), router),
            Format::Jsonl => {
                self.columns = Some(Arc::from([]));
                Ok(())
            }
        }
    }

    fn set_columns(&mut self, columns: Vec<String>, router: &Router) -> Result<(), StepError> {
        self.job.check_columns(&columns)?;
        self.job.check_output(&columns)?;
        self.know_columns(columns, router);
        Ok(())
    }

    /// Takes columns that were checked before.
    pub(super) fn know_columns(&mut self, columns: Vec<String>, router: &Router) {
        self.routing_column = router.column().and_then(|name| columns.iter().position(|column| column == name));
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
        match self.format {
            Format::Text => normalise::line(out, record.raw),
            Format::Csv | Format::Tsv => normalise::fields(out, record.fields, self.columns().len()),
            Format::Jsonl => normalise::object(out, record.raw, &mut self.keys),
        }
    }

    pub(super) fn route(&self, router: &mut Router, record: &Record<'_>, value: &[u8]) -> Result<Routed, (Code, String)> {
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
        let raw: &RawValue = serde_json::from_slice(value).map_err(|error| (Code::Parse, error.to_string()))?;
        let row = Row::parse(self.columns(), raw).map_err(|error| (Code::Parse, error.to_string()))?;
        router.by_row(row)
    }

    pub(super) fn failed(&self, n: u64, record: &Record<'_>, code: Code, detail: &str) -> Vec<u8> {
        let columns = match self.format {
            Format::Text => Some((Fields { bytes: record.raw, ends: &[record.raw.len()], gap: 0 }, 1)),
            Format::Csv | Format::Tsv => Some((record.fields, self.columns().len())),
            Format::Jsonl => None,
        };
        normalise::failed(n, record.at, record.raw, columns, code, detail)
    }
}
