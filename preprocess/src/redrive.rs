//! The batches of a redrive: those that have lines without a success.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use job::run::RunRef;
use job::store::Entry;
use job::{Batch, LineId, LineResult, Objects, PlannedLane, SegmentKey, StepError};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// Batches that are looked at, and segments of each that are read, at a time: a GET takes tens of milliseconds.
const BATCHES: usize = 4;
const SEGMENTS: usize = 8;

/// The batches of a lane that are not complete, as far as its batches were looked at.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    pub(crate) batches: Vec<Batch>,
    /// Batches looked at.
    pub(crate) seen: usize,
}

impl Unfinished {
    /// Looks at the other batches of a lane, until `pause`, but at least at one. Workers of an unfinished batch
    /// skip the lines that succeeded. Returns whether it has looked at all.
    ///
    /// # Errors
    /// Errors of the store.
    pub(crate) async fn find(
        &mut self,
        objects: &Objects,
        run: &RunRef,
        lane: &PlannedLane,
        pause: &CancellationToken,
    ) -> Result<bool, StepError> {
        let segments = segments(objects, run, lane).await?;
        let look = |batch: &Batch| {
            let (batch, segments) = (*batch, segments.get(&batch.first).map_or(&[][..], Vec::as_slice));
            async move { Ok((batch, complete(objects, &batch, segments).await?)) }.boxed()
        };
        let looks: Vec<BoxFuture<'_, Result<_, StepError>>> =
            lane.batches[self.seen..].iter().map(look).collect();
        let mut looks = stream::iter(looks).buffered(BATCHES);
        let mut looked = false;
        while self.seen < lane.batches.len() {
            let look = tokio::select! {
                biased;
                () = pause.cancelled(), if looked => return Ok(false),
                look = looks.next() => look,
            };
            let Some(look) = look else { break };
            let (batch, complete) = look?;
            looked = true;
            self.seen += 1;
            if !complete {
                self.batches.push(batch);
            }
        }
        Ok(true)
    }
}

/// The segments of a lane by the first line of their batch.
async fn segments(
    objects: &Objects,
    run: &RunRef,
    lane: &PlannedLane,
) -> Result<BTreeMap<LineId, Vec<Entry>>, StepError> {
    let prefix = run.keys().lane_results(&lane.name);
    let mut segments: BTreeMap<LineId, Vec<Entry>> = BTreeMap::new();
    for entry in objects.list(&prefix).await? {
        let first = entry.key[prefix.len()..].split('/').next().and_then(|digits| digits.parse().ok());
        if let Some(first) = first {
            segments.entry(first).or_default().push(entry);
        }
    }
    Ok(segments)
}

async fn complete(objects: &Objects, batch: &Batch, segments: &[Entry]) -> Result<bool, StepError> {
    let mut succeeded = 0;
    let mut invocations = BTreeSet::new();
    let mut successes = Vec::new();
    for entry in segments {
        if let Some(SegmentKey::Results { invocation, ok, .. }) = SegmentKey::parse(&entry.key)
            && ok > 0
        {
            succeeded += ok;
            invocations.insert(invocation);
            successes.push(entry);
        }
    }
    if succeeded < batch.lines || invocations.len() <= 1 {
        return Ok(succeeded >= batch.lines);
    }
    // Two calls may have succeeded for the same line: count lines, not successes.
    let bodies: Vec<BoxFuture<'_, _>> =
        successes.into_iter().map(|entry| objects.get(&entry.key).boxed()).collect();
    let mut bodies = stream::iter(bodies).buffer_unordered(SEGMENTS);
    let mut lines = BTreeSet::new();
    while let Some(body) = bodies.next().await {
        let body = body?;
        let records = body.split(|byte| *byte == b'\n').filter_map(|line| LineResult::parse(line).ok());
        lines.extend(records.filter(LineResult::ok).map(|record| record.n));
    }
    Ok(lines.len() as u64 >= batch.lines)
}
