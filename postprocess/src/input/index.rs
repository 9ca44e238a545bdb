//! The index of a batch: which segment has the result of each line, and at which offset.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use job::{Objects, StepError, StorageError};

use super::items::{line_at, number};
use super::segments::Segment;
use crate::run::damaged;
use job::wire::read_result;

/// Bytes between two wanted results that are fetched with them, since another request would take longer.
const GAP: u64 = 16 << 10;

/// The position of a result. It is kept small: a batch of any size is merged by its index.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexEntry {
    pub(super) n: u64,
    pub(super) offset: u64,
    pub(super) len: u32,
    /// Index of the segment in the batch, in key order.
    pub(super) segment: u32,
    pub(super) ok: bool,
}

/// The position of a result in the bodies of a chunk.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slice {
    pub(crate) body: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Index of the segment it comes from.
    pub(crate) segment: u32,
}

impl IndexEntry {
    /// The position in a segment that is in memory as a whole.
    pub(super) fn in_memory(&self) -> Slice {
        let start = u32::try_from(self.offset).expect("a batch in memory is smaller than 4 GiB");
        Slice { body: self.segment, start, end: start + self.len, segment: self.segment }
    }

    fn read(&mut self, line: &[u8]) -> Result<(), serde_json::Error> {
        let result = read_result(line)?;
        (self.n, self.ok) = (result.n.number(), result.error.is_none());
        Ok(())
    }
}

/// Adds the results in `bytes`, which begin at `offset` of the segment. `deep`: also reads what decides
/// between two results of one line, since the bytes will be gone by then.
///
/// # Errors
/// `Run.Damaged` if a result cannot be read.
pub(super) fn scan(
    index: &mut Vec<IndexEntry>,
    bytes: &[u8],
    offset: u64,
    segment: u32,
    deep: bool,
) -> Result<(), StepError> {
    let mut at = 0;
    while let Some((line, next)) = line_at(bytes, at) {
        let offset = offset + at as u64;
        at = next;
        if line.is_empty() {
            continue;
        }
        let bad = || damaged(format!("the result at byte {offset} is damaged"));
        let len = u32::try_from(line.len()).map_err(|_| bad())?;
        let mut entry = IndexEntry { n: 0, offset, len, segment, ok: false };
        match number(line) {
            Some(n) if !deep => entry.n = n,
            _ => entry.read(line).map_err(|_| bad())?,
        }
        index.push(entry);
    }
    Ok(())
}

/// Leaves one entry for each line, sorted: the first success in key order, or else the last failure. The
/// entries must come in key order. `bodies` are the segments if the scan was not deep.
///
/// # Errors
/// `Run.Damaged` if a result cannot be read.
pub(super) fn choose(index: &mut Vec<IndexEntry>, bodies: &[Bytes]) -> Result<(), StepError> {
    // Segments are sorted and follow each other in time: nearly sorted runs, which a stable sort merges.
    index.sort_by_key(|entry| entry.n);
    let mut kept = 0;
    let mut at = 0;
    while at < index.len() {
        let n = index[at].n;
        let group = index[at..].iter().take_while(|entry| entry.n == n).count();
        if group > 1 {
            for entry in &mut index[at..at + group] {
                complete(entry, bodies)?;
            }
        }
        let rivals = &index[at..at + group];
        let winner = rivals.iter().position(|entry| group > 1 && entry.ok).unwrap_or(group - 1);
        index[kept] = index[at + winner];
        kept += 1;
        at += group;
    }
    index.truncate(kept);
    Ok(())
}

/// Reads what a scan that was not deep has left out.
///
/// # Errors
/// `Run.Damaged` if the result cannot be read.
pub(super) fn complete(entry: &mut IndexEntry, bodies: &[Bytes]) -> Result<(), StepError> {
    let Some(body) = bodies.get(entry.segment as usize) else { return Ok(()) };
    let start = usize::try_from(entry.offset).expect("the segment is in memory");
    let line = &body[start..start + entry.len as usize];
    entry.read(line).map_err(|error| damaged(format!("the result of line {} is damaged: {error}", entry.n)))
}

/// How many of the first entries are fetched together: as many as fit into `bytes`, and at least one.
pub(super) fn window(index: &[IndexEntry], bytes: u64) -> usize {
    let mut sum = 0;
    let fits = index.iter().take_while(|entry| {
        sum += u64::from(entry.len);
        sum <= bytes
    });
    fits.count().max(1).min(index.len())
}

/// Fetches results. Results that are close to each other in a segment are fetched with one request.
///
/// # Errors
/// Errors of the store.
pub(super) async fn fetch(
    objects: &Objects,
    segments: &[Segment],
    index: &[IndexEntry],
    fetches: usize,
) -> Result<(Vec<Bytes>, Vec<Slice>), StorageError> {
    let mut order: Vec<usize> = (0..index.len()).collect();
    order.sort_unstable_by_key(|at| (index[*at].segment, index[*at].offset));
    let mut ranges: Vec<(u32, u64, u64)> = Vec::new();
    let mut slices = vec![Slice::default(); index.len()];
    for at in order {
        let IndexEntry { segment, offset, len, .. } = index[at];
        let end = offset + u64::from(len);
        match ranges.last_mut() {
            Some((last, from, to))
                if *last == segment && offset <= *to + GAP && end - *from <= u64::from(u32::MAX) =>
            {
                *to = end
            }
            _ => ranges.push((segment, offset, end)),
        }
        let (body, from) = (ranges.len() - 1, ranges[ranges.len() - 1].1);
        let within = |at: u64| u32::try_from(at - from).expect("a range is shorter than 4 GiB");
        let body = u32::try_from(body).expect("a window has fewer than 2^32 results");
        slices[at] = Slice { body, start: within(offset), end: within(end), segment };
    }
    let bodies = stream::iter(ranges)
        .map(|(segment, from, to)| objects.get_range(&segments[segment as usize].key, from, to))
        .buffered(fetches);
    Ok((bodies.try_collect().await?, slices))
}
