//! Splits decoded text into records. Any bytes may come; each record is returned exactly once.

mod csv;
mod dialect;
mod field;
mod json;
mod layout;
mod lines;

use std::io::{self, Read};

use job::Code;
use job::file::Format;
use serde::{Deserialize, Serialize};

pub(super) use layout::{Layout, display};

use super::source::Window;

/// The maximum number of bytes of one record. A longer one is a failed line (`too_large`) that keeps its
/// first bytes.
const MAX_RECORD: usize = 8 << 20;
/// Bytes that are kept of a record that is too large.
const KEPT_OF_TOO_LARGE: usize = 1024;

/// One record.
pub(super) struct Record<'a> {
    /// Offset of its first byte in the input, decompressed and decoded.
    pub(super) at: u64,
    /// Its bytes without the line end.
    pub(super) raw: &'a [u8],
    /// The fields of a CSV or TSV record.
    pub(super) fields: Fields<'a>,
    /// Why it cannot be read as a record.
    pub(super) error: Option<LineError>,
}

/// Why a line fails before any request is made.
#[derive(Debug, Clone)]
pub(super) struct LineError {
    pub(super) code: Code,
    pub(super) detail: String,
}

impl LineError {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// The unquoted fields of a CSV record, one after the other.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) ends: &'a [usize],
    /// Bytes between two fields: 1 where the delimiters are still there.
    pub(super) gap: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&'a [u8]> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] + self.gap };
        Some(&self.bytes[start..end])
    }

    /// The start and the end of each field.
    pub(super) fn ranges(self) -> impl Iterator<Item = (usize, usize)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(move |end| end + self.gap));
        starts.zip(self.ends.iter().copied())
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.ranges().map(move |(from, to)| &self.bytes[from..to])
    }
}

/// Reads the records of one format.
pub(super) enum Records<R> {
    Lines(lines::LineReader<R>),
    Csv(Box<csv::CsvReader<R>>),
    Json(json::JsonReader<R>),
}

impl<R: Read> Records<R> {
    /// Reads from a position between two records, at which `window` begins.
    pub(super) fn at(window: Window<R>, layout: &Layout, position: &Position) -> Self {
        let keep_blank = layout.keep_blank;
        match layout.format {
            Format::Text | Format::Jsonl => {
                Self::Lines(lines::LineReader::at(window, layout.cr, keep_blank, position))
            }
            Format::Csv | Format::Tsv => {
                Self::Csv(Box::new(csv::CsvReader::at(window, layout.dialect, keep_blank, position)))
            }
            Format::Json => Self::Json(json::JsonReader::at(window, layout.guessed, position)),
        }
    }

    /// The position after the last record returned, from which another reader can continue.
    pub(super) fn pause(&mut self) -> Position {
        match self {
            Self::Lines(lines) => lines.pause(),
            Self::Csv(csv) => csv.pause(),
            Self::Json(json) => json.pause(),
        }
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        match self {
            Self::Lines(lines) => lines.next(),
            Self::Csv(csv) => csv.next(),
            Self::Json(json) => json.next(),
        }
    }

    /// Blank lines skipped so far.
    pub(super) fn blank(&self) -> u64 {
        match self {
            Self::Lines(lines) => lines.blank,
            Self::Csv(csv) => csv.blank,
            Self::Json(_) => 0,
        }
    }

    /// Records so far that have a field in quotes although quotes are ordinary characters.
    pub(super) fn quoted(&self) -> u64 {
        match self {
            Self::Csv(csv) => csv.quoted,
            _ => 0,
        }
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::Lines(lines) => lines.offset(),
            Self::Csv(csv) => csv.offset(),
            Self::Json(json) => json.offset(),
        }
    }
}

/// A position between two records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Offset in the input, decompressed and decoded.
    pub(super) offset: u64,
    /// Blank lines skipped before it.
    blank: u64,
    /// The byte before it is a CR: an LF after it belongs to the same line end.
    after_cr: bool,
    /// It is within a line that was too large, the rest of which is skipped.
    skipping: bool,
    /// Records before it that have a field in quotes although quotes are ordinary characters.
    quoted: u64,
    /// Its state within a JSON array.
    place: json::ArrayState,
    /// How much of a JSON value that was too large is read.
    value: Option<json::Value>,
    /// JSON items before it.
    items: u64,
    /// The member of the only JSON object before it that holds all items.
    around: Option<String>,
    /// Line ends before it, counted for JSON only.
    lines: u64,
}

impl Position {
    /// Where the first record begins.
    fn begin(offset: u64, lines: u64) -> Self {
        Self { offset, lines, ..Self::default() }
    }

    /// Its line in the file.
    pub(super) fn line(&self) -> u64 {
        self.lines + 1
    }
}

/// The input has a syntax error after which no record can be told apart from the next.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct SyntaxError {
    pub(super) line: u64,
    pub(super) at: u64,
    pub(super) what: String,
}

/// The input is one JSON object, and one of its members holds the items.
#[derive(Debug, thiserror::Error)]
#[error("one JSON object around {member}")]
pub(super) struct WrappedArray {
    pub(super) member: String,
}

fn syntax_error(line: u64, at: u64, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, SyntaxError { line, at, what: what.to_owned() })
}

fn too_large(at: u64, raw: &[u8]) -> Record<'_> {
    let detail = format!(
        "the record at byte {at} is longer than {} MiB; its first {KEPT_OF_TOO_LARGE} bytes are kept",
        MAX_RECORD >> 20
    );
    Record {
        at,
        raw: &raw[..raw.len().min(KEPT_OF_TOO_LARGE)],
        fields: Fields::default(),
        error: Some(LineError::new(Code::TooLarge, detail)),
    }
}
