//! Splits one input into lanes of items: the whole work of the step, without any S3.

use std::io::{self, Read};
use std::sync::Arc;

use job::job_file::{Compression, Format, OutputFormat};
use job::plan::InputFacts;
use job::{Code, ErrorName, Job, Plan, PlannedLane, Row, StepError};
use serde_json::value::RawValue;

use crate::batches::Cutter;
use crate::normalise::{self, Keys};
use crate::records::{Fields, Record, Records};
use crate::route::{Routed, Router};
use crate::window::Window;
use crate::{facts, source};

/// Items of a lane are handed on in pieces of about this many bytes.
const PIECE: usize = 256 << 10;

/// Takes the items of all lanes.
pub trait Sink {
    /// Takes some whole items of a lane: JSON objects, one a line.
    ///
    /// # Errors
    /// Any error ends the split.
    fn items(&mut self, lane: &str, items: Vec<u8>) -> io::Result<()>;

    /// Told now and then how far the split is: lines and bytes of the decompressed input.
    fn progress(&mut self, _lines: u64, _bytes: u64) {}
}

/// Splits a stream into items and plans the lanes. `file` is the input's name.
///
/// # Errors
/// `Job.Invalid` when the job does not fit the input, `Input.Unreadable` when the stream breaks off, cannot be
/// decompressed or is no text; errors of the sink and the stream that carry a [`StepError`] come back as they are.
pub fn split(stream: impl Read, job: &Arc<Job>, file: &str, sink: &mut impl Sink) -> Result<Plan, StepError> {
    let unreadable = |error: io::Error| input_error(file, 0, error);
    let (head, stream) = source::peek(stream).map_err(unreadable)?;
    let compression = job.input.compression.unwrap_or_else(|| source::compression_of(&head));
    refuse(file, &head, compression)?;
    let (head, stream) = source::decompress(stream, compression).and_then(source::peek).map_err(unreadable)?;
    refuse(file, &head, Compression::None)?;
    let format = job.input.format.unwrap_or_else(|| facts::format_of(file, &head));
    let delimiter = job.input.delimiter.unwrap_or_else(|| facts::delimiter_of(format));
    let records = Records::new(Window::new(stream), format, delimiter).map_err(unreadable)?;
    let mut splitter = Splitter::new(records, job, format);
    splitter.run(file, sink)?;
    splitter.plan(file, compression, delimiter, sink)
}

fn refuse(file: &str, head: &[u8], compression: Compression) -> Result<(), StepError> {
    match facts::unreadable(head, compression) {
        Some(reason) => Err(StepError::new(ErrorName::InputUnreadable, format!("{file} cannot be read: {reason}"))),
        None => Ok(()),
    }
}

struct Splitter<'a, R> {
    records: Records<R>,
    shape: Shape<'a>,
    lanes: Lanes,
    n: u64,
}

/// What a record of this input looks like.
struct Shape<'a> {
    job: &'a Arc<Job>,
    format: Format,
    columns: Option<Arc<[String]>>,
    keys: Keys,
    /// Index of the column that decides the lane.
    routing_column: Option<usize>,
}

struct Lanes {
    router: Router,
    open: Vec<OpenLane>,
    scratch: Vec<u8>,
}

struct OpenLane {
    cutter: Cutter,
    items: Vec<u8>,
}

impl<'a, R: Read> Splitter<'a, R> {
    fn new(records: Records<R>, job: &'a Arc<Job>, format: Format) -> Self {
        let router = Router::new(job.clone());
        let open = router.lanes.iter().map(|lane| OpenLane { cutter: Cutter::new(&lane.kind, lane.limit), items: Vec::new() }).collect();
        let lanes = Lanes { router, open, scratch: Vec::new() };
        let shape = Shape { job, format, columns: None, keys: Keys::default(), routing_column: None };
        Self { records, shape, lanes, n: 0 }
    }

    fn run(&mut self, file: &str, sink: &mut impl Sink) -> Result<(), StepError> {
        if matches!(self.shape.format, Format::Csv | Format::Tsv) && self.shape.job.input.header {
            match self.records.next().map_err(|error| input_error(file, 0, error))? {
                None => return Ok(()),
                Some(record) => self.shape.read_header(file, &record, &self.lanes.router)?,
            }
        }
        loop {
            let offset = self.records.offset();
            let Some(record) = self.records.next().map_err(|error| input_error(file, offset, error))? else { return Ok(()) };
            self.n += 1;
            if self.shape.columns.is_none() {
                self.shape.first_record(&record, &self.lanes.router)?;
            }
            let lane = self.lanes.take(self.n, &record, &mut self.shape);
            if self.lanes.open[lane].items.len() >= PIECE {
                let piece = std::mem::take(&mut self.lanes.open[lane].items);
                sink.items(&self.lanes.router.lanes[lane].name, piece).map_err(|error| input_error(file, offset, error))?;
                sink.progress(self.n, offset);
            }
        }
    }

    fn plan(self, file: &str, compression: Compression, delimiter: u8, sink: &mut impl Sink) -> Result<Plan, StepError> {
        let Self { records, shape, lanes, n } = self;
        let bytes = records.offset();
        let mut planned = Vec::new();
        for (spec, open) in lanes.router.lanes.into_iter().zip(lanes.open) {
            let cut = open.cutter.finish();
            if !open.items.is_empty() {
                sink.items(&spec.name, open.items).map_err(|error| input_error(file, bytes, error))?;
            }
            if cut.lines > 0 {
                let workers = match spec.kind {
                    job::LaneKind::Named { .. } => spec.limit.workers(),
                    job::LaneKind::Hashed => 1,
                };
                planned.push(PlannedLane {
                    name: spec.name,
                    kind: spec.kind,
                    workers,
                    lines: cut.lines,
                    bytes: cut.bytes,
                    batches: cut.batches,
                    seconds: cut.seconds,
                });
            }
        }
        sink.progress(n, bytes);
        let output = shape.job.output.format.unwrap_or(if shape.format == Format::Jsonl { OutputFormat::Jsonl } else { OutputFormat::Csv });
        let columns = match shape.format {
            Format::Jsonl => shape.keys.names,
            _ => shape.columns.map(|columns| columns.to_vec()).unwrap_or_default(),
        };
        Ok(Plan {
            input: InputFacts {
                file: file.to_owned(),
                format: shape.format,
                compression,
                delimiter,
                header: matches!(shape.format, Format::Csv | Format::Tsv) && shape.job.input.header,
                columns,
                lines: n,
                blank: records.blank(),
                bytes,
            },
            output,
            extracted: shape.job.output.columns.names().map(str::to_owned).collect(),
            lanes: planned,
        })
    }
}

impl Shape<'_> {
    fn read_header(&mut self, file: &str, record: &Record<'_>, router: &Router) -> Result<(), StepError> {
        let fault = |detail: &str| StepError::new(ErrorName::InputUnreadable, format!("the header of {file} cannot be read: {detail}"));
        if let Some((_, detail)) = &record.fault {
            return Err(fault(detail));
        }
        let names: Result<Vec<String>, _> = record.fields.iter().map(|field| std::str::from_utf8(field).map(str::to_owned)).collect();
        self.set_columns(names.map_err(|error| fault(&error.to_string()))?, router)
    }

    /// Without a header the first record tells how many columns there are.
    fn first_record(&mut self, record: &Record<'_>, router: &Router) -> Result<(), StepError> {
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
        self.routing_column = router.column().and_then(|name| columns.iter().position(|column| column == name));
        self.columns = Some(columns.into());
        Ok(())
    }

    fn columns(&self) -> &Arc<[String]> {
        self.columns.as_ref().expect("set before the first record")
    }

    /// Writes the record's `v`.
    fn value(&mut self, out: &mut Vec<u8>, record: &Record<'_>) -> Option<(Code, String)> {
        if let Some(fault) = &record.fault {
            return Some(fault.clone());
        }
        match self.format {
            Format::Text => normalise::line(out, record.raw),
            Format::Csv | Format::Tsv => normalise::fields(out, record.fields, self.columns().len()),
            Format::Jsonl => normalise::object(out, record.raw, &mut self.keys),
        }
    }

    fn route(&self, router: &mut Router, record: &Record<'_>, value: &[u8]) -> Result<Routed, (Code, String)> {
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

    fn failed(&self, n: u64, record: &Record<'_>, code: Code, detail: &str) -> Vec<u8> {
        let columns = match self.format {
            Format::Text => Some((Fields { bytes: record.raw, ends: &[record.raw.len()], gap: 0 }, 1)),
            Format::Csv | Format::Tsv => Some((record.fields, self.columns().len())),
            Format::Jsonl => None,
        };
        normalise::failed(n, record.at, record.raw, columns, code, detail)
    }
}

impl Lanes {
    /// Adds a record to its lane: the lane's index.
    fn take(&mut self, n: u64, record: &Record<'_>, shape: &mut Shape<'_>) -> usize {
        self.scratch.clear();
        let fault = shape.value(&mut self.scratch, record);
        let routed = match fault {
            Some(fault) => Err(fault),
            None => shape.route(&mut self.router, record, &self.scratch),
        };
        match routed {
            Ok(Routed { lane, key }) => {
                let open = &mut self.open[lane];
                let before = open.items.len();
                write_item(&mut open.items, n, record.at, key.as_deref(), &self.scratch);
                let length = open.items.len() - before;
                open.cutter.add(n, length as u64, key.as_ref());
                lane
            }
            Err((code, detail)) => {
                let lane = self.router.fallback();
                let mut item = shape.failed(n, record, code, &detail);
                item.push(b'\n');
                self.open[lane].cutter.add(n, item.len() as u64, None);
                self.open[lane].items.extend_from_slice(&item);
                lane
            }
        }
    }
}

/// The shape of [`job::Item`], written by hand because this is the step's inner loop.
fn write_item(out: &mut Vec<u8>, n: u64, at: u64, key: Option<&str>, value: &[u8]) {
    out.extend_from_slice(b"{\"n\":");
    normalise::number(out, n);
    out.extend_from_slice(b",\"at\":");
    normalise::number(out, at);
    if let Some(key) = key {
        out.extend_from_slice(b",\"key\":");
        normalise::string(out, key);
    }
    out.extend_from_slice(b",\"v\":");
    out.extend_from_slice(value);
    out.extend_from_slice(b"}\n");
}

fn input_error(file: &str, offset: u64, error: io::Error) -> StepError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<StepError>()) {
        Some(step) => step.clone(),
        None => StepError::new(
            ErrorName::InputUnreadable,
            format!("{file} cannot be read on after byte {offset} of its decompressed content: {error}. Is the file complete?"),
        ),
    }
}
