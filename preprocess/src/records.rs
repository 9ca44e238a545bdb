//! Splits a byte stream into records. Any bytes in, every record out exactly once.

mod csv;
mod lines;

use std::io::{self, Read};

use job::Code;
use job::job_file::Format;
use serde::{Deserialize, Serialize};

use crate::window::Window;

/// Bytes of one record at most. A longer one is a failed line (`too_large`) that keeps its first bytes.
pub(crate) const MAX_RECORD: usize = 8 << 20;
/// How much of a record that is too large is kept.
const KEPT_OF_TOO_LARGE: usize = 1024;

/// One record.
pub(crate) struct Record<'a> {
    /// Offset of its first byte in the decompressed input.
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
}

impl<R: Read> Records<R> {
    pub(crate) fn new(mut reader: Window<R>, format: Format, delimiter: u8) -> io::Result<Self> {
        skip_byte_order_mark(&mut reader)?;
        Ok(match format {
            Format::Text => Self::Lines(lines::LineReader::new(reader, false)),
            Format::Jsonl => Self::Lines(lines::LineReader::new(reader, true)),
            Format::Csv | Format::Tsv => Self::Csv(Box::new(csv::CsvReader::new(reader, delimiter))),
        })
    }

    /// Goes on where [`Records::pause`] ended; `reader` begins at that offset.
    pub(crate) fn resume(reader: Window<R>, format: Format, delimiter: u8, position: Position) -> Self {
        match format {
            Format::Text | Format::Jsonl => Self::Lines(lines::LineReader::resume(reader, format == Format::Jsonl, position)),
            Format::Csv | Format::Tsv => Self::Csv(Box::new(csv::CsvReader::resume(reader, delimiter, position))),
        }
    }

    /// Where another reader can go on, behind the record handed out last.
    pub(crate) fn pause(&mut self) -> Position {
        match self {
            Self::Lines(lines) => lines.pause(),
            Self::Csv(csv) => csv.pause(),
        }
    }

    /// The next record; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        match self {
            Self::Lines(lines) => lines.next(),
            Self::Csv(csv) => csv.next(),
        }
    }

    /// Blank lines passed over so far.
    pub(crate) fn blank(&self) -> u64 {
        match self {
            Self::Lines(lines) => lines.blank,
            Self::Csv(csv) => csv.blank,
        }
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> u64 {
        match self {
            Self::Lines(lines) => lines.offset(),
            Self::Csv(csv) => csv.offset(),
        }
    }
}

/// A place between two records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// In the decompressed input.
    pub(crate) offset: u64,
    /// Blank lines before it that were passed over.
    blank: u64,
    /// A CR lies before it: an LF behind it belongs to the same line end.
    after_cr: bool,
    /// It lies within a line that was too large: the rest is passed over.
    skipping: bool,
}

fn skip_byte_order_mark<R: Read>(window: &mut Window<R>) -> io::Result<()> {
    while window.bytes().len() < 3 && !window.ended() {
        window.fill()?;
    }
    if window.bytes().starts_with(b"\xef\xbb\xbf") {
        window.consume(3);
    }
    Ok(())
}

fn too_large(at: u64, raw: &[u8]) -> Record<'_> {
    let detail = format!("the record at byte {at} is longer than {} MiB; its first {KEPT_OF_TOO_LARGE} bytes are kept", MAX_RECORD >> 20);
    Record { at, raw: &raw[..raw.len().min(KEPT_OF_TOO_LARGE)], fields: Fields::default(), fault: Some((Code::TooLarge, detail)) }
}
