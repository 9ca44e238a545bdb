//! Results on their way into the store: they are buffered, and written as segments into the batch's folder.

mod folder;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use job::run::keys::BEGUN;
use job::wire::Begun;
use job::{LineId, SegmentKey, StepError, seal};

pub(crate) use folder::BatchFolder;

use crate::background::Background;
use crate::run::Run;

/// A buffer of this many bytes is written without waiting for the next interval.
const FULL: usize = 4 << 20;
/// The high-water mark: nothing is sent while the buffer holds more bytes than this.
const HIGH_WATER: usize = 16 << 20;

/// Writes the results of one call.
pub(crate) struct ResultWriter {
    run: Arc<Run>,
    lane: String,
    folder: Arc<BatchFolder>,
    buffer: Buffer,
    tally: Tally,
    /// Lines whose first steps have been answered since the last write, and how often such were written.
    begun: Vec<u8>,
    begun_written: u32,
    /// The segment under way.
    writing: Background<Written>,
}

/// A segment is durable.
pub(crate) struct Written {
    pub(crate) lines: Vec<LineId>,
    /// The reason of a stop marker, if one was found.
    pub(crate) stop: Option<String>,
}

/// Results that wait for the next segment.
#[derive(Debug, Default)]
struct Buffer {
    results: Vec<(LineId, Vec<u8>)>,
    bytes: usize,
    ok: u64,
    failed: u64,
    throttled: u64,
    sent: u64,
    /// Segments written before this one.
    k: u32,
}

/// Lines with a result, those of earlier calls included.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    codes: HashMap<String, u64>,
}

impl ResultWriter {
    pub(crate) fn new(run: Arc<Run>, lane: &str, folder: Arc<BatchFolder>) -> Self {
        Self {
            run,
            lane: lane.to_owned(),
            folder,
            buffer: Buffer::default(),
            begun: Vec::new(),
            begun_written: 0,
            tally: Tally::default(),
            writing: Background::idle(),
        }
    }

    /// The line `n` has succeeded.
    pub(crate) fn succeeded(&mut self, n: LineId, result: Vec<u8>) {
        self.tally.ok += 1;
        self.buffer.ok += 1;
        self.buffer.push(n, result);
    }

    /// The line `n` has failed with this code.
    pub(crate) fn failed(&mut self, n: LineId, code: &str, result: Vec<u8>) {
        self.tally.failed(code);
        self.buffer.failed += 1;
        self.buffer.push(n, result);
    }

    /// A step of a line has been answered, and another one follows.
    pub(crate) fn begun(&mut self, begun: &Begun) {
        serde_json::to_writer(&mut self.begun, begun).expect("it is plain JSON");
        self.begun.push(b'\n');
    }

    /// What was kept of lines with steps, as an object.
    fn take_begun(&mut self) -> Option<(String, Bytes)> {
        if self.begun.is_empty() {
            return None;
        }
        let k = self.begun_written;
        self.begun_written += 1;
        let name = format!("{}-{k:06}{BEGUN}", self.folder.invocation());
        Some((name, std::mem::take(&mut self.begun).into()))
    }

    /// Counts the result that an earlier call wrote for a line; `code` is `None` for a success.
    pub(crate) fn found(&mut self, code: Option<&str>) {
        match code {
            None => self.tally.ok += 1,
            Some(code) => self.tally.failed(code),
        }
    }

    /// Counts a response that asked to slow down.
    pub(crate) fn throttled(&mut self) {
        self.buffer.throttled += 1;
    }

    /// Counts a request that went out.
    pub(crate) fn sent(&mut self) {
        self.buffer.sent += 1;
    }

    /// Results of the batch so far, those of earlier calls included.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether there is memory for the result of another request, and the store is available.
    pub(crate) fn may_send(&self) -> bool {
        self.buffer.bytes < HIGH_WATER && self.folder.is_available()
    }

    /// Whether a segment is to be written before the next interval.
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.bytes >= FULL
    }

    pub(crate) fn is_writing(&self) -> bool {
        !self.writing.is_idle()
    }

    /// Starts to write the buffered results as a segment and to look for a stop marker, unless an earlier
    /// segment is still being written.
    pub(crate) fn flush(&mut self) {
        if self.is_writing() {
            return;
        }
        let lines = self.buffer.results.iter().map(|(n, _)| *n).collect();
        let segment = self.buffer.take(&self.folder, false);
        let begun = self.take_begun();
        let (run, lane, folder) = (self.run.clone(), self.lane.clone(), self.folder.clone());
        self.writing.start(async move {
            for (name, body) in begun.into_iter().chain(segment) {
                folder.put(&name, body).await?;
            }
            Ok(Written { lines, stop: run.stop_reason(&lane).await? })
        });
    }

    /// Waits until the segment under way is durable; forever if there is none.
    pub(crate) async fn written(&mut self) -> Result<Written, StepError> {
        self.writing.result().await
    }

    /// Writes the last segment.
    pub(crate) async fn close(&mut self) -> Result<(), StepError> {
        let segment = self.buffer.take(&self.folder, true);
        for (name, body) in self.take_begun().into_iter().chain(segment) {
            self.folder.put(&name, body).await?;
        }
        Ok(())
    }

    pub(crate) fn into_tally(self) -> Tally {
        self.tally
    }
}

impl Buffer {
    fn push(&mut self, n: LineId, result: Vec<u8>) {
        self.bytes += result.len();
        self.results.push((n, result));
    }

    /// The buffered results as one segment, sorted by line. Counts without a line wait for the last segment.
    fn take(&mut self, folder: &BatchFolder, last: bool) -> Option<(String, Bytes)> {
        let counted = last && self.throttled + self.sent > 0;
        if self.results.is_empty() && !counted {
            return None;
        }
        let Self { mut results, bytes, ok, failed, throttled, sent, k } = std::mem::take(self);
        self.k = k + 1;
        results.sort_unstable_by_key(|(n, _)| *n);
        let mut body = Vec::with_capacity(bytes + seal::LENGTH);
        for (_, result) in results {
            body.extend_from_slice(&result);
        }
        seal::seal(&mut body);
        let invocation = folder.invocation().clone();
        let name = SegmentKey::Results { invocation, k, ok, failed, throttled, sent }.name();
        Some((name, body.into()))
    }
}

impl Tally {
    pub(crate) fn failed(&mut self, code: &str) {
        self.failed += 1;
        match self.codes.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                self.codes.insert(code.to_owned(), 1);
            }
        }
    }

    /// The most frequent code, and how often it occurs; of equals the first by name.
    pub(crate) fn most_frequent(&self) -> Option<(&str, u64)> {
        let counts = self.codes.iter().map(|(code, count)| (code.as_str(), *count));
        counts.max_by(|(a, m), (b, n)| m.cmp(n).then_with(|| b.cmp(a)))
    }
}
