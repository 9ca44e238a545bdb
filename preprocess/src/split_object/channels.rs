//! Connects the split, which runs on a blocking thread, with the asynchronous store.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use job::{ErrorName, StepError};
use tokio::sync::mpsc;

use super::going::Piece;
use crate::split::Sink;

/// Reads the chunks that an asynchronous task sends.
pub(super) struct ChannelReader {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl ChannelReader {
    pub(super) fn new(chunks: mpsc::Receiver<io::Result<Bytes>>) -> Self {
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

/// Sends items, with the names of their lanes, to an asynchronous task.
pub(super) struct ChannelSink {
    pub(super) pieces: mpsc::Sender<Piece>,
    pub(super) progress: Arc<dyn Fn(u64, u64) + Send + Sync>,
}

impl Sink for ChannelSink {
    fn items(&mut self, lane: &str, items: Vec<u8>) -> io::Result<()> {
        let closed = |_| io::Error::other(StepError::new(ErrorName::Interrupted, "the split was abandoned"));
        self.pieces.blocking_send(Piece::Items(lane.to_owned(), items)).map_err(closed)
    }

    fn progress(&mut self, lines: u64, bytes: u64) {
        (self.progress)(lines, bytes);
    }
}
