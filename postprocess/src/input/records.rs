//! The records that won, of one lane, in line order.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use job::objects::Entry;
use job::seal::{self, Sum};
use job::{Objects, Plan, PlannedLane, RunKeys, SegmentKey, StepError};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Sender;

use super::budget::Budget;
use super::feed::Feed;
use super::index::{Position, choose, complete, scan};
use super::lines::Lines;
use super::listing::Listing;
use super::{notes, window};
use crate::run::damaged;

/// One lane of a run, as its feeds need it.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) objects: Objects,
    pub(crate) keys: RunKeys,
    pub(crate) plan: Arc<Plan>,
    pub(crate) lane: usize,
    /// Index of the batch to begin with.
    pub(crate) from: usize,
    pub(crate) generation: u32,
    pub(crate) budget: Budget,
}

/// Outcomes of consecutive lines of a lane.
#[derive(Default)]
pub(crate) struct Chunk {
    /// Index of their batch.
    pub(crate) batch: usize,
    /// Sorted by line; lines without any are left out.
    pub(crate) outcomes: Vec<Outcome>,
    /// What [`Place`] points into.
    pub(crate) bodies: Vec<Bytes>,
    /// For each flush object of the batch, whether it is of this generation.
    pub(crate) current: Arc<[bool]>,
    /// Requests of the batch.
    pub(crate) spent: Spent,
    /// Answers that asked to slow down.
    pub(crate) throttled: u64,
    /// Held as long as the chunk is in memory.
    _room: Option<OwnedSemaphorePermit>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) n: u64,
    /// Its record; without one it may have been sent, and what came of it is unknown.
    pub(crate) record: Option<Place>,
}

/// Where a record lies in a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) body: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Index of the flush object it comes from.
    pub(crate) object: u32,
}

/// Requests that were made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// In all generations.
    pub(crate) requests: u64,
    /// In this generation.
    pub(crate) current: u64,
}

impl Spent {
    pub(crate) fn add(&mut self, Self { requests, current }: Self) {
        self.requests += requests;
        self.current += current;
    }
}

impl Source {
    pub(crate) fn lane(&self) -> &PlannedLane {
        &self.plan.lanes[self.lane]
    }
}

pub(super) fn feed(source: &Source) -> Feed<Chunk> {
    let source = source.clone();
    Feed::spawn(async move |sender| {
        let mut listing = Listing::new(&source.objects, source.keys.lane_results(&source.lane().name));
        for (index, batch) in source.lane().batches.iter().enumerate().skip(source.from) {
            let folder = source.keys.batch_results(&source.lane().name, batch.first);
            let mut entries = listing.folder(&folder).await?;
            if records_in(&entries) < batch.lines {
                // Stopped, or written since its page was read, or missing in it: stores other than S3 may list late.
                entries = source.objects.list(&folder).await?;
            }
            if entries.is_empty() {
                continue;
            }
            // Not before there is room for it: a batch is large.
            let Ok(room) = sender.reserve().await else { break };
            drop(room);
            if !send_batch(&source, index, entries, &sender).await? {
                break;
            }
        }
        Ok(())
    })
}

/// Records in the flush objects of a batch, by their names.
fn records_in(entries: &[Entry]) -> u64 {
    let records = |entry: &Entry| match SegmentKey::parse(&entry.key) {
        Some(SegmentKey::Results { ok, failed, .. }) => ok + failed,
        _ => 0,
    };
    entries.iter().map(records).sum()
}

/// Sends the outcomes of one batch; whether anyone still wants more.
async fn send_batch(
    source: &Source,
    index: usize,
    entries: Vec<Entry>,
    sender: &Sender<Chunk>,
) -> Result<bool, StepError> {
    let Source { objects, budget, .. } = source;
    let flushes = Flushes::new(entries, source.generation);
    let unknown = notes::possibly_sent(objects, flushes.notes, budget.fetches).await?;
    let first = Chunk {
        batch: index,
        current: flushes.current,
        throttled: flushes.throttled,
        spent: flushes.spent,
        ..Chunk::default()
    };
    let keys = flushes.keys;

    if let Some(room) = budget.room_for(flushes.sizes.iter().sum()) {
        let get = |(key, size): (String, u64)| async move { objects.get_range(&key, 0, size).await };
        let sized = keys.clone().into_iter().zip(flushes.sizes);
        let bodies: Vec<Bytes> = stream::iter(sized).map(get).buffered(budget.fetches).try_collect().await?;
        let lines = source.lane().batches[index].lines;
        let mut positions = Vec::with_capacity(usize::try_from(lines).unwrap_or(0).min(1 << 20));
        for ((object, body), (key, count)) in (0..).zip(&bodies).zip(keys.iter().zip(&flushes.counts)) {
            seal::check(body).map_err(|error| spoilt(key, &error))?;
            let before = positions.len();
            scan(&mut positions, body, 0, object, false).map_err(|error| spoilt(key, &error))?;
            let found = &mut positions[before..];
            if found.len() as u64 != *count {
                // One that cannot be read says more.
                found
                    .iter_mut()
                    .try_for_each(|position| complete(position, &bodies))
                    .map_err(|error| spoilt(key, &error))?;
            }
            check_count(key, found.len(), *count)?;
        }
        choose(&mut positions, &bodies)?;
        let records = positions
            .iter()
            .map(|position| Outcome { n: position.n, record: Some(in_memory(position)) })
            .collect();
        return Ok(sender
            .send(Chunk { outcomes: with_unknown(records, &unknown), bodies, _room: Some(room), ..first })
            .await
            .is_ok());
    }

    let mut positions = index_of(source, &keys, &flushes.sizes, &flushes.counts).await?;
    choose(&mut positions, &[])?;
    let (mut rest, mut unknown) = (positions.as_slice(), unknown.as_slice());
    let current = first.current.clone();
    if sender.send(first).await.is_err() {
        return Ok(false);
    }
    while !rest.is_empty() {
        let (wanted, later) = rest.split_at(window::length(rest, budget.window));
        let end = later.first().map_or(u64::MAX, |position| position.n);
        let (unknown_here, unknown_later) = unknown.split_at(unknown.partition_point(|n| *n < end));
        let (bodies, places) = window::fetch(objects, &keys, wanted, budget.fetches).await?;
        let records = wanted
            .iter()
            .zip(places)
            .map(|(position, place)| Outcome { n: position.n, record: Some(place) })
            .collect();
        let chunk = Chunk {
            batch: index,
            outcomes: with_unknown(records, unknown_here),
            bodies,
            current: current.clone(),
            ..Chunk::default()
        };
        if sender.send(chunk).await.is_err() {
            return Ok(false);
        }
        (rest, unknown) = (later, unknown_later);
    }
    Ok(true)
}

/// The flush objects of a batch, in key order.
#[derive(Default)]
struct Flushes {
    keys: Vec<String>,
    sizes: Vec<u64>,
    /// Their records, by their names.
    counts: Vec<u64>,
    current: Arc<[bool]>,
    notes: Vec<(job::Invocation, String)>,
    throttled: u64,
    spent: Spent,
}

impl Flushes {
    fn new(entries: Vec<Entry>, generation: u32) -> Self {
        let mut flushes = Self::default();
        let mut current = Vec::new();
        for entry in entries {
            match SegmentKey::parse(&entry.key) {
                Some(SegmentKey::Results { invocation, throttled, sent, ok, failed, .. }) => {
                    let is_current = invocation.generation() == generation;
                    flushes.throttled += throttled;
                    flushes.spent.add(Spent { requests: sent, current: if is_current { sent } else { 0 } });
                    // One that was written at the end of a call may have only counts.
                    if entry.size > 0 || ok + failed > 0 {
                        flushes.counts.push(ok + failed);
                        flushes.keys.push(entry.key);
                        flushes.sizes.push(entry.size);
                        current.push(is_current);
                    }
                }
                Some(SegmentKey::Intents { invocation, .. }) => flushes.notes.push((invocation, entry.key)),
                None => {}
            }
        }
        flushes.current = current.into();
        flushes
    }
}

/// Reads the flush objects once, piece by piece, and keeps where each record lies.
async fn index_of(
    source: &Source,
    keys: &[String],
    sizes: &[u64],
    counts: &[u64],
) -> Result<Vec<Position>, StepError> {
    let objects = &source.objects;
    let sized = keys.iter().cloned().zip(sizes.iter().copied().zip(counts.iter().copied()));
    let all = stream::iter((0..).zip(sized)).map(|(object, (key, (to, count)))| async move {
        let mut lines = Lines { objects, key: &key, from: 0, to, size: source.budget.items };
        let (mut positions, mut sum) = (Vec::new(), Sum::default());
        while let Some((offset, bytes)) = lines.next().await? {
            sum.add(&bytes);
            scan(&mut positions, &bytes, offset, object, true).map_err(|error| spoilt(&key, &error))?;
        }
        sum.check().map_err(|error| spoilt(&key, &error))?;
        check_count(&key, positions.len(), count)?;
        Ok::<_, StepError>(positions)
    });
    // Two at a time: their pieces are in memory besides what waits for the merge.
    all.buffered(2).try_concat().await
}

/// A file that was cut at the end of a line has records less.
fn check_count(key: &str, found: usize, written: u64) -> Result<(), StepError> {
    if found as u64 == written {
        Ok(())
    } else {
        Err(spoilt(key, &format!("it has {found} records, and {written} were written")))
    }
}

fn spoilt(key: &str, why: &dyn std::fmt::Display) -> StepError {
    damaged(format!(
        "{key} is damaged: {why}. Without this object its lines are sent again, or are outcome_unknown where they must not be"
    ))
}

fn in_memory(position: &Position) -> Place {
    let start = u32::try_from(position.offset).expect("a batch in memory is small");
    Place { body: position.object, start, end: start + position.len, object: position.object }
}

/// Adds the lines that may have been sent and have no record.
fn with_unknown(mut records: Vec<Outcome>, unknown: &[u64]) -> Vec<Outcome> {
    if !unknown.is_empty() {
        records.extend(unknown.iter().map(|n| Outcome { n: *n, record: None }));
        records.sort_by_key(|outcome| outcome.n);
        records.dedup_by_key(|outcome| outcome.n);
    }
    records
}
