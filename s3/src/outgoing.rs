//! The body of a response: exactly the bytes of the range, read one chunk ahead of the client.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use s3s::StdError;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::task::JoinHandle;

use crate::error::At;

/// Bytes that are read at once. At most two chunks of a body are in memory.
const CHUNK: u64 = 1 << 20;

pub(crate) struct Outgoing {
    source: Arc<Source>,
    /// The bytes that are not requested from the disk yet.
    unread: Range<u64>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// The first chunk, which is read when the body is created.
    first: Option<Bytes>,
    /// The number of bytes that the client has not received yet.
    left: u64,
}

struct Source {
    file: File,
    path: PathBuf,
}

impl Outgoing {
    /// The bytes in `range` of `file`. Blocks until the first chunk is read, so that a small body is complete
    /// at once.
    pub(crate) fn new(file: File, path: PathBuf, range: Range<u64>) -> io::Result<Self> {
        let source = Arc::new(Source { file, path });
        let left = range.end - range.start;
        let mut body = Self { source, unread: range, reading: None, first: None, left };
        if let Some(chunk) = body.next_chunk() {
            body.first = Some(body.source.read(chunk)?);
        }
        Ok(body)
    }

    fn next_chunk(&mut self) -> Option<Range<u64>> {
        let begin = self.unread.start;
        self.unread.start = self.unread.end.min(begin + CHUNK);
        (begin < self.unread.start).then_some(begin..self.unread.start)
    }

    fn read_ahead(&mut self) {
        if let Some(chunk) = self.next_chunk() {
            let source = Arc::clone(&self.source);
            self.reading = Some(tokio::task::spawn_blocking(move || source.read(chunk)));
        }
    }
}

impl Source {
    fn read(&self, chunk: Range<u64>) -> io::Result<Bytes> {
        let length = usize::try_from(chunk.end - chunk.start).expect("a chunk is small");
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, chunk.start).at(&self.path)?;
        Ok(bytes.into())
    }
}

impl Stream for Outgoing {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let bytes = if let Some(first) = self.first.take() {
            first
        } else if let Some(reading) = &mut self.reading {
            let read = ready!(Pin::new(reading).poll(cx));
            self.reading = None;
            match read.map_err(io::Error::other).flatten() {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.unread.start = self.unread.end;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        } else {
            return Poll::Ready(None);
        };
        self.left -= bytes.len() as u64;
        self.read_ahead();
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl ByteStream for Outgoing {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(usize::try_from(self.left).expect("objects fit the address space"))
    }
}
