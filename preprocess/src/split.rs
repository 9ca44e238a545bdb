//! Splits one input into lanes of items: the whole work of the step, without any S3.

mod lanes;
mod shape;

use std::io::{self, Read};
use std::sync::Arc;

use job::job_file::{Compression, Format, OutputFormat};
use job::plan::InputFacts;
use job::{ErrorName, Job, Plan, StepError};
use serde::{Deserialize, Serialize};

use crate::batches::Pieces;
use crate::normalise::Keys;
use crate::records::{Position, Records};
use crate::window::Window;
use crate::{facts, source};
use lanes::Lanes;
use shape::Shape;

/// Takes the items of all lanes.
pub trait Sink {
    /// Takes some whole items of a lane: JSON objects, one a line.
    ///
    /// # Errors
    /// Any error ends the split.
    fn items(&mut self, lane: &str, items: Vec<u8>) -> io::Result<()>;

    /// Told the names of the columns before the first item. Those of JSONL stand in each line: none are told.
    fn columns(&mut self, _columns: &Arc<[String]>) {}

    /// Told now and then how far the split is: lines and bytes of the decompressed input.
    fn progress(&mut self, _lines: u64, _bytes: u64) {}
}

/// How a split ended.
#[derive(Debug)]
pub(crate) enum Split {
    /// At the end of the input.
    Done(Plan),
    /// Where a pause was asked for; all items up to there were handed on.
    Paused(Checkpoint),
}

/// Where a split goes on: see [`resume`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) compression: Compression,
    format: Format,
    delimiter: u8,
    position: Position,
    lines: u64,
    columns: Vec<String>,
    /// Keys of JSONL objects so far.
    keys: Vec<String>,
    /// Beside the job's lanes.
    lanes: Vec<Pieces>,
}

impl Checkpoint {
    /// In the decompressed input.
    pub(crate) fn offset(&self) -> u64 {
        self.position.offset
    }
}

/// Splits a stream into items and plans the lanes. `file` is the input's name.
///
/// # Errors
/// `Job.Invalid` when the job does not fit the input, `Input.Unreadable` when the stream breaks off, cannot be
/// decompressed or is no text; errors of the sink and the stream that carry a [`StepError`] come back as they are.
pub fn split(stream: impl Read, job: &Arc<Job>, file: &str, sink: &mut impl Sink) -> Result<Plan, StepError> {
    match start(stream, job, file, sink, || false)? {
        Split::Done(plan) => Ok(plan),
        Split::Paused(_) => unreachable!("no pause is asked for"),
    }
}

/// As [`split`]; `pause` is asked behind each record whether to leave the rest to another call.
pub(crate) fn start(
    stream: impl Read,
    job: &Arc<Job>,
    file: &str,
    sink: &mut impl Sink,
    pause: impl FnMut() -> bool,
) -> Result<Split, StepError> {
    let unreadable = |error: io::Error| input_error(file, 0, error);
    let (head, stream) = source::peek(stream).map_err(unreadable)?;
    let compression = job.input.compression.unwrap_or_else(|| source::compression_of(&head));
    refuse(file, &head, compression)?;
    let (head, stream) = source::decompress(stream, compression).and_then(source::peek).map_err(unreadable)?;
    refuse(file, &head, Compression::None)?;
    let format = job.input.format.unwrap_or_else(|| facts::format_of(file, &head));
    let delimiter = job.input.delimiter.unwrap_or_else(|| facts::delimiter_of(format));
    let records = Records::new(Window::new(stream), format, delimiter).map_err(unreadable)?;
    let shape = Shape::new(job, format, Keys::default());
    Splitter { records, shape, lanes: Lanes::new(job), n: 0, file, compression, delimiter }.run(sink, pause)
}

/// Goes on with a split: `stream` begins at the checkpoint's offset where the input is not compressed, and otherwise at its
/// beginning. It is `Input.Unreadable` to pause again before the checkpoint is reached.
pub(crate) fn resume(
    stream: impl Read,
    checkpoint: Checkpoint,
    job: &Arc<Job>,
    file: &str,
    sink: &mut impl Sink,
    mut pause: impl FnMut() -> bool,
) -> Result<Split, StepError> {
    let Checkpoint { compression, format, delimiter, position, lines, columns, keys, lanes } = checkpoint;
    let offset = position.offset;
    let mut stream = source::decompress(stream, compression).map_err(|error| input_error(file, 0, error))?;
    if compression != Compression::None {
        source::skip(&mut stream, offset, &mut pause).map_err(|error| input_error(file, offset, error))?;
    }
    let records = Records::resume(Window::at(stream, offset), format, delimiter, position);
    let lanes = Lanes::with(job, lanes);
    let mut shape = Shape::new(job, format, Keys::new(keys));
    shape.know_columns(columns, &lanes.router);
    Splitter { records, shape, lanes, n: lines, file, compression, delimiter }.run(sink, pause)
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
    /// Records so far.
    n: u64,
    file: &'a str,
    compression: Compression,
    delimiter: u8,
}

impl<R: Read> Splitter<'_, R> {
    fn run(mut self, sink: &mut impl Sink, mut pause: impl FnMut() -> bool) -> Result<Split, StepError> {
        let file = self.file;
        if self.n == 0 && self.has_header() {
            match self.records.next().map_err(|error| input_error(file, 0, error))? {
                None => return self.plan(sink),
                Some(record) => self.shape.read_header(file, &record, &self.lanes.router)?,
            }
        }
        loop {
            let offset = self.records.offset();
            let located = |error| input_error(file, offset, error);
            let Some(record) = self.records.next().map_err(located)? else { return self.plan(sink) };
            self.n += 1;
            if self.shape.columns.is_none() {
                self.shape.first_record(&record, &self.lanes.router)?;
            }
            if self.n == 1 {
                sink.columns(self.shape.columns());
            }
            if self.lanes.take(self.n, &record, &mut self.shape, sink).map_err(located)? {
                sink.progress(self.n, offset);
            }
            if pause() {
                return self.pause(sink);
            }
        }
    }

    fn has_header(&self) -> bool {
        matches!(self.shape.format, Format::Csv | Format::Tsv) && self.shape.job.input.header
    }

    fn pause(mut self, sink: &mut impl Sink) -> Result<Split, StepError> {
        let position = self.records.pause();
        let lanes = self.lanes.pause(sink).map_err(|error| input_error(self.file, position.offset, error))?;
        let Self { shape, n, compression, delimiter, .. } = self;
        Ok(Split::Paused(Checkpoint {
            compression,
            format: shape.format,
            delimiter,
            position,
            lines: n,
            columns: shape.columns().to_vec(),
            keys: shape.keys.names,
            lanes,
        }))
    }

    fn plan(self, sink: &mut impl Sink) -> Result<Split, StepError> {
        let (header, bytes) = (self.has_header(), self.records.offset());
        let Self { records, shape, lanes, n, file, compression, delimiter } = self;
        let lanes = lanes.plan(sink).map_err(|error| input_error(file, bytes, error))?;
        sink.progress(n, bytes);
        let output = shape.job.output.format.unwrap_or(if shape.format == Format::Jsonl { OutputFormat::Jsonl } else { OutputFormat::Csv });
        let columns = match shape.format {
            Format::Jsonl => shape.keys.names,
            _ => shape.columns.map(|columns| columns.to_vec()).unwrap_or_default(),
        };
        Ok(Split::Done(Plan {
            input: InputFacts {
                file: file.to_owned(),
                format: shape.format,
                compression,
                delimiter,
                header,
                columns,
                lines: n,
                blank: records.blank(),
                bytes,
            },
            output,
            extracted: shape.job.output.columns.names().map(str::to_owned).collect(),
            lanes,
        }))
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Default, Debug, PartialEq)]
    struct Items(BTreeMap<String, Vec<u8>>);

    impl Sink for Items {
        fn items(&mut self, lane: &str, items: Vec<u8>) -> io::Result<()> {
            self.0.entry(lane.to_owned()).or_default().extend(items);
            Ok(())
        }
    }

    const JOB: &str = r#"
        [request]
        url = "https://{{ KEY }}.example.com/"
        [limits."a.example.com"]
        rate = "1000/s"
    "#;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Splits with a pause behind every so many records.
    fn in_calls(input: &[u8], job: &Arc<Job>, file: &str, records: &[usize]) -> Result<(Plan, Items, usize), StepError> {
        let (mut items, mut calls, mut from) = (Items::default(), 0, None::<Checkpoint>);
        loop {
            let mut left = records.get(calls).copied().unwrap_or(1 << 20);
            let count = |mut left: usize| {
                move || {
                    left = left.saturating_sub(1);
                    left == 0
                }
            };
            calls += 1;
            let ended = match from.take() {
                None => start(input, job, file, &mut items, count(left))?,
                Some(from) => {
                    let from: Checkpoint = serde_json::from_slice(&serde_json::to_vec(&from).unwrap()).unwrap();
                    let begin = if from.compression == Compression::None { usize::try_from(from.offset()).unwrap() } else { 0 };
                    // A look at the clock while the beginning is skipped.
                    left += usize::from(begin == 0);
                    resume(&input[begin..], from, job, file, &mut items, count(left))?
                }
            };
            match ended {
                Split::Done(plan) => return Ok((plan, items, calls)),
                Split::Paused(checkpoint) => from = Some(checkpoint),
            }
        }
    }

    proptest! {
        #[test]
        fn a_split_in_several_calls_is_the_split_in_one(
            format in prop::sample::select(vec!["csv", "tsv", "jsonl", "txt"]),
            compressed: bool,
            parts in prop::collection::vec(prop::sample::select(vec![
                "a", "b,1", "\"q\nr\",2", "\r\n", "\n", "\r", "\n\n", "{\"KEY\":\"a\"}", "{\"KEY\":1,\"x\":[]}", "\"", "a\n", "b\r\n", "a\t7\n",
            ]), 0..40),
            records in prop::collection::vec(1_usize..6, 1..6),
        ) {
            let key = if format == "txt" { "line" } else { "key" };
            let job = Arc::new(Job::parse(&JOB.replace("KEY", key), "job.toml").unwrap());
            let header = if matches!(format, "csv" | "tsv") { "key\n" } else { "" };
            let text = format!("{header}{}", parts.concat().replace("KEY", "key"));
            let input = if compressed { gzip(text.as_bytes()) } else { text.into_bytes() };
            let file = format!("f.{format}");
            let mut whole = Items::default();
            let plan = split(input.as_slice(), &job, &file, &mut whole).unwrap();
            let (paused, items, calls) = in_calls(&input, &job, &file, &records).unwrap();
            prop_assert_eq!(&items, &whole);
            prop_assert_eq!(&paused.input, &plan.input);
            prop_assert!(calls > 1 || plan.input.lines < records[0] as u64);
            for (paused, lane) in paused.lanes.iter().zip(&plan.lanes) {
                prop_assert_eq!((&paused.name, paused.lines, paused.bytes), (&lane.name, lane.lines, lane.bytes));
                let (mut lines, mut at) = (0, 0);
                for batch in &paused.batches {
                    prop_assert_eq!(batch.from, at);
                    (lines, at) = (lines + batch.lines, batch.to);
                }
                prop_assert_eq!((lines, at), (lane.lines, lane.bytes));
            }
        }
    }

    #[test]
    fn an_input_whose_beginning_takes_a_whole_call_is_refused() {
        let job = Arc::new(Job::parse("[request]\nurl = \"https://example.com/{{ line }}\"", "job.toml").unwrap());
        let input = gzip(b"one\ntwo\n");
        let Split::Paused(checkpoint) = start(input.as_slice(), &job, "f.txt", &mut Items::default(), || true).unwrap() else {
            panic!("it was asked to pause")
        };
        let error = resume(input.as_slice(), checkpoint, &job, "f.txt", &mut Items::default(), || true).unwrap_err();
        assert_eq!(error.name, ErrorName::InputUnreadable);
        assert!(error.message.contains("without compression"), "{}", error.message);
    }
}
