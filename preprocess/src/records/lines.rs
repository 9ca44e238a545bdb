//! Records that are lines: text and JSONL. A line ends with LF or CRLF, in a file without LF with CR; the last may end without.

use std::io::{self, Read};

use memchr::{memchr, memchr2};

use super::{Fields, MAX_RECORD, Position, Record, too_large};
use crate::window::Window;

pub(crate) struct LineReader<R> {
    window: Window<R>,
    /// Lines end with CR, too.
    cr: bool,
    keep_blank: bool,
    /// Bytes of the record handed out last; they are consumed with the next call.
    taken: usize,
    /// The last byte consumed was a CR that ended a line: an LF behind it belongs to the same line end.
    after_cr: bool,
    /// The line handed out last was too large: pass over the rest of it.
    skipping: bool,
    pub(super) blank: u64,
}

enum LineEnd {
    /// Length of the line at hand with its end; 0 at the end of the stream.
    At(usize),
    /// Beyond the size limit, and not at hand.
    TooFar,
}

impl<R: Read> LineReader<R> {
    /// Goes on at a place between two lines.
    pub(super) fn at(window: Window<R>, cr: bool, keep_blank: bool, position: &Position) -> Self {
        let Position { after_cr, skipping, blank, .. } = *position;
        Self { window, cr, keep_blank, taken: 0, after_cr, skipping, blank }
    }

    pub(super) fn pause(&mut self) -> Position {
        self.consume_taken();
        let Self { blank, after_cr, skipping, .. } = *self;
        Position { offset: self.window.offset(), blank, after_cr, skipping, ..Position::default() }
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
            if std::mem::take(&mut self.after_cr) && self.window.look(1)?.first() == Some(&b'\n') {
                self.window.consume(1);
            }
            let end = match self.find_end()? {
                LineEnd::At(0) => return Ok(None),
                LineEnd::At(end) if end <= MAX_RECORD + 2 => end,
                LineEnd::At(end) => {
                    self.taken = end;
                    return Ok(Some(too_large(self.window.offset(), self.window.at_hand())));
                }
                LineEnd::TooFar => {
                    self.taken = self.window.at_hand().len();
                    self.skipping = true;
                    return Ok(Some(too_large(self.window.offset(), self.window.at_hand())));
                }
            };
            self.taken = end;
            if !self.keep_blank && self.window.at_hand()[..end].iter().all(u8::is_ascii_whitespace) {
                self.blank += 1;
                self.consume_taken();
                continue;
            }
            let line = &self.window.at_hand()[..end];
            let line = match line {
                [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
                [line @ .., b'\r'] if self.cr => line,
                line => line,
            };
            return Ok(Some(Record {
                at: self.window.offset(),
                raw: line,
                fields: Fields::default(),
                fault: None,
            }));
        }
    }

    fn consume_taken(&mut self) {
        if self.taken > 0 {
            self.after_cr = self.cr && self.window.at_hand()[self.taken - 1] == b'\r';
            self.window.consume(std::mem::take(&mut self.taken));
        }
    }

    fn find_end(&mut self) -> io::Result<LineEnd> {
        let mut searched = 0;
        loop {
            let bytes = self.window.at_hand();
            if let Some(at) = self.line_end(&bytes[searched..]) {
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

    /// Where the first line end ends, but for the LF behind a CR.
    fn line_end(&self, bytes: &[u8]) -> Option<usize> {
        if self.cr { memchr2(b'\r', b'\n', bytes) } else { memchr(b'\n', bytes) }
    }

    /// Passes over the rest of a line that was too large.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.window.at_hand();
            let found = self.line_end(bytes);
            self.taken = found.map_or(bytes.len(), |at| at + 1);
            self.consume_taken();
            if found.is_some() || self.window.ended() {
                return Ok(());
            }
            self.window.fill()?;
        }
    }
}
