//! A redrive's manifests: the batches that have lines without a success.

use std::collections::{BTreeMap, BTreeSet};

use job::messages::RunRef;
use job::objects::Entry;
use job::{Batch, LineId, LineResult, Objects, PlannedLane, SegmentKey, StepError};

/// The batches of a lane that are not complete. A worker itself passes over the lines that succeeded.
pub(crate) async fn unfinished(
    objects: &Objects,
    run: &RunRef,
    lane: &PlannedLane,
) -> Result<Vec<Batch>, StepError> {
    let prefix = run.keys().lane_results(&lane.name);
    let mut flushes: BTreeMap<LineId, Vec<Entry>> = BTreeMap::new();
    for entry in objects.list(&prefix).await? {
        let first = entry.key[prefix.len()..].split('/').next().and_then(|digits| digits.parse().ok());
        if let Some(first) = first {
            flushes.entry(first).or_default().push(entry);
        }
    }
    let mut unfinished = Vec::new();
    for batch in &lane.batches {
        let flushes = flushes.get(&batch.first).map(Vec::as_slice).unwrap_or_default();
        if !complete(objects, batch, flushes).await? {
            unfinished.push(*batch);
        }
    }
    Ok(unfinished)
}

async fn complete(objects: &Objects, batch: &Batch, flushes: &[Entry]) -> Result<bool, StepError> {
    let mut succeeded = 0;
    let mut invocations = BTreeSet::new();
    let mut successes = Vec::new();
    for entry in flushes {
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
    let mut lines = BTreeSet::new();
    for entry in successes {
        let body = objects.get(&entry.key).await?;
        let records = body.split(|byte| *byte == b'\n').filter_map(|line| LineResult::parse(line).ok());
        lines.extend(records.filter(LineResult::ok).map(|record| record.n));
    }
    Ok(lines.len() as u64 >= batch.lines)
}
