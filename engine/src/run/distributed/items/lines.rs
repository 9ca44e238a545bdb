//! JSON lines: one item per line. Blank lines are skipped.

use super::{LONGEST, Raw, Step, TOO_LONG};

/// The lines of a text that comes in chunks.
#[derive(Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    start: usize,
    /// The position up to which the buffer has been read.
    at: usize,
    lines: u64,
}

impl Lines {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.at -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    pub(super) fn next(&mut self) -> Result<Step, String> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.buffer[self.at..]).map(|end| self.at + end) else {
                self.at = self.buffer.len();
                return if self.at - self.start > LONGEST {
                    Err(format!("line {} of the file {TOO_LONG}", self.lines + 1))
                } else {
                    Ok(Step::More)
                };
            };
            let line = self.start..end;
            self.start = end + 1;
            self.at = self.start;
            self.lines += 1;
            if let Some(raw) = raw(&self.buffer[line]) {
                return Ok(Step::Item(raw));
            }
        }
    }

    /// The last line, if it has no line end.
    pub(super) fn finish(&mut self) -> Option<Raw> {
        let last = std::mem::take(self);
        raw(&last.buffer[last.start..])
    }
}

fn raw(line: &[u8]) -> Option<Raw> {
    let line = line.trim_ascii();
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    (!line.is_empty()).then(|| Raw::Json(line.to_vec()))
}
