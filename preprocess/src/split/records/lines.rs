//! Records that are lines: text and JSONL. A line ends with LF or CRLF, or with CR in a file without LF. The
//! last line may have no line end.

use std::io::{self, Read};

use memchr::{memchr, memchr2};

use super::{Fields, MAX_RECORD, Position, Record, too_large};
use crate::split::source::Window;

pub(crate) struct LineReader<R> {
    window: Window<R>,
    /// A CR alone ends a line, too.
    cr: bool,
    keep_blank: bool,
    /// Bytes of the last record returned; the next call consumes them.
    taken: usize,
    /// The last byte consumed was a CR that ended a line: an LF after it belongs to the same line end.
    after_cr: bool,
    /// The last line returned was too large: skip the rest of it.
    skipping: bool,
    pub(super) blank: u64,
}

enum LineEnd {
    /// Length of the buffered line with its end; 0 at the end of the stream.
    At(usize),
    /// Beyond the size limit, and not buffered.
    TooFar,
}

impl<R: Read> LineReader<R> {
    /// Reads from a position between two lines.
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
                    return Ok(Some(too_large(self.window.offset(), self.window.buffered())));
                }
                LineEnd::TooFar => {
                    self.taken = self.window.buffered().len();
                    self.skipping = true;
                    return Ok(Some(too_large(self.window.offset(), self.window.buffered())));
                }
            };
            self.taken = end;
            if !self.keep_blank && self.window.buffered()[..end].iter().all(u8::is_ascii_whitespace) {
                self.blank += 1;
                self.consume_taken();
                continue;
            }
            let line = &self.window.buffered()[..end];
            let line = match line {
                [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
                [line @ .., b'\r'] if self.cr => line,
                line => line,
            };
            return Ok(Some(Record {
                at: self.window.offset(),
                raw: line,
                fields: Fields::default(),
                error: None,
            }));
        }
    }

    fn consume_taken(&mut self) {
        if self.taken > 0 {
            self.after_cr = self.cr && self.window.buffered()[self.taken - 1] == b'\r';
            self.window.consume(std::mem::take(&mut self.taken));
        }
    }

    fn find_end(&mut self) -> io::Result<LineEnd> {
        let mut searched = 0;
        loop {
            let bytes = self.window.buffered();
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

    /// The first line end; of a CRLF that is the CR if lines end with CR, too.
    fn line_end(&self, bytes: &[u8]) -> Option<usize> {
        if self.cr { memchr2(b'\r', b'\n', bytes) } else { memchr(b'\n', bytes) }
    }

    /// Skips the rest of a line that was too large.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.window.buffered();
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
