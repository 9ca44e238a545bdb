//! Splits one input into lanes of items: the whole work of the step, without any S3.

mod header;
mod lanes;
mod shape;

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

use job::job_file::Compression;
use job::plan::InputFacts;
use job::{ErrorName, Job, Plan, StepError};
use serde::{Deserialize, Serialize};

use crate::batches::Pieces;
use crate::layout::Layout;
use crate::members::decompress;
use crate::normalise::Keys;
use crate::records::{Misplaced, Position, Records, Wrapped};
use crate::window::Window;
use crate::{encoding, facts, source};
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
    layout: Layout,
    position: Position,
    lines: u64,
    columns: Vec<String>,
    /// Keys of JSONL objects so far.
    keys: Vec<String>,
    /// Beside the job's lanes.
    lanes: Vec<Pieces>,
}

impl Checkpoint {
    /// In the input, decompressed and decoded.
    pub(crate) fn offset(&self) -> u64 {
        self.position.offset
    }

    /// Where in the file the next call begins to read.
    pub(crate) fn begin(&self) -> u64 {
        if self.layout.is_plain() { self.position.offset } else { 0 }
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
    let refuse =
        |reason: &str| StepError::new(ErrorName::InputUnreadable, format!("{file} cannot be read: {reason}"));
    let check = |head: &[u8]| facts::unreadable(head).map_or(Ok(()), |reason| Err(refuse(reason)));
    let (head, stream) = source::peek(stream).map_err(unreadable)?;
    let compression = job.input.compression.unwrap_or_else(|| Compression::of(&head));
    check(&head)?;
    let garbage = Rc::default();
    let (head, stream) =
        source::peek(decompress(stream, compression, Rc::clone(&garbage))).map_err(unreadable)?;
    check(&head)?;
    let encoding = encoding::encoding_of(&head, job.input.encoding).map_err(refuse)?;
    let mut window = Window::new(encoding::decode(stream, encoding));
    let (layout, position) =
        Layout::find(&mut window, job, file, compression, encoding).map_err(unreadable)?;
    if Some(layout.dialect.delimiter) == layout.dialect.quote
        || Some(layout.dialect.delimiter) == layout.dialect.escape
    {
        return Err(job
            .error_at(&["input", "delimiter"], "the delimiter is also the quote or the escape")
            .into());
    }
    let records = Records::at(window, &layout, &position);
    let shape = Shape::new(job, &layout, Keys::default());
    Splitter {
        records,
        shape,
        lanes: Lanes::new(job),
        n: 0,
        file,
        layout,
        garbage,
        first_line: position.line(),
    }
    .run(sink, pause)
}

/// Goes on with a split: `stream` begins where [`Checkpoint::begin`] says. It is `Input.Unreadable` to pause again before the
/// checkpoint is reached.
pub(crate) fn resume(
    stream: impl Read,
    checkpoint: Checkpoint,
    job: &Arc<Job>,
    file: &str,
    sink: &mut impl Sink,
    mut pause: impl FnMut() -> bool,
) -> Result<Split, StepError> {
    let left_out = checkpoint.offset() - checkpoint.begin();
    let Checkpoint { layout, position, lines, columns, keys, lanes } = checkpoint;
    let garbage = Rc::default();
    let mut stream =
        encoding::decode(decompress(stream, layout.compression, Rc::clone(&garbage)), layout.encoding());
    source::skip(&mut stream, left_out, &mut pause)
        .map_err(|error| input_error(file, position.offset, error))?;
    let records = Records::at(Window::at(stream, position.offset), &layout, &position);
    let lanes = Lanes::with(job, lanes);
    let mut shape = Shape::new(job, &layout, Keys::new(keys));
    shape.know_columns(columns, &lanes.router);
    Splitter { records, shape, lanes, n: lines, file, layout, garbage, first_line: 0 }.run(sink, pause)
}

struct Splitter<'a, R> {
    records: Records<R>,
    shape: Shape<'a>,
    lanes: Lanes,
    /// Records so far.
    n: u64,
    file: &'a str,
    layout: Layout,
    /// Something stands behind the compressed data.
    garbage: Rc<Cell<bool>>,
    /// Of the header, in the file.
    first_line: u64,
}

impl<R: Read> Splitter<'_, R> {
    fn run(mut self, sink: &mut impl Sink, mut pause: impl FnMut() -> bool) -> Result<Split, StepError> {
        let file = self.file;
        if self.n == 0 && self.has_header() {
            match self.records.next().map_err(|error| input_error(file, 0, error))? {
                None => return self.plan(sink),
                Some(record) => self.shape.read_header(file, self.first_line, &record, &self.lanes.router)?,
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
        self.shape.format.is_delimited() && self.shape.job.input.header
    }

    fn pause(mut self, sink: &mut impl Sink) -> Result<Split, StepError> {
        let position = self.records.pause();
        let lanes = self.lanes.pause(sink).map_err(|error| input_error(self.file, position.offset, error))?;
        let Self { shape, n, mut layout, .. } = self;
        layout.notes = shape.notes.clone();
        Ok(Split::Paused(Checkpoint {
            layout,
            position,
            lines: n,
            columns: shape.columns().to_vec(),
            keys: shape.keys.names,
            lanes,
        }))
    }

    fn plan(self, sink: &mut impl Sink) -> Result<Split, StepError> {
        let (header, bytes) = (self.has_header(), self.records.offset());
        let Self { records, mut shape, lanes, n, file, layout, garbage, .. } = self;
        let lanes = lanes.plan(sink).map_err(|error| input_error(file, bytes, error))?;
        sink.progress(n, bytes);
        let keyed = layout.format.is_json();
        let output = shape.job.output_format(layout.format)?;
        let columns = if keyed {
            shape.keys.names
        } else {
            shape.columns.map(|columns| columns.to_vec()).unwrap_or_default()
        };
        if records.quoted() > 0 && shape.job.input.quote.is_none() {
            shape.notes.push(format!(
                "{} lines have a field in quotes, which are characters like any other in TSV: set input.quote = '\"' if they quote",
                records.quoted()
            ));
        }
        if garbage.get() {
            shape
                .notes
                .push("what stands behind the compressed data is no part of it, and is ignored".to_owned());
        }
        Ok(Split::Done(Plan {
            input: InputFacts {
                file: file.to_owned(),
                format: layout.format,
                compression: layout.compression,
                encoding: layout.encoding().name().to_owned(),
                delimiter: layout.dialect.delimiter,
                quote: layout.dialect.quote,
                escape: layout.dialect.escape,
                preamble: layout.preamble,
                header,
                columns,
                lines: n,
                blank: records.blank(),
                bytes,
                notes: shape.notes,
            },
            output,
            extracted: shape.job.output.columns.names().map(str::to_owned).collect(),
            lanes,
        }))
    }
}

fn input_error(file: &str, offset: u64, error: io::Error) -> StepError {
    let inner = error.get_ref();
    if let Some(step) = inner.and_then(|inner| inner.downcast_ref::<StepError>()) {
        return step.clone();
    }
    if let Some(Wrapped { member }) = inner.and_then(|inner| inner.downcast_ref::<Wrapped>()) {
        let message = format!(
            "{file}: it is one JSON object around an array: take the array out, for example with jq '.{member}' {file}"
        );
        return StepError::new(ErrorName::InputUnreadable, message);
    }
    let message = match inner.and_then(|inner| inner.downcast_ref::<Misplaced>()) {
        Some(Misplaced { line, at, what }) => format!("{file}:{line}: {what} (byte {at})"),
        None => format!(
            "{file} cannot be read on after byte {offset} of its decompressed content: {error}. Is the file complete?"
        ),
    };
    StepError::new(ErrorName::InputUnreadable, message)
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
    fn in_calls(
        input: &[u8],
        job: &Arc<Job>,
        file: &str,
        records: &[usize],
    ) -> Result<(Plan, Items, usize), StepError> {
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
                    let from: Checkpoint =
                        serde_json::from_slice(&serde_json::to_vec(&from).unwrap()).unwrap();
                    let begin = usize::try_from(from.begin()).unwrap();
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
            format in prop::sample::select(vec!["csv", "tsv", "jsonl", "txt", "json"]),
            before in prop::sample::select(vec!["", "sep=;\n", "\u{feff}", "title\r\n\n", "\u{feff}sep=,\r\n"]),
            encoding in prop::sample::select(vec!["", "utf-16be", "utf-16le", "windows-1252"]),
            quote in prop::sample::select(vec!["", "quote = 'q'", "escape = 'q'"]),
            keep: bool,
            compressed: bool,
            parts in prop::collection::vec(prop::sample::select(vec![
                "a", "b,1", "\"q\nr\",2", "\r\n", "\n", "\r", "\n\n", "{\"KEY\":\"a\"}", "{\"KEY\":1,\"x\":[]}", "\"", "a\n", "b\r\n", "a\t7\n",
                "a;é\n", "q", ";", ",,\n", "{\"KEY\":\n2}\n",
            ]), 0..40),
            records in prop::collection::vec(1_usize..6, 1..6),
        ) {
            let key = if format == "txt" { "line" } else { "key" };
            let skip = if before.starts_with('t') { 2 } else { 0 };
            let blank = if keep { "keep" } else { "skip" };
            let said = if encoding.is_empty() { String::new() } else { format!("encoding = \"{encoding}\"") };
            let input = format!("[input]\nskip = {skip}\nblank = \"{blank}\"\n{said}\n{quote}\n");
            let job = Arc::new(Job::parse(&format!("{input}{}", JOB.replace("KEY", key)), "job.toml").unwrap());
            let header = if matches!(format, "csv" | "tsv") { "key\n" } else { "" };
            // Of a JSON file only what is one can be split.
            let parts = if format == "json" { parts.into_iter().filter(|part| part.contains('{')).collect() } else { parts };
            let before = if before.contains("sep") && !matches!(format, "csv" | "tsv") { "" } else { before };
            let text = format!("{before}{header}{}", parts.concat().replace("KEY", "key"));
            let text = match encoding {
                "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
                "windows-1252" if !before.contains('\u{feff}') => encoding_rs::WINDOWS_1252.encode(&text).0.into_owned(),
                _ => text.into_bytes(),
            };
            let input = if compressed { gzip(&text) } else { text };
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
        let job =
            Arc::new(Job::parse("[request]\nurl = \"https://example.com/{{ line }}\"", "job.toml").unwrap());
        let input = gzip(b"one\ntwo\n");
        let Split::Paused(checkpoint) =
            start(input.as_slice(), &job, "f.txt", &mut Items::default(), || true).unwrap()
        else {
            panic!("it was asked to pause")
        };
        let error =
            resume(input.as_slice(), checkpoint, &job, "f.txt", &mut Items::default(), || true).unwrap_err();
        assert_eq!(error.name, ErrorName::InputUnreadable);
        assert!(error.message.contains("without compression"), "{}", error.message);
    }
}
