//! CSV and TSV records (RFC 4180; any of LF, CRLF, CR ends a record). Quoted line breaks belong to their
//! record.
//!
//! A quote that is never closed would take the rest of the file into its field. Where a quoted field has text
//! after its closing quote, or a record reaches the size limit or the end of the file inside quotes, only its
//! first line is a failed line, and reading continues after that line.

use std::io::{self, Read};

use job::Code;
use memchr::{memchr, memchr_iter, memchr2};

use super::dialect::Dialect;
use super::field::{FieldReader, Progress, QuoteError};
use super::{Fields, LineError, MAX_RECORD, Position, Record, too_large};
use crate::split::source::Window;

pub(crate) struct CsvReader<R> {
    window: Window<R>,
    dialect: Dialect,
    keep_blank: bool,
    fields: FieldReader,
    /// The ends of the fields of a record without quotes.
    ends: Vec<usize>,
    /// Bytes of the last record returned; the next call consumes them.
    taken: usize,
    /// The last byte consumed was a CR: an LF after it belongs to the same line end.
    after_cr: bool,
    skipping: bool,
    pub(super) blank: u64,
    /// Records that have a field in quotes although quotes are ordinary characters.
    pub(super) quoted: u64,
}

enum Scan {
    /// A record without quotes: the number of its bytes with and without the line end.
    Plain(usize, usize),
    /// A record whose fields were read one by one: the number of its bytes with and without the line end.
    Fields(usize, usize),
    Malformed(QuoteError),
    End,
}

impl<R: Read> CsvReader<R> {
    /// Reads from a position between two records.
    pub(super) fn at(window: Window<R>, dialect: Dialect, keep_blank: bool, position: &Position) -> Self {
        Self {
            window,
            dialect,
            keep_blank,
            fields: FieldReader::new(dialect),
            ends: Vec::new(),
            taken: 0,
            after_cr: position.after_cr,
            skipping: position.skipping,
            blank: position.blank,
            quoted: position.quoted,
        }
    }

    pub(super) fn pause(&mut self) -> Position {
        self.consume_taken();
        let Self { blank, after_cr, skipping, quoted, .. } = *self;
        Position { offset: self.window.offset(), blank, after_cr, skipping, quoted, ..Position::default() }
    }

    pub(super) fn offset(&self) -> u64 {
        self.window.offset() + self.taken as u64
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        self.consume_taken();
        if std::mem::take(&mut self.skipping) {
            self.skip_line()?;
        }
        loop {
            self.skip_line_ends()?;
            match self.scan()? {
                Scan::End => return Ok(None),
                Scan::Plain(taken, length) if !self.keep_blank && self.is_blank(length) => {
                    self.blank += 1;
                    self.taken = taken;
                    self.consume_taken();
                }
                Scan::Plain(taken, length) => {
                    self.taken = taken;
                    let raw = &self.window.buffered()[..length];
                    self.ends.clear();
                    self.ends.extend(memchr_iter(self.dialect.delimiter, raw).chain([length]));
                    let fields = Fields { bytes: raw, ends: &self.ends, gap: 1 };
                    return Ok(Some(Record { at: self.window.offset(), raw, fields, error: None }));
                }
                Scan::Fields(taken, length) => {
                    self.taken = taken;
                    let raw = &self.window.buffered()[..length];
                    let fields = Fields { bytes: &self.fields.text, ends: &self.fields.ends, gap: 0 };
                    return Ok(Some(Record { at: self.window.offset(), raw, fields, error: None }));
                }
                Scan::Malformed(error) => return self.first_line_only(error).map(Some),
            }
        }
    }

    fn consume_taken(&mut self) {
        if self.taken > 0 {
            self.after_cr = self.window.buffered()[self.taken - 1] == b'\r';
            self.window.consume(std::mem::take(&mut self.taken));
        }
    }

    /// Skips the rest of the last line end, and empty lines unless they are kept as records.
    fn skip_line_ends(&mut self) -> io::Result<()> {
        loop {
            match self.window.buffered().first() {
                Some(b'\n') if std::mem::take(&mut self.after_cr) => self.window.consume(1),
                Some(byte @ (b'\n' | b'\r')) if !self.keep_blank => {
                    self.after_cr = *byte == b'\r';
                    self.blank += 1;
                    self.window.consume(1);
                }
                Some(_) => {
                    self.after_cr = false;
                    return Ok(());
                }
                None if self.window.ended() => return Ok(()),
                None => self.window.fill()?,
            }
        }
    }

    /// Whether a record consists of delimiters and blanks only.
    fn is_blank(&self, length: usize) -> bool {
        let blank = |byte: &u8| *byte == self.dialect.delimiter || matches!(byte, b' ' | b'\t');
        self.window.buffered()[..length].iter().all(blank)
    }

    fn scan(&mut self) -> io::Result<Scan> {
        if let Some((taken, length)) = self.plain() {
            return Ok(Scan::Plain(taken, length));
        }
        self.fields.begin();
        loop {
            match self.fields.read(self.window.buffered(), self.window.ended()) {
                Progress::Record(length) if length <= MAX_RECORD => {
                    return Ok(Scan::Fields(length + line_end(&self.window.buffered()[length..]), length));
                }
                Progress::End => return Ok(Scan::End),
                Progress::Malformed(error) => return Ok(Scan::Malformed(error)),
                Progress::More if self.fields.at() <= MAX_RECORD => self.window.fill()?,
                Progress::More | Progress::Record(_) => return Ok(Scan::Malformed(self.fields.too_long())),
            }
        }
    }

    /// The first record if it is one line without special characters: the number of its bytes with and
    /// without the line end.
    fn plain(&mut self) -> Option<(usize, usize)> {
        let bytes = self.window.buffered();
        let end = memchr2(b'\n', b'\r', bytes).filter(|end| *end < MAX_RECORD)?;
        let line = &bytes[..end];
        let Dialect { delimiter, quote, escape } = self.dialect;
        let special = match (quote, escape) {
            (Some(quote), None) => memchr(quote, line),
            (Some(quote), Some(escape)) => memchr2(quote, escape, line),
            (None, Some(escape)) => memchr(escape, line),
            (None, None) => {
                let in_quotes = |field: &[u8]| matches!(field, [b'"', .., b'"']);
                if memchr(b'"', line).is_some() && line.split(|byte| *byte == delimiter).any(in_quotes) {
                    self.quoted += 1;
                }
                None
            }
        };
        special.is_none().then(|| (end + line_end(&bytes[end..]), end))
    }

    fn first_line_only(&mut self, error: QuoteError) -> io::Result<Record<'_>> {
        // The line end may be the first byte that is not buffered yet.
        let end = loop {
            match memchr2(b'\n', b'\r', self.window.buffered()) {
                None if !self.window.ended() && self.window.buffered().len() <= MAX_RECORD => {
                    self.window.fill()?
                }
                found => break found,
            }
        };
        let bytes = self.window.buffered();
        let (at, length) = (self.window.offset(), end.unwrap_or(bytes.len()));
        self.taken = length + line_end(&bytes[length..]);
        if length > MAX_RECORD {
            self.skipping = end.is_none();
            return Ok(too_large(at, self.window.buffered()));
        }
        let error = Some(LineError::new(Code::Parse, error.detail(at)));
        Ok(Record { at, raw: &self.window.buffered()[..length], fields: Fields::default(), error })
    }

    /// Skips the rest of a line that was too large.
    fn skip_line(&mut self) -> io::Result<()> {
        self.after_cr = false;
        loop {
            let bytes = self.window.buffered();
            let found = memchr2(b'\n', b'\r', bytes);
            let count = found.map_or(bytes.len(), |at| at + 1);
            self.after_cr = found.is_some_and(|at| bytes[at] == b'\r');
            self.window.consume(count);
            if found.is_some() || self.window.ended() {
                return Ok(());
            }
            self.window.fill()?;
        }
    }
}

/// The length of the line end at the beginning of a text. If only the CR of a CRLF is buffered, the LF is
/// skipped later.
fn line_end(rest: &[u8]) -> usize {
    match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}
