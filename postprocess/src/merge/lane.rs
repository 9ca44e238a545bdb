//! One lane of the merge: its items, and the results of their lines.

use std::collections::VecDeque;

use bytes::Bytes;
use job::wire::SKIPPED;
use job::{Code, Item, LineId, StepError};

use super::tally::{Codes, Tally};
use crate::input::{
    Chunk, Feed, LaneInput, RequestCounts, ResultView, Slice, lane_items, lane_results, line_at, number,
    read_item, read_result,
};
use crate::output::{NO_VALUES, Outcome, Rows};
use crate::run::damaged;

const UNKNOWN: &str = "the request may have been sent before the worker died, and it must not be repeated";
const MISSING: &str = "no result was found for this line";

/// The items of one lane, and the results of their lines.
pub(super) struct Lane {
    name: String,
    items: Feed<Bytes>,
    /// Whole lines of the items, and the start of the next line.
    lines: (Bytes, usize),
    results: Results,
    missing: Missing,
    tally: Tally,
    /// Counts of batches, which belong to no single line. They are held until the batch is complete, since a
    /// batch that is read again is counted again.
    pending: VecDeque<BatchCounts>,
}

struct BatchCounts {
    batch: usize,
    throttled: u64,
    requests: RequestCounts,
}

/// The outcome of lines without a result.
struct Missing {
    code: Code,
    detail: String,
}

/// What a lane needs before it can continue.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Another lane has an earlier line than this lane's next line, whose number this is.
    OtherLane(u64),
    /// [`Lane::next_items`].
    Items,
    /// [`Lane::next_results`].
    Results,
    /// The buffer of rows is full.
    Room,
}

struct Results {
    feed: Feed<Chunk>,
    ended: bool,
    chunk: Chunk,
    at: usize,
}

/// What is known about the result of a line.
#[derive(Clone, Copy)]
enum Lookup {
    /// Its chunk is not in memory yet.
    NotFetched,
    /// It has none.
    Missing,
    /// It has none, but the line may have been sent.
    Unknown,
    Found(Slice),
}

impl Lane {
    /// `stopped`: why the lane was stopped, if it was. `tally`: the counts of the lines that an earlier call
    /// has written.
    pub(super) fn new(source: &LaneInput, stopped: Option<String>, tally: Tally) -> Self {
        let missing = match stopped {
            Some(reason) => Missing { code: Code::Stopped, detail: reason },
            None => Missing { code: Code::NotProcessed, detail: MISSING.to_owned() },
        };
        Self {
            missing,
            name: source.lane().name.clone(),
            items: lane_items(source),
            lines: (Bytes::new(), 0),
            results: Results { feed: lane_results(source), ended: false, chunk: Chunk::default(), at: 0 },
            tally,
            pending: VecDeque::new(),
        }
    }

    /// Skips the lines up to number `after`, which an earlier call has written. Returns the number of the
    /// next line.
    ///
    /// # Errors
    /// `Run.Damaged`, and errors of the store.
    pub(super) async fn begin(&mut self, after: u64) -> Result<Option<u64>, StepError> {
        while self.next_items().await?.is_some() {
            while let Some((line, end)) = line_at(&self.lines.0, self.lines.1) {
                let n = number_of(line).map_err(|what| self.damaged(&what))?;
                if n > after {
                    return Ok(Some(n));
                }
                self.lines.1 = end;
            }
        }
        Ok(None)
    }

    /// The counts of all lines so far, for a call that begins with the batch `from`.
    pub(super) fn pause(mut self, from: usize) -> Tally {
        self.count_batches_before(from);
        self.tally
    }

    fn count_batches_before(&mut self, end: usize) {
        while let Some(counts) = self.pending.pop_front_if(|counts| counts.batch < end) {
            self.tally.throttled += counts.throttled;
            self.tally.spent.add(counts.requests);
        }
    }

    /// Waits for more items. Returns the number of the next line, if there is one.
    ///
    /// # Errors
    /// `Run.Damaged`, and errors of the store.
    pub(super) async fn next_items(&mut self) -> Result<Option<u64>, StepError> {
        let Some(lines) = self.items.next().await? else { return Ok(None) };
        self.lines = (lines, 0);
        let (line, _) = line_at(&self.lines.0, 0).unwrap_or_default();
        number_of(line).map(Some).map_err(|what| self.damaged(&what))
    }

    /// Waits for more results.
    ///
    /// # Errors
    /// `Run.Damaged`, and errors of the store.
    pub(super) async fn next_results(&mut self) -> Result<(), StepError> {
        match self.results.feed.next().await? {
            Some(chunk) => {
                let Chunk { batch, throttled, requests, .. } = chunk;
                self.pending.push_back(BatchCounts { batch, throttled, requests });
                (self.results.chunk, self.results.at) = (chunk, 0);
            }
            None => self.results.ended = true,
        }
        Ok(())
    }

    /// Writes the lines up to number `until` that are in memory. Returns what is needed for the next line.
    ///
    /// # Errors
    /// `Run.Damaged` if an item or a result cannot be read.
    pub(super) fn advance(
        &mut self,
        until: u64,
        rows: &mut Rows,
        codes: &mut Codes,
    ) -> Result<Needs, StepError> {
        loop {
            if rows.is_full() {
                return Ok(Needs::Room);
            }
            let Some((line, next)) = line_at(&self.lines.0, self.lines.1) else { return Ok(Needs::Items) };
            let n = number_of(line).map_err(|what| self.damaged(&what))?;
            if n > until {
                return Ok(Needs::OtherLane(n));
            }
            let result = self.results.find(n);
            if matches!(result, Lookup::NotFetched) {
                return Ok(Needs::Results);
            }
            write((line, n), result, &self.results.chunk, &self.missing, rows, codes, &mut self.tally)
                .map_err(|error| {
                    StepError::new(error.name, format!("lane {}: {}", self.name, error.message))
                })?;
            self.lines.1 = next;
        }
    }

    /// All counts, including those of results that come after the result of the last line.
    ///
    /// # Errors
    /// `Run.Damaged`, and errors of the store.
    pub(super) async fn finish(mut self) -> Result<Tally, StepError> {
        while !self.results.ended {
            self.next_results().await?;
        }
        self.count_batches_before(usize::MAX);
        Ok(self.tally)
    }

    fn damaged(&self, what: &str) -> StepError {
        damaged(format!("lane {}: {what}", self.name))
    }
}

impl Results {
    /// The result of line `n`. Lines must be asked for in order.
    fn find(&mut self, n: u64) -> Lookup {
        loop {
            match self.chunk.lines.get(self.at) {
                Some(entry) if entry.n < n => self.at += 1,
                Some(entry) if entry.n == n => return entry.result.map_or(Lookup::Unknown, Lookup::Found),
                None if !self.ended => return Lookup::NotFetched,
                _ => return Lookup::Missing,
            }
        }
    }
}

/// Writes and counts one line.
fn write(
    (line, n): (&[u8], u64),
    lookup: Lookup,
    chunk: &Chunk,
    missing: &Missing,
    rows: &mut Rows,
    codes: &mut Codes,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let item =
        read_item(line, LineId::nth(n)).map_err(|error| damaged(format!("an item is damaged: {error}")))?;
    let result = match lookup {
        Lookup::Found(Slice { body, start, end, segment }) => {
            let bytes = &chunk.bodies[body as usize][start as usize..end as usize];
            let result = read_result(bytes)
                .map_err(|error| damaged(format!("the result of line {n} is damaged: {error}")))?;
            tally.attempt(&result, chunk.writers[segment as usize]);
            Some(result)
        }
        _ => None,
    };
    let code;
    let outcome = match (&item.error, &result) {
        (Some(error), _) if error == SKIPPED => Outcome::Skipped(item.detail.as_deref().unwrap_or_default()),
        // The line failed before any request, so its result does not matter.
        (Some(error), _) => Outcome::failed(error, item.detail.as_deref().unwrap_or_default()),
        (None, Some(ResultView { error: Some(error), detail, v, .. })) => Outcome::Failed {
            code: error,
            detail: detail.as_deref().unwrap_or_default(),
            values: v.unwrap_or(NO_VALUES),
        },
        (None, Some(ResultView { v, .. })) => Outcome::Values(v.unwrap_or(NO_VALUES)),
        (None, None) => {
            let (which, detail) = match lookup {
                Lookup::Unknown => (Code::OutcomeUnknown, UNKNOWN),
                _ => (missing.code, missing.detail.as_str()),
            };
            code = which.to_string();
            Outcome::failed(&code, detail)
        }
    };
    match outcome {
        Outcome::Values(_) => tally.ok += 1,
        Outcome::Skipped(_) => tally.skipped += 1,
        Outcome::Failed { code, detail, .. } if codes.add(n, code, detail) => tally.failed += 1,
        Outcome::Failed { .. } => tally.not_processed += 1,
    }
    rows.line(&item, outcome)
}

/// The number of an item's line, or why it cannot be read.
fn number_of(line: &[u8]) -> Result<u64, String> {
    match number(line) {
        Some(n) => Ok(n),
        None => Item::parse(line)
            .map(|item| item.n.number())
            .map_err(|error| format!("an item is damaged: {error}")),
    }
}
