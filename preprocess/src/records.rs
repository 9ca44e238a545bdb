//! Splits a byte stream into records. Any bytes in, every record out exactly once.

mod csv;
mod dialect;
mod field;
mod json;
mod lines;

use std::io::{self, Read};

use job::Code;
use job::job_file::Format;
use serde::{Deserialize, Serialize};

pub(crate) use dialect::{Dialect, sep_line};

use crate::layout::Layout;
use crate::window::Window;

/// Bytes of one record at most. A longer one is a failed line (`too_large`) that keeps its first bytes.
pub(crate) const MAX_RECORD: usize = 8 << 20;
/// How much of a record that is too large is kept.
const KEPT_OF_TOO_LARGE: usize = 1024;

/// One record.
pub(crate) struct Record<'a> {
    /// Offset of its first byte in the input, decompressed and decoded.
    pub(crate) at: u64,
    /// Its bytes without the line end.
    pub(crate) raw: &'a [u8],
    /// Its fields, of CSV and TSV.
    pub(crate) fields: Fields<'a>,
    /// Why it is no record after all.
    pub(crate) fault: Option<(Code, String)>,
}

/// The unquoted fields of a CSV record, one after the other.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) ends: &'a [usize],
    /// Bytes between two fields: 1 where the delimiters are still there.
    pub(crate) gap: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&'a [u8]> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] + self.gap };
        Some(&self.bytes[start..end])
    }

    /// Where each field begins and ends.
    pub(crate) fn places(self) -> impl Iterator<Item = (usize, usize)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(move |end| end + self.gap));
        starts.zip(self.ends.iter().copied())
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.places().map(move |(from, to)| &self.bytes[from..to])
    }
}

/// Reads records of one format.
pub(crate) enum Records<R> {
    Lines(lines::LineReader<R>),
    Csv(Box<csv::CsvReader<R>>),
    Json(json::JsonReader<R>),
}

impl<R: Read> Records<R> {
    /// Goes on at a place between two records; `window` begins there.
    pub(crate) fn at(window: Window<R>, layout: &Layout, position: &Position) -> Self {
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

    /// Where another reader can go on, behind the record handed out last.
    pub(crate) fn pause(&mut self) -> Position {
        match self {
            Self::Lines(lines) => lines.pause(),
            Self::Csv(csv) => csv.pause(),
            Self::Json(json) => json.pause(),
        }
    }

    /// The next record; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        match self {
            Self::Lines(lines) => lines.next(),
            Self::Csv(csv) => csv.next(),
            Self::Json(json) => json.next(),
        }
    }

    /// Blank lines passed over so far.
    pub(crate) fn blank(&self) -> u64 {
        match self {
            Self::Lines(lines) => lines.blank,
            Self::Csv(csv) => csv.blank,
            Self::Json(_) => 0,
        }
    }

    /// Records so far that have a field in quotes, where quotes are characters like any other.
    pub(crate) fn quoted(&self) -> u64 {
        match self {
            Self::Csv(csv) => csv.quoted,
            _ => 0,
        }
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> u64 {
        match self {
            Self::Lines(lines) => lines.offset(),
            Self::Csv(csv) => csv.offset(),
            Self::Json(json) => json.offset(),
        }
    }
}

/// A place between two records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// In the input, decompressed and decoded.
    pub(crate) offset: u64,
    /// Blank lines before it that were passed over.
    blank: u64,
    /// A CR lies before it: an LF behind it belongs to the same line end.
    after_cr: bool,
    /// It lies within a line that was too large: the rest is passed over.
    skipping: bool,
    /// Records before it that have a field in quotes, where these have no meaning.
    quoted: u64,
    /// In a JSON array.
    place: json::Place,
    /// How far it lies within a JSON value that was too large.
    value: Option<json::Value>,
    /// Items before it, of JSON.
    items: u64,
    /// The member of the only JSON object before it that holds all items.
    around: Option<String>,
    /// Line ends before it, of JSON.
    lines: u64,
}

impl Position {
    /// Where the first record begins.
    pub(crate) fn begin(offset: u64, lines: u64) -> Self {
        Self { offset, lines, ..Self::default() }
    }

    /// Its line in the file.
    pub(crate) fn line(&self) -> u64 {
        self.lines + 1
    }
}

/// The input cannot be read on from a place.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Misplaced {
    pub(crate) line: u64,
    pub(crate) at: u64,
    pub(crate) what: String,
}

/// The input is one JSON object, of which a member holds the items.
#[derive(Debug, thiserror::Error)]
#[error("one JSON object around {member}")]
pub(crate) struct Wrapped {
    pub(crate) member: String,
}

fn misplaced(line: u64, at: u64, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Misplaced { line, at, what: what.to_owned() })
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
        fault: Some((Code::TooLarge, detail)),
    }
}
