//! Writes what is kept into the batches of the new run: result segments that come before those of its workers,
//! and the origins of lines that are sent again.

use bytes::Bytes;
use job::run::{FORMAT, damaged};
use job::wire::{Origin, Origins, read_result, seal};
use job::{Invocation, LineId, Objects, Plan, RunKeys, SegmentKey, StepError};
use serde::{Deserialize, Serialize};

use super::merge::Merge;
use super::record::{Left, Place, State, Stored, place_and_line, read};
use super::rewrite::{Rewriter, write};
use super::sort::SortedRun;
use super::writing::Writing;

/// A segment with this many bytes is complete.
const FULL: usize = 4 << 20;

/// Writes the segments of the new run.
pub(super) struct SegmentWriter<'a> {
    objects: &'a Objects,
    keys: RunKeys,
    plan: &'a Plan,
    rewriter: &'a Rewriter,
    pairs: Merge,
    at: Written,
    body: Vec<u8>,
    ok: u64,
    failed: u64,
    writing: Writing,
}

/// What is written, and where another call continues.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Written {
    positions: Vec<u64>,
    /// The batch that is being written.
    place: Option<Place>,
    /// Its segments so far.
    k: u32,
    /// Its lines that are sent again.
    origins: Vec<Origin>,
    /// Lines that keep their success.
    pub(super) kept: u64,
    /// Lines whose outcome is unknown.
    pub(super) unknown: u64,
}

impl<'a> SegmentWriter<'a> {
    pub(super) async fn open(
        objects: &'a Objects,
        keys: RunKeys,
        plan: &'a Plan,
        rewriter: &'a Rewriter,
        (pairs, request_bytes): (&[SortedRun], usize),
        at: Written,
    ) -> Result<Self, StepError> {
        let pairs = Merge::open(objects, pairs, Some(&at.positions), request_bytes).await?;
        let (body, writing) = (Vec::new(), Writing::default());
        Ok(Self { objects, keys, plan, rewriter, pairs, at, body, ok: 0, failed: 0, writing })
    }

    /// Writes the next segment. Returns whether there may be more.
    ///
    /// # Errors
    /// `Run.Damaged`, and errors of the store.
    pub(super) async fn step(&mut self) -> Result<bool, StepError> {
        while let Some((key, _)) = self.pairs.peek() {
            let (place, n) = place_and_line(key);
            if self.at.place != Some(place) {
                self.end_batch().await?;
                (self.at.place, self.at.k) = (Some(place), 0);
            }
            self.add(n).await?;
            self.pairs.advance().await?;
            if self.body.len() >= FULL {
                self.flush().await?;
                return Ok(true);
            }
        }
        self.end_batch().await?;
        Ok(false)
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// Errors of the store.
    pub(super) async fn pause(mut self) -> Result<Written, StepError> {
        self.writing.finish().await?;
        Ok(Written { positions: self.pairs.positions(), ..self.at })
    }

    /// Adds the next pair, whose new line is `n`.
    async fn add(&mut self, n: LineId) -> Result<(), StepError> {
        let Some((_, payload)) = self.pairs.peek() else { return Ok(()) };
        let line = read(payload).ok_or_else(|| damaged("checkpoint/join", "a pair cannot be read"))?;
        let mut state = line.state;
        match line.left {
            Left::Nothing => return Ok(()),
            Left::Origin { run, line } => {
                self.at.origins.push(Origin { n, run: run.to_owned(), line });
                return Ok(());
            }
            Left::Result(tail) => write(&mut self.body, n, tail),
            Left::Stored(stored) => {
                let bytes = fetch(self.objects, &stored).await?;
                let view = read_result(&bytes).map_err(|error| damaged(stored.object, error))?;
                let rewritten = self.rewriter.rewrite(&bytes, &view, stored.identity);
                let rewritten = rewritten.map_err(|error| damaged(stored.object, error))?;
                if !rewritten.as_before {
                    state = State::Failed;
                }
                write(&mut self.body, n, &rewritten.tail);
            }
        }
        match state {
            State::Success => {
                self.ok += 1;
                self.at.kept += 1;
            }
            State::Unknown => {
                self.failed += 1;
                self.at.unknown += 1;
            }
            State::Failed | State::SentAgain => self.failed += 1,
        }
        Ok(())
    }

    async fn end_batch(&mut self) -> Result<(), StepError> {
        self.flush().await?;
        let lines = std::mem::take(&mut self.at.origins);
        if let Some((lane, first)) = self.batch()
            && !lines.is_empty()
        {
            let origins = Origins { format: FORMAT, lines };
            let body = serde_json::to_vec(&origins).expect("it is plain JSON");
            self.objects.put(&self.keys.origins(lane, first), body).await?;
        }
        Ok(())
    }

    /// Begins to write what is collected as one segment. Its name and its content depend on the two runs only,
    /// so that a call that is repeated writes the same.
    async fn flush(&mut self) -> Result<(), StepError> {
        let Some((lane, first)) = self.batch() else { return Ok(()) };
        if self.body.is_empty() {
            return Ok(());
        }
        let (ok, failed) = (std::mem::take(&mut self.ok), std::mem::take(&mut self.failed));
        let invocation = Invocation::kept();
        let segment = SegmentKey::Results { invocation, k: self.at.k, ok, failed, throttled: 0, sent: 0 };
        let object = self.keys.batch_results(lane, first) + &segment.name();
        let mut body = std::mem::take(&mut self.body);
        self.at.k += 1;
        self.writing.finish().await?;
        let objects = self.objects.clone();
        self.writing.start(async move {
            seal::seal(&mut body);
            objects.put(&object, body).await?;
            Ok(())
        });
        Ok(())
    }

    /// The batch that is being written: its lane, and its first line.
    fn batch(&self) -> Option<(&'a str, LineId)> {
        let Place { lane, batch } = self.at.place?;
        let lane = self.plan.lanes.get(usize::from(lane))?;
        Some((&lane.name, lane.batches.get(batch as usize)?.first))
    }
}

async fn fetch(objects: &Objects, stored: &Stored<'_>) -> Result<Bytes, StepError> {
    Ok(objects.get_range(stored.object, stored.offset, stored.offset + stored.length).await?)
}
