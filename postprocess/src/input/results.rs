//! The results of a lane's lines, in line order: of several results of one line only the one that counts.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use job::StepError;
use job::store::Listing;
use job::wire::seal::{self, Sum};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Sender;
use tokio_util::task::AbortOnDropHandle;

use super::feed::{Budget, Feed, LaneInput};
use super::index::{self, IndexEntry, Slice, choose, complete, scan};
use super::items::Lines;
use super::segments::{RequestCounts, Segment, Segments, Writer, count_results, possibly_sent};
use crate::run::damaged;

/// The results of consecutive lines of a lane.
#[derive(Default)]
pub(crate) struct Chunk {
    /// Index of the batch that the lines belong to.
    pub(crate) batch: usize,
    /// Sorted by line. A line without an entry was not sent.
    pub(crate) lines: Vec<LineEntry>,
    /// The bytes that [`Slice`] refers to.
    pub(crate) bodies: Vec<Bytes>,
    /// For each segment of the batch, who wrote it.
    pub(crate) writers: Arc<[Writer]>,
    /// The requests of the batch; only its first chunk counts them.
    pub(crate) requests: RequestCounts,
    /// Responses that asked to slow down; only the first chunk of a batch counts them.
    pub(crate) throttled: u64,
    /// Held as long as the chunk is in memory.
    _room: Option<OwnedSemaphorePermit>,
}

/// A line that was sent, or may have been sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineEntry {
    pub(crate) n: u64,
    /// Its result. A line without one may have been sent, and its outcome is unknown.
    pub(crate) result: Option<Slice>,
}

/// The results of a lane's lines, in line order. A line without an entry has no result.
pub(crate) fn lane_results(source: &LaneInput) -> Feed<Chunk> {
    let source = source.clone();
    Feed::spawn(async move |sender| {
        let mut listing = Listing::new(&source.objects, source.keys.lane_results(&source.lane().name));
        let mut reading = Reading { sender: &sender, batches: VecDeque::new() };
        let last = source.budget.ahead.max(1) - 1;
        for (index, batch) in source.lane().batches.iter().enumerate().skip(source.from) {
            let folder = source.keys.batch_results(&source.lane().name, batch.first);
            let mut entries = listing.folder(&folder).await?;
            if count_results(&entries) < batch.lines {
                // The lane was stopped, or the page is older than some of the segments: stores other than S3
                // may list late.
                entries = source.objects.list(&folder).await?;
            }
            if entries.is_empty() {
                continue;
            }
            if !reading.send_down_to(last).await? {
                break;
            }
            if reading.batches.len() == last {
                // A batch is large, so the last one ahead is fetched only when there is room for it.
                let Ok(room) = sender.reserve().await else { break };
                drop(room);
            }
            let segments = Segments::new(entries, source.generation);
            let mut room = source.budget.room_for(segments.bytes());
            if room.is_none() {
                // The merge of those before it may make room.
                if !reading.send_down_to(0).await? {
                    break;
                }
                room = source.budget.room_for(segments.bytes());
            }
            if let Some(room) = room {
                let read = read_batch(source.clone(), index, segments, room);
                reading.batches.push_back(AbortOnDropHandle::new(tokio::spawn(read)));
            } else if !send_windows(&source, index, segments, &sender).await? {
                break;
            }
        }
        reading.send_down_to(0).await.map(drop)
    })
}

/// The batches of a lane that are being read, in order.
struct Reading<'a> {
    sender: &'a Sender<Chunk>,
    batches: VecDeque<AbortOnDropHandle<Result<Chunk, StepError>>>,
}

impl Reading<'_> {
    /// Sends the first batches until so many are left. Returns whether the receiver still exists.
    async fn send_down_to(&mut self, left: usize) -> Result<bool, StepError> {
        while self.batches.len() > left {
            let Some(batch) = self.batches.pop_front() else { break };
            let chunk = batch.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
            if self.sender.send(chunk).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Chunk {
    /// The counts of a batch, and the lines that were possibly sent.
    async fn begin(
        source: &LaneInput,
        batch: usize,
        segments: &mut Segments,
    ) -> Result<(Self, Vec<u64>), StepError> {
        let intents = std::mem::take(&mut segments.intents);
        let unknown = possibly_sent(&source.objects, intents, source.budget.fetches).await?;
        let first = Self {
            batch,
            writers: segments.writers.clone(),
            throttled: segments.throttled,
            requests: segments.requests,
            ..Self::default()
        };
        Ok((first, unknown))
    }
}

/// Reads the results of a batch that fits into memory.
async fn read_batch(
    source: LaneInput,
    batch: usize,
    mut segments: Segments,
    room: OwnedSemaphorePermit,
) -> Result<Chunk, StepError> {
    let (first, unknown) = Chunk::begin(&source, batch, &mut segments).await?;
    let (index, bodies) = read_whole(&source, batch, &segments.segments).await?;
    let results = index.iter().map(|entry| LineEntry { n: entry.n, result: Some(entry.in_memory()) });
    let lines = with_unknown(results.collect(), &unknown);
    Ok(Chunk { lines, bodies, _room: Some(room), ..first })
}

/// Reads a batch into memory.
async fn read_whole(
    source: &LaneInput,
    batch: usize,
    segments: &[Segment],
) -> Result<(Vec<IndexEntry>, Vec<Bytes>), StepError> {
    let LaneInput { objects, budget, .. } = source;
    let get = |Segment { key, size, .. }: Segment| async move { objects.get_range(&key, 0, size).await };
    let bodies: Vec<Bytes> =
        stream::iter(segments.to_vec()).map(get).buffered(budget.fetches).try_collect().await?;
    let lines = source.lane().batches[batch].lines;
    let mut index = Vec::with_capacity(usize::try_from(lines).unwrap_or(0).min(1 << 20));
    for ((number, body), segment) in (0..).zip(&bodies).zip(segments) {
        seal::check(body).map_err(|error| segment.damaged(&error))?;
        let before = index.len();
        scan(&mut index, body, 0, number, false).map_err(|error| segment.damaged(&error))?;
        let found = &mut index[before..];
        if found.len() as u64 != segment.count {
            // A result that cannot be read explains more than a wrong count.
            found
                .iter_mut()
                .try_for_each(|entry| complete(entry, &bodies))
                .map_err(|error| segment.damaged(&error))?;
        }
        segment.check_count(found.len())?;
    }
    choose(&mut index, &bodies)?;
    Ok((index, bodies))
}

/// Sends the results of a batch that is too large for memory, window by window. Returns whether the receiver
/// still exists.
async fn send_windows(
    source: &LaneInput,
    batch: usize,
    mut segments: Segments,
    sender: &Sender<Chunk>,
) -> Result<bool, StepError> {
    let (first, unknown) = Chunk::begin(source, batch, &mut segments).await?;
    let segments = segments.segments.as_slice();
    let mut index = read_index(source, segments).await?;
    choose(&mut index, &[])?;
    let (mut rest, mut unknown) = (index.as_slice(), unknown.as_slice());
    let writers = first.writers.clone();
    if sender.send(first).await.is_err() {
        return Ok(false);
    }
    while !rest.is_empty() {
        let (wanted, later) = rest.split_at(index::window(rest, source.budget.window));
        let end = later.first().map_or(u64::MAX, |entry| entry.n);
        let (unknown_here, unknown_later) = unknown.split_at(unknown.partition_point(|n| *n < end));
        let (bodies, slices) = index::fetch(&source.objects, segments, wanted, source.budget.fetches).await?;
        let results =
            wanted.iter().zip(slices).map(|(entry, slice)| LineEntry { n: entry.n, result: Some(slice) });
        let lines = with_unknown(results.collect(), unknown_here);
        let chunk = Chunk { batch, lines, bodies, writers: writers.clone(), ..Chunk::default() };
        if sender.send(chunk).await.is_err() {
            return Ok(false);
        }
        (rest, unknown) = (later, unknown_later);
    }
    Ok(true)
}

/// Reads the segments once, piece by piece, and keeps the position of each result.
async fn read_index(source: &LaneInput, segments: &[Segment]) -> Result<Vec<IndexEntry>, StepError> {
    let objects = &source.objects;
    let all = stream::iter((0..).zip(segments.to_vec())).map(|(number, segment)| async move {
        let Budget { items, ahead, .. } = source.budget;
        let mut lines = Lines::new(objects, &segment.key, 0, segment.size, items, ahead);
        let (mut index, mut sum) = (Vec::new(), Sum::default());
        while let Some((offset, bytes)) = lines.next().await? {
            sum.add(&bytes);
            scan(&mut index, &bytes, offset, number, true).map_err(|error| segment.damaged(&error))?;
        }
        sum.check().map_err(|error| segment.damaged(&error))?;
        segment.check_count(index.len())?;
        Ok::<_, StepError>(index)
    });
    // Two at a time: their pieces are in memory in addition to the chunks that wait for the merge.
    all.buffered(2).try_concat().await
}

impl Segment {
    /// A file that was cut at the end of a line has fewer results than were written.
    fn check_count(&self, found: usize) -> Result<(), StepError> {
        let Self { count, .. } = self;
        if found as u64 == *count {
            Ok(())
        } else {
            Err(self.damaged(&format!("it has {found} results, and {count} were written")))
        }
    }

    fn damaged(&self, why: &dyn std::fmt::Display) -> StepError {
        damaged(format!(
            "{} is damaged: {why}. Without this object its lines are sent again, or are outcome_unknown where they must not be",
            self.key
        ))
    }
}

/// Adds the lines that may have been sent and have no result.
fn with_unknown(mut results: Vec<LineEntry>, unknown: &[u64]) -> Vec<LineEntry> {
    if !unknown.is_empty() {
        results.extend(unknown.iter().map(|n| LineEntry { n: *n, result: None }));
        results.sort_by_key(|entry| entry.n);
        results.dedup_by_key(|entry| entry.n);
    }
    results
}
