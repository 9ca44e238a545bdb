//! An object's bytes, read on a blocking thread.

use std::io::{self, Cursor, Read};

use bytes::Bytes;
use job::{ErrorName, StepError};
use tokio::sync::mpsc;

/// Bytes looked at before anything else is decided.
const HEAD: u64 = 64 << 10;
/// Bytes that are skipped between two looks at the clock.
const SKIPPED: u64 = 4 << 20;

/// Chunks from the asynchronous side, read on a blocking thread.
pub(crate) struct ChannelReader {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl ChannelReader {
    pub(crate) fn new(chunks: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { chunks, current: Bytes::new() }
    }
}

impl Read for ChannelReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                None => return Ok(0),
                Some(chunk) => self.current = chunk?,
            }
        }
        let count = out.len().min(self.current.len());
        out[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}

/// The first bytes of a stream, and the whole stream.
pub(crate) fn peek(mut stream: impl Read) -> io::Result<(Vec<u8>, impl Read)> {
    let mut head = Vec::new();
    stream.by_ref().take(HEAD).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(stream)))
}

/// Reads over the first `count` bytes of a stream that is decompressed or decoded.
pub(crate) fn skip(stream: &mut impl Read, count: u64, mut pause: impl FnMut() -> bool) -> io::Result<()> {
    let mut skipped = 0;
    while skipped < count {
        if pause() {
            let message = format!(
                "its first {count} bytes take as long to decompress or decode as one call of a function may take: upload it \
                 without compression and as UTF-8, or in several files"
            );
            return Err(io::Error::other(StepError::new(ErrorName::InputUnreadable, message)));
        }
        match io::copy(&mut stream.by_ref().take((count - skipped).min(SKIPPED)), &mut io::sink())? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => skipped += more,
        }
    }
    Ok(())
}
