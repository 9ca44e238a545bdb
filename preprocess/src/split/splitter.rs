//! Moves records from the input to the lanes, and ends with a plan or a checkpoint.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use job::file::Selection;
use job::run::{FORMAT, InputFacts};
use job::{ErrorName, Plan, StepError};

use super::lanes::Lanes;
use super::normalise::Normaliser;
use super::records::{Layout, Records, SyntaxError, WrappedArray};
use super::{Checkpoint, Sink, Split};

pub(super) struct Splitter<'a, R> {
    pub(super) records: Records<R>,
    pub(super) normaliser: Normaliser<'a>,
    pub(super) lanes: Lanes,
    /// Records so far.
    pub(super) n: u64,
    /// The input's name.
    pub(super) file: &'a str,
    pub(super) layout: Layout,
    /// Whether other bytes follow the compressed data.
    pub(super) garbage: Rc<Cell<bool>>,
    /// The line of the header in the file.
    pub(super) first_line: u64,
    /// The file has more records than the run.
    pub(super) limited: bool,
}

impl<R: Read> Splitter<'_, R> {
    /// Splits until the end, or until `pause`, which is called after each record, returns true. Then `hold` gets
    /// the checkpoint, and the split goes on if it returns true.
    pub(super) fn run(
        mut self,
        sink: &mut impl Sink,
        mut pause: impl FnMut() -> bool,
        mut hold: impl FnMut(&Checkpoint) -> bool,
    ) -> Result<Split, StepError> {
        let file = self.file;
        if self.n == 0 && self.has_header() {
            match self.records.next().map_err(|error| input_error(file, 0, error))? {
                None => return self.plan(sink),
                Some(record) => self.normaliser.read_header(file, self.first_line, &record)?,
            }
        }
        loop {
            let offset = self.records.offset();
            let located = |error| input_error(file, offset, error);
            let Some(record) = self.records.next().map_err(located)? else { return self.plan(sink) };
            let selection = self.normaliser.job.input.selection.as_ref();
            if selection.and_then(Selection::last).is_some_and(|last| self.n >= last) {
                self.limited = true;
                return self.plan(sink);
            }
            self.n += 1;
            let selected = selection.is_none_or(|selection| selection.has(self.n));
            if self.normaliser.columns.is_none() {
                self.normaliser.read_first(&record)?;
            }
            if self.n == 1 {
                self.lanes.set_columns(self.normaliser.columns());
                sink.columns(self.normaliser.columns());
            }
            if !selected {
                self.limited = true;
            } else if self.lanes.add(self.n, &record, &mut self.normaliser, sink).map_err(located)? {
                sink.progress(self.n, offset);
            }
            if pause() {
                let checkpoint = self.pause(sink)?;
                if !hold(&checkpoint) {
                    return Ok(Split::Paused(checkpoint));
                }
            }
        }
    }

    fn has_header(&self) -> bool {
        self.normaliser.format.is_delimited() && self.normaliser.job.input.header
    }

    fn pause(&mut self, sink: &mut impl Sink) -> Result<Checkpoint, StepError> {
        let position = self.records.pause();
        let lanes = self.lanes.pause(sink).map_err(|error| input_error(self.file, position.offset, error))?;
        let mut layout = self.layout.clone();
        layout.notes.clone_from(&self.normaliser.notes);
        Ok(Checkpoint {
            layout,
            position,
            lines: self.n,
            limited: self.limited,
            columns: self.normaliser.columns().to_vec(),
            keys: self.normaliser.keys.names.clone(),
            lanes,
        })
    }

    fn plan(self, sink: &mut impl Sink) -> Result<Split, StepError> {
        let (header, bytes) = (self.has_header(), self.records.offset());
        let Self { records, mut normaliser, lanes, n, file, layout, garbage, limited, .. } = self;
        let lanes = lanes.plan(sink).map_err(|error| input_error(file, bytes, error))?;
        if limited && lanes.is_empty() {
            let message = format!("{file}: of its lines, the first {n} of which were read, none is selected");
            return Err(StepError::new(ErrorName::InputUnreadable, message));
        }
        sink.progress(n, bytes);
        let output = normaliser.job.output_format(layout.format)?;
        let columns = if layout.format.is_json() {
            normaliser.keys.names
        } else {
            normaliser.columns.map(|columns| columns.to_vec()).unwrap_or_default()
        };
        if records.quoted() > 0 && normaliser.job.input.quote.is_none() {
            normaliser.notes.push(format!(
                "{} lines have a field in quotes, and quotes are ordinary characters in TSV: set input.quote = '\"' if they quote fields",
                records.quoted()
            ));
        }
        if garbage.get() {
            normaliser
                .notes
                .push("the bytes after the compressed data are not part of it and are ignored".to_owned());
        }
        Ok(Split::Done(Plan {
            format: FORMAT,
            continues: None,
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
                lines: lanes.iter().map(|lane| lane.lines).sum(),
                limited,
                selection: normaliser.job.input.selection.clone().filter(|_| limited),
                blank: records.blank(),
                bytes,
                notes: normaliser.notes,
            },
            output,
            extracted: normaliser.job.output.columns.names().map(str::to_owned).collect(),
            lanes,
        }))
    }
}

/// The step's error for an error of the stream, of the input's syntax, or of the sink.
pub(super) fn input_error(file: &str, offset: u64, error: io::Error) -> StepError {
    let inner = error.get_ref();
    if let Some(step) = inner.and_then(|inner| inner.downcast_ref::<StepError>()) {
        return step.clone();
    }
    if let Some(WrappedArray { member }) = inner.and_then(|inner| inner.downcast_ref::<WrappedArray>()) {
        let message = format!(
            "{file}: it is one JSON object around an array: take the array out, for example with jq '.{member}' {file}"
        );
        return StepError::new(ErrorName::InputUnreadable, message);
    }
    let message = match inner.and_then(|inner| inner.downcast_ref::<SyntaxError>()) {
        Some(SyntaxError { line, at, what }) => format!("{file}:{line}: {what} (byte {at})"),
        None => format!(
            "{file} cannot be read beyond byte {offset} of its decompressed content: {error}. Is the file complete?"
        ),
    };
    StepError::new(ErrorName::InputUnreadable, message)
}
