//! The objects that workers wrote for a batch: result segments, and intents.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use job::store::Entry;
use job::wire::Intents;
use job::{Invocation, Objects, SegmentKey, StepError};
use serde::{Deserialize, Serialize};

use crate::run::damaged;

/// The requests that were sent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct RequestCounts {
    /// In all generations.
    pub(crate) requests: u64,
    /// In this generation.
    pub(crate) current: u64,
}

impl RequestCounts {
    pub(crate) fn add(&mut self, Self { requests, current }: Self) {
        self.requests += requests;
        self.current += current;
    }
}

/// The number of results in the segments of a batch, by the segments' names.
pub(super) fn count_results(entries: &[Entry]) -> u64 {
    let results = |entry: &Entry| match SegmentKey::parse(&entry.key) {
        Some(SegmentKey::Results { ok, failed, .. }) => ok + failed,
        _ => 0,
    };
    entries.iter().map(results).sum()
}

/// An object of results.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) key: String,
    /// Its bytes.
    pub(super) size: u64,
    /// Its results, by its name.
    pub(super) count: u64,
}

/// Who wrote a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// The run before of the same job and file: this run has sent nothing for it.
    RunBefore,
    EarlierGeneration,
    ThisGeneration,
}

/// What the keys of a batch's objects tell.
#[derive(Default)]
pub(super) struct Segments {
    /// In key order, without those that have no results.
    pub(super) segments: Vec<Segment>,
    /// For each segment, who wrote it.
    pub(super) writers: Arc<[Writer]>,
    /// Keys of intents, with the invocations that wrote them.
    pub(super) intents: Vec<(Invocation, String)>,
    /// Responses that asked to slow down.
    pub(super) throttled: u64,
    pub(super) requests: RequestCounts,
}

impl Segments {
    pub(super) fn new(entries: Vec<Entry>, generation: u32) -> Self {
        let mut all = Self::default();
        let mut writers = Vec::new();
        for Entry { key, size, .. } in entries {
            match SegmentKey::parse(&key) {
                Some(SegmentKey::Results { invocation, throttled, sent, ok, failed, .. }) => {
                    let writer = match invocation.generation() == generation {
                        _ if invocation.is_kept() => Writer::RunBefore,
                        true => Writer::ThisGeneration,
                        false => Writer::EarlierGeneration,
                    };
                    all.throttled += throttled;
                    let current = if writer == Writer::ThisGeneration { sent } else { 0 };
                    all.requests.add(RequestCounts { requests: sent, current });
                    // The last segment of a call may have counts and no results.
                    if size > 0 || ok + failed > 0 {
                        all.segments.push(Segment { key, size, count: ok + failed });
                        writers.push(writer);
                    }
                }
                Some(SegmentKey::Intents { invocation, .. }) => all.intents.push((invocation, key)),
                None => {}
            }
        }
        all.writers = writers.into();
        all
    }

    /// Bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }
}

/// The lines, sorted, that an invocation named in an intent and did not mark as unsent later: they may have
/// been sent, and the worker may then have died. Most of them have a result.
///
/// # Errors
/// `Run.Damaged` if an intent cannot be read, and errors of the store.
pub(super) async fn possibly_sent(
    objects: &Objects,
    intents: Vec<(Invocation, String)>,
    fetches: usize,
) -> Result<Vec<u64>, StepError> {
    let mut all = Vec::new();
    let mut sending: HashSet<u64> = HashSet::new();
    let mut by = None;
    let mut fetched = stream::iter(intents)
        .map(|(invocation, key)| async move {
            let intents = objects.get(&key).await?;
            let intents: Intents = serde_json::from_slice(&intents)
                .map_err(|error| damaged(format!("{key} is not an intent: {error}")))?;
            Ok::<_, StepError>((invocation, intents))
        })
        .buffered(fetches);
    while let Some((invocation, intents)) = fetched.try_next().await? {
        if by.as_ref() != Some(&invocation) {
            all.extend(sending.drain());
            by = Some(invocation);
        }
        for line in &intents.unsent {
            sending.remove(&line.number());
        }
        sending.extend(intents.sending.iter().map(|line| line.number()));
    }
    all.extend(sending);
    all.sort_unstable();
    all.dedup();
    Ok(all)
}
