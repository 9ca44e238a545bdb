//! A window on a byte stream: the bytes that are read and not yet consumed.

use std::io::{self, BufRead, Read};

/// Bytes that the buffer holds at the beginning; a longer record doubles it.
const BUFFER: usize = 256 << 10;

pub(crate) struct Window<R> {
    reader: R,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    offset: u64,
    ended: bool,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self::at(reader, 0)
    }

    /// A window on a stream that begins at this offset.
    pub(crate) fn at(reader: R, offset: u64) -> Self {
        Self { reader, buffer: vec![0; BUFFER], from: 0, to: 0, offset, ended: false }
    }

    /// The bytes that are read and not yet consumed.
    pub(crate) fn buffered(&self) -> &[u8] {
        &self.buffer[self.from..self.to]
    }

    /// At least the next `count` bytes, or all that are left.
    pub(crate) fn look(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.to - self.from < count && !self.ended {
            self.fill()?;
        }
        Ok(self.buffered())
    }

    /// Offset in the stream of the first buffered byte.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the stream has no bytes after the buffered ones.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Reads more bytes, or notices that the stream has ended.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        if self.to == self.buffer.len() {
            self.buffer.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
            if self.buffer.len() - self.to < BUFFER / 2 {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let read = loop {
            match self.reader.read(&mut self.buffer[self.to..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.to += read;
        self.ended = read == 0;
        Ok(())
    }

    /// Drops the first `count` buffered bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.to - self.from);
        self.from += count;
        self.offset += count as u64;
        if self.from == self.to {
            self.from = 0;
            self.to = 0;
        }
    }
}

impl<R: Read> Read for Window<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Window<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.look(1)
    }

    fn consume(&mut self, count: usize) {
        Window::consume(self, count);
    }
}
