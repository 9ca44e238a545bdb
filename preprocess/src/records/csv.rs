//! CSV and TSV records (RFC 4180; any of LF, CRLF, CR ends a record). Quoted line breaks belong to their record.
//!
//! A quote that is never closed would swallow the rest of the file. When a record reaches the size limit, or the end
//! of the file, inside quotes, its first line alone becomes a failed line and reading goes on behind it.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use job::Code;

use super::{Fields, MAX_RECORD, Position, Record, too_large};
use crate::window::Window;

pub(crate) struct CsvReader<R> {
    window: Window<R>,
    delimiter: u8,
    core: Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
    /// Bytes of the record handed out last; they are consumed with the next call.
    taken: usize,
    /// The last byte consumed was a CR: an LF behind it belongs to the same line end.
    after_cr: bool,
    skipping: bool,
    pub(crate) blank: u64,
}

enum Scan {
    /// A record without quotes: its bytes with the line end, and without.
    Plain(usize, usize),
    /// A record: its bytes with the line end, bytes of output, number of fields.
    Record(usize, usize, usize),
    /// Inside quotes at the end of the stream, or at the size limit.
    Open,
    End,
}

impl<R: Read> CsvReader<R> {
    pub(crate) fn new(window: Window<R>, delimiter: u8) -> Self {
        Self {
            window,
            delimiter,
            core: core(delimiter),
            output: vec![0; 4096],
            ends: vec![0; 64],
            taken: 0,
            after_cr: false,
            skipping: false,
            blank: 0,
        }
    }

    pub(crate) fn resume(window: Window<R>, delimiter: u8, position: Position) -> Self {
        let Position { blank, after_cr, skipping, .. } = position;
        Self { blank, after_cr, skipping, ..Self::new(window, delimiter) }
    }

    pub(crate) fn pause(&mut self) -> Position {
        self.consume_taken();
        Position { offset: self.window.offset(), blank: self.blank, after_cr: self.after_cr, skipping: self.skipping }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.window.offset() + self.taken as u64
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        self.consume_taken();
        if std::mem::take(&mut self.skipping) {
            self.skip_line()?;
        }
        self.skip_blank_lines()?;
        match self.scan()? {
            Scan::End => Ok(None),
            Scan::Plain(taken, length) => {
                self.taken = taken;
                let raw = &self.window.bytes()[..length];
                self.ends.clear();
                self.ends.extend(memchr::memchr_iter(self.delimiter, raw).chain([length]));
                let fields = Fields { bytes: raw, ends: &self.ends, gap: 1 };
                Ok(Some(Record { at: self.window.offset(), raw, fields, fault: None }))
            }
            Scan::Record(taken, output, fields) => {
                self.taken = taken;
                let raw = trim_line_end(&self.window.bytes()[..taken]);
                let fields = Fields { bytes: &self.output[..output], ends: &self.ends[..fields], gap: 0 };
                Ok(Some(Record { at: self.window.offset(), raw, fields, fault: None }))
            }
            Scan::Open => Ok(Some(self.first_line_only())),
        }
    }

    fn consume_taken(&mut self) {
        if self.taken > 0 {
            self.after_cr = self.window.bytes()[self.taken - 1] == b'\r';
            self.window.consume(std::mem::take(&mut self.taken));
        }
    }

    fn skip_blank_lines(&mut self) -> io::Result<()> {
        loop {
            match self.window.bytes().first() {
                Some(b'\n') if std::mem::take(&mut self.after_cr) => self.window.consume(1),
                Some(b'\n') => {
                    self.blank += 1;
                    self.window.consume(1);
                }
                Some(b'\r') => {
                    self.blank += 1;
                    self.after_cr = true;
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

    fn scan(&mut self) -> io::Result<Scan> {
        if let Some((taken, length)) = plain(self.window.bytes()) {
            return Ok(Scan::Plain(taken, length));
        }
        self.ends.resize(self.ends.capacity().max(64), 0);
        let (mut read, mut written, mut fields) = (0, 0, 0);
        loop {
            let input = &self.window.bytes()[read..];
            if input.is_empty() && !self.window.ended() {
                if read > MAX_RECORD {
                    return Ok(Scan::Open);
                }
                self.window.fill()?;
                continue;
            }
            let at_end = input.is_empty();
            let (result, took, wrote, ended) = self.core.read_record(input, &mut self.output[written..], &mut self.ends[fields..]);
            read += took;
            written += wrote;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record if read > MAX_RECORD || (at_end && unclosed(&self.window.bytes()[..read])) => {
                    return Ok(Scan::Open);
                }
                ReadRecordResult::Record => return Ok(Scan::Record(read, written, fields)),
                ReadRecordResult::End => return Ok(Scan::End),
            }
        }
    }

    fn first_line_only(&mut self) -> Record<'_> {
        self.core = core(self.delimiter);
        let bytes = self.window.bytes();
        let at = self.window.offset();
        match memchr::memchr(b'\n', bytes) {
            Some(end) if end <= MAX_RECORD => {
                self.taken = end + 1;
                let detail = format!("the quote of the record at byte {at} is never closed; its first line alone is taken as the record");
                Record {
                    at,
                    raw: trim_line_end(&self.window.bytes()[..end]),
                    fields: Fields::default(),
                    fault: Some((Code::Parse, detail)),
                }
            }
            found => {
                self.taken = found.map_or(bytes.len(), |end| end + 1);
                self.skipping = found.is_none();
                too_large(at, self.window.bytes())
            }
        }
    }

    /// Passes over the rest of a line that was too large.
    fn skip_line(&mut self) -> io::Result<()> {
        self.after_cr = false;
        loop {
            let bytes = self.window.bytes();
            let found = memchr::memchr(b'\n', bytes);
            let count = found.map_or(bytes.len(), |at| at + 1);
            self.window.consume(count);
            if found.is_some() || self.window.ended() {
                return Ok(());
            }
            self.window.fill()?;
        }
    }
}

/// The bytes of the first record with its line end and without, where that is one line that has no quotes.
fn plain(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = memchr::memchr(b'\n', bytes).filter(|end| *end < MAX_RECORD)?;
    let line = &bytes[..end];
    match memchr::memchr2(b'"', b'\r', line) {
        None => Some((end + 1, end)),
        Some(at) if at + 1 == end && line[at] == b'\r' => Some((end + 1, at)),
        Some(_) => None,
    }
}

fn core(delimiter: u8) -> Reader {
    let mut core = ReaderBuilder::new().delimiter(delimiter).build();
    // It takes a byte order mark off what it reads first, which need not be the beginning of the input.
    core.read_record(b"\n", &mut [], &mut []);
    core
}

fn trim_line_end(record: &[u8]) -> &[u8] {
    let end = record.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    &record[..end]
}

/// Whether a record that the end of the stream cut spans lines with an odd number of quotes.
fn unclosed(record: &[u8]) -> bool {
    let inner = trim_line_end(record);
    memchr::memchr(b'\n', inner).is_some() && memchr::memchr_iter(b'"', record).count() % 2 == 1
}
