//! Records that are lines: text and JSONL. A line ends with LF or CRLF; the last may end without.

use std::io::{self, Read};

use super::{Fields, MAX_RECORD, Position, Record, too_large};
use crate::window::Window;

pub(crate) struct LineReader<R> {
    window: Window<R>,
    skip_blank: bool,
    /// Bytes of the record handed out last; they are consumed with the next call.
    taken: usize,
    /// The line handed out last was too large: pass over the rest of it.
    skipping: bool,
    pub(crate) blank: u64,
}

enum LineEnd {
    /// Length of the line at hand with its end; 0 at the end of the stream.
    At(usize),
    /// Beyond the size limit, and not at hand.
    TooFar,
}

impl<R: Read> LineReader<R> {
    pub(crate) fn new(window: Window<R>, skip_blank: bool) -> Self {
        Self { window, skip_blank, taken: 0, skipping: false, blank: 0 }
    }

    pub(crate) fn resume(window: Window<R>, skip_blank: bool, position: Position) -> Self {
        Self { skipping: position.skipping, blank: position.blank, ..Self::new(window, skip_blank) }
    }

    pub(crate) fn pause(&mut self) -> Position {
        self.window.consume(std::mem::take(&mut self.taken));
        Position { offset: self.window.offset(), blank: self.blank, after_cr: false, skipping: self.skipping }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.window.offset() + self.taken as u64
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        self.window.consume(std::mem::take(&mut self.taken));
        if std::mem::take(&mut self.skipping) {
            self.skip_line()?;
        }
        loop {
            let end = match self.find_end()? {
                LineEnd::At(0) => return Ok(None),
                LineEnd::At(end) if end <= MAX_RECORD + 2 => end,
                LineEnd::At(end) => {
                    self.taken = end;
                    return Ok(Some(too_large(self.window.offset(), self.window.bytes())));
                }
                LineEnd::TooFar => {
                    self.taken = self.window.bytes().len();
                    self.skipping = true;
                    return Ok(Some(too_large(self.window.offset(), self.window.bytes())));
                }
            };
            if self.skip_blank && self.window.bytes()[..end].iter().all(u8::is_ascii_whitespace) {
                self.blank += 1;
                self.window.consume(end);
                continue;
            }
            self.taken = end;
            let line = &self.window.bytes()[..end];
            let line = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
            return Ok(Some(Record { at: self.window.offset(), raw: line, fields: Fields::default(), fault: None }));
        }
    }

    fn find_end(&mut self) -> io::Result<LineEnd> {
        let mut searched = 0;
        loop {
            let bytes = self.window.bytes();
            if let Some(at) = memchr::memchr(b'\n', &bytes[searched..]) {
                return Ok(LineEnd::At(searched + at + 1));
            }
            searched = bytes.len();
            if self.window.ended() {
                return Ok(LineEnd::At(searched));
            }
            if searched > MAX_RECORD {
                return Ok(LineEnd::TooFar);
            }
            self.window.fill()?;
        }
    }

    /// Passes over the rest of a line that was too large.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.window.bytes();
            if let Some(at) = memchr::memchr(b'\n', bytes) {
                self.window.consume(at + 1);
                return Ok(());
            }
            let count = bytes.len();
            self.window.consume(count);
            if self.window.ended() {
                return Ok(());
            }
            self.window.fill()?;
        }
    }
}
