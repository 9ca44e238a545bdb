//! Splits one input into lanes of items: the whole work of the step, without the store.
//!
//! A stream is decompressed and decoded (`source`), read record by record (`records`), normalised to JSON
//! (`normalise`), and written to the lane (`lanes`) that the router chooses (`route`); each lane is cut into
//! batches (`batches`).

mod batches;
mod lanes;
mod normalise;
mod records;
mod route;
mod shape;
mod source;
mod splitter;
mod wanted;

use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

use job::file::Compression;
use job::{Environment, ErrorName, Job, Plan, StepError};
use serde::{Deserialize, Serialize};

use batches::Pieces;
use lanes::Lanes;
use normalise::{Keys, Normaliser};
use records::{Layout, Position, Records};
pub(crate) use shape::Shape;
use source::Window;
use source::compression::decompress;
use source::{encoding, format};
use splitter::{Splitter, input_error};

/// Takes the items of all lanes.
pub trait Sink {
    /// Takes some whole items of a lane: JSON objects, one a line.
    ///
    /// # Errors
    /// Any error ends the split.
    fn items(&mut self, lane: &str, items: Vec<u8>) -> io::Result<()>;

    /// Called with the names of the columns before the first item. For JSONL there are none: each line has
    /// its own keys.
    fn columns(&mut self, _columns: &Arc<[String]>) {}

    /// Called now and then with the progress: lines, and bytes of the decompressed input.
    fn progress(&mut self, _lines: u64, _bytes: u64) {}
}

/// How a split ended.
#[derive(Debug)]
pub(crate) enum Split {
    /// At the end of the input.
    Done(Plan),
    /// At a pause that was asked for. All items before it are with the sink.
    Paused(Checkpoint),
}

/// Where a split continues: see [`resume`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    layout: Layout,
    position: Position,
    lines: u64,
    #[serde(default)]
    limited: bool,
    columns: Vec<String>,
    /// Keys of JSON objects so far.
    keys: Vec<String>,
    /// One for each lane of the job.
    lanes: Vec<Pieces>,
}

impl Checkpoint {
    /// The offset in the input, decompressed and decoded.
    pub(crate) fn offset(&self) -> u64 {
        self.position.offset
    }

    /// The offset in the file at which the next call begins to read.
    pub(crate) fn begin(&self) -> u64 {
        if self.layout.is_plain() { self.position.offset } else { 0 }
    }

    /// Whether the next call must read again what is before [`Checkpoint::offset`].
    pub(crate) fn reads_again(&self) -> bool {
        self.begin() < self.offset()
    }
}

/// Splits a stream into items and plans the lanes, as on one machine. `file` is the input's name.
///
/// # Errors
/// `Job.Invalid` if the job does not fit the input, `Input.Unreadable` if the stream breaks off, cannot be
/// decompressed or is not text. An error of the sink or the stream that carries a [`StepError`] is returned
/// as that.
pub fn split(stream: impl Read, job: &Arc<Job>, file: &str, sink: &mut impl Sink) -> Result<Plan, StepError> {
    let shape = Shape::new(Environment::Local, 0);
    match start(stream, job, file, shape, sink, (|| false, |_: &Checkpoint| false))? {
        Split::Done(plan) => Ok(plan),
        Split::Paused(_) => unreachable!("no pause is asked for"),
    }
}

/// Like [`split`], but calls `pause` after each record. If that returns true, `hold` gets a checkpoint, from which
/// another call can continue. This one goes on if `hold` returns true.
///
/// # Errors
/// As [`split`].
pub(crate) fn start(
    stream: impl Read,
    job: &Arc<Job>,
    file: &str,
    shape: Shape,
    sink: &mut impl Sink,
    (pause, hold): (impl FnMut() -> bool, impl FnMut(&Checkpoint) -> bool),
) -> Result<Split, StepError> {
    let unreadable = |error: io::Error| input_error(file, 0, error);
    let refuse =
        |reason: &str| StepError::new(ErrorName::InputUnreadable, format!("{file} cannot be read: {reason}"));
    let check = |head: &[u8]| format::unreadable(head).map_or(Ok(()), |reason| Err(refuse(reason)));
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
        Layout::detect(&mut window, job, file, compression, encoding).map_err(unreadable)?;
    if Some(layout.dialect.delimiter) == layout.dialect.quote
        || Some(layout.dialect.delimiter) == layout.dialect.escape
    {
        return Err(job
            .error_at(&["input", "delimiter"], "the delimiter is also the quote or the escape")
            .into());
    }
    Splitter {
        records: Records::at(window, &layout, &position),
        normaliser: Normaliser::new(job, &layout, Keys::default()),
        lanes: Lanes::new(job, layout.format, shape),
        n: 0,
        file,
        layout,
        garbage,
        first_line: position.line(),
        limited: false,
    }
    .run(sink, pause, hold)
}

/// Continues a split in another call: `stream` begins at [`Checkpoint::begin`].
///
/// # Errors
/// As [`split`], and `Input.Unreadable` if there is a pause again before the checkpoint is reached.
pub(crate) fn resume(
    stream: impl Read,
    checkpoint: Checkpoint,
    job: &Arc<Job>,
    file: &str,
    shape: Shape,
    sink: &mut impl Sink,
    (mut pause, hold): (impl FnMut() -> bool, impl FnMut(&Checkpoint) -> bool),
) -> Result<Split, StepError> {
    let skipped = checkpoint.offset() - checkpoint.begin();
    let Checkpoint { layout, position, lines, limited, columns, keys, lanes } = checkpoint;
    let garbage = Rc::default();
    let mut stream =
        encoding::decode(decompress(stream, layout.compression, Rc::clone(&garbage)), layout.encoding());
    source::skip(&mut stream, skipped, &mut pause)
        .map_err(|error| input_error(file, position.offset, error))?;
    let columns: Arc<[String]> = columns.into();
    let mut lanes = Lanes::resume(job, layout.format, shape, lanes);
    lanes.set_columns(&columns);
    let mut normaliser = Normaliser::new(job, &layout, Keys::new(keys));
    normaliser.columns = Some(columns);
    let records = Records::at(Window::at(stream, position.offset), &layout, &position);
    Splitter { records, normaliser, lanes, n: lines, file, layout, garbage, first_line: 0, limited }
        .run(sink, pause, hold)
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

    const SHAPE: Shape = Shape { hashed_lanes: 4, batch_bytes: 8 << 20 };

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

    /// Splits in several calls, with a pause after each of these numbers of records.
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
                None => start(input, job, file, SHAPE, &mut items, (count(left), |_: &Checkpoint| false))?,
                Some(from) => {
                    let from: Checkpoint =
                        serde_json::from_slice(&serde_json::to_vec(&from).unwrap()).unwrap();
                    let begin = usize::try_from(from.begin()).unwrap();
                    // `pause` is called once more while the beginning is skipped.
                    left += usize::from(begin == 0);
                    resume(
                        &input[begin..],
                        from,
                        job,
                        file,
                        SHAPE,
                        &mut items,
                        (count(left), |_: &Checkpoint| false),
                    )?
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
        fn a_split_in_several_calls_equals_the_split_in_one(
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
            let encoding_line = if encoding.is_empty() { String::new() } else { format!("encoding = \"{encoding}\"") };
            let input = format!("[input]\nskip = {skip}\nblank = \"{blank}\"\n{encoding_line}\n{quote}\n");
            let job = Arc::new(Job::parse(&format!("{input}{}", JOB.replace("KEY", key)), "job.toml").unwrap());
            let header = if matches!(format, "csv" | "tsv") { "key\n" } else { "" };
            // A JSON file can be split only if it is valid between its items.
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
            // A split that is held goes on as if there had been no pause.
            let (mut held, mut holds) = (Items::default(), 0);
            let hold = |_: &Checkpoint| { holds += 1; true };
            let ended = start(input.as_slice(), &job, &file, SHAPE, &mut held, (|| true, hold)).unwrap();
            let Split::Done(held_plan) = ended else { panic!("it was held") };
            prop_assert_eq!(&held, &whole);
            prop_assert_eq!((&held_plan.input, holds), (&plan.input, plan.input.lines));
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
    fn an_input_is_refused_if_skipping_to_the_checkpoint_takes_a_whole_call() {
        let job =
            Arc::new(Job::parse("[request]\nurl = \"https://example.com/{{ line }}\"", "job.toml").unwrap());
        let input = gzip(b"one\ntwo\n");
        let Split::Paused(checkpoint) = start(
            input.as_slice(),
            &job,
            "f.txt",
            SHAPE,
            &mut Items::default(),
            (|| true, |_: &Checkpoint| false),
        )
        .unwrap() else {
            panic!("it was asked to pause")
        };
        let error = resume(
            input.as_slice(),
            checkpoint,
            &job,
            "f.txt",
            SHAPE,
            &mut Items::default(),
            (|| true, |_: &Checkpoint| false),
        )
        .unwrap_err();
        assert_eq!(error.name, ErrorName::InputUnreadable);
        assert!(error.message.contains("without compression"), "{}", error.message);
    }
}
