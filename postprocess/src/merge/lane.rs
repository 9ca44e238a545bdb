//! The items of one lane beside what became of them.

use std::collections::VecDeque;

use bytes::Bytes;
use job::{Code, Item, LineId, StepError};

use super::tally::{Codes, Tally};
use crate::input::{self, Chunk, Feed, Outcome, Place, RecordView, Source, Spent, line_at, number};
use crate::output::{Ending, Rows};
use crate::run::damaged;

const UNKNOWN: &str = "the request may have been sent before the worker died, and it may not be repeated";
const MISSING: &str = "no result was found for this line";

/// The items of one lane beside what became of them.
pub(super) struct Lane {
    name: String,
    items: Feed<Bytes>,
    /// Whole lines of the items, and where the next begins.
    lines: (Bytes, usize),
    records: Records,
    missing: Missing,
    tally: Tally,
    /// What chunks counted beside their lines, by batch: a batch that is read again counts it again.
    beside: VecDeque<(usize, u64, Spent)>,
}

/// What lines get that have no result.
struct Missing {
    code: Code,
    detail: String,
}

/// Why a lane does not go on by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Another lane has an earlier line than this one's next.
    Turn(u64),
    /// [`Lane::next_items`].
    Items,
    /// [`Lane::next_records`].
    Records,
    /// The rows are to be handed on.
    Room,
}

struct Records {
    feed: Feed<Chunk>,
    ended: bool,
    chunk: Chunk,
    at: usize,
}

impl Lane {
    /// `stopped`: why, if the lane was stopped. `tally`: the counts of the lines before the source's first.
    pub(super) fn new(source: &Source, stopped: Option<String>, tally: Tally) -> Self {
        let missing = match stopped {
            Some(reason) => Missing { code: Code::Stopped, detail: reason },
            None => Missing { code: Code::NotProcessed, detail: MISSING.to_owned() },
        };
        Self {
            missing,
            name: source.lane().name.clone(),
            items: input::items(source),
            lines: (Bytes::new(), 0),
            records: Records { feed: input::records(source), ended: false, chunk: Chunk::default(), at: 0 },
            tally,
            beside: VecDeque::new(),
        }
    }

    /// Passes over the lines up to number `after`, which an earlier call has written: the number of the next one.
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

    /// The counts of all lines so far, for a call that begins with the batch `from` again.
    pub(super) fn pause(mut self, from: usize) -> Tally {
        self.settle(from);
        self.tally
    }

    fn settle(&mut self, before: usize) {
        while let Some((_, throttled, spent)) = self.beside.pop_front_if(|(batch, ..)| *batch < before) {
            self.tally.throttled += throttled;
            self.tally.spent.add(spent);
        }
    }

    /// Waits for more items: the number of the next line, if there is one.
    pub(super) async fn next_items(&mut self) -> Result<Option<u64>, StepError> {
        let Some(lines) = self.items.next().await? else { return Ok(None) };
        self.lines = (lines, 0);
        let (line, _) = line_at(&self.lines.0, 0).unwrap_or_default();
        number_of(line).map(Some).map_err(|what| self.damaged(&what))
    }

    /// Waits for more records.
    pub(super) async fn next_records(&mut self) -> Result<(), StepError> {
        match self.records.feed.next().await? {
            Some(chunk) => {
                self.beside.push_back((chunk.batch, chunk.throttled, chunk.spent));
                (self.records.chunk, self.records.at) = (chunk, 0);
            }
            None => self.records.ended = true,
        }
        Ok(())
    }

    /// Writes the lines up to number `until` that are in memory.
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
                return Ok(Needs::Turn(n));
            }
            let Some(outcome) = self.records.outcome_of(n) else { return Ok(Needs::Records) };
            write((line, n), outcome, &self.records.chunk, &self.missing, rows, codes, &mut self.tally)
                .map_err(|error| {
                    StepError::new(error.name, format!("lane {}: {}", self.name, error.message))
                })?;
            self.lines.1 = next;
        }
    }

    /// The counts, with those of records that come after the last line's.
    pub(super) async fn finish(mut self) -> Result<Tally, StepError> {
        while !self.records.ended {
            self.next_records().await?;
        }
        self.settle(usize::MAX);
        Ok(self.tally)
    }

    fn damaged(&self, what: &str) -> StepError {
        damaged(format!("lane {}: {what}", self.name))
    }
}

impl Records {
    /// What became of a line, `Some(None)` when nothing did; `None` when that is not in memory yet.
    fn outcome_of(&mut self, n: u64) -> Option<Option<Outcome>> {
        loop {
            match self.chunk.outcomes.get(self.at) {
                Some(outcome) if outcome.n < n => self.at += 1,
                Some(outcome) if outcome.n == n => return Some(Some(*outcome)),
                None if !self.ended => return None,
                _ => return Some(None),
            }
        }
    }
}

fn write(
    (line, n): (&[u8], u64),
    outcome: Option<Outcome>,
    chunk: &Chunk,
    missing: &Missing,
    rows: &mut Rows,
    codes: &mut Codes,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let item = input::read_item(line, LineId::nth(n))
        .map_err(|error| damaged(format!("an item is damaged: {error}")))?;
    let record = match outcome.and_then(|outcome| outcome.record) {
        Some(Place { body, start, end, object }) => {
            let bytes = &chunk.bodies[body as usize][start as usize..end as usize];
            let record = input::read_result(bytes)
                .map_err(|error| damaged(format!("the record of line {} is damaged: {error}", item.n)))?;
            tally.record(&record, chunk.current[object as usize]);
            Some(record)
        }
        None => None,
    };
    let code;
    let ending = match (&item.error, &record) {
        // Known before any request, whatever the worker made of it.
        (Some(error), _) => {
            Ending::Failed { code: error, detail: item.detail.as_deref().unwrap_or_default() }
        }
        (None, Some(RecordView { error: Some(error), detail, .. })) => {
            Ending::Failed { code: error, detail: detail.as_deref().unwrap_or_default() }
        }
        (None, Some(RecordView { v, .. })) => Ending::Values(v.unwrap_or("[]")),
        (None, None) => {
            let (which, detail) = if outcome.is_some() {
                (Code::OutcomeUnknown, UNKNOWN)
            } else {
                (missing.code, missing.detail.as_str())
            };
            code = which.to_string();
            Ending::Failed { code: &code, detail }
        }
    };
    match ending {
        Ending::Values(_) => tally.ok += 1,
        Ending::Failed { code, detail } if codes.add(n, code, detail) => tally.failed += 1,
        Ending::Failed { .. } => tally.not_processed += 1,
    }
    rows.line(&item, ending)
}

/// The number of an item's line, or why it has none.
fn number_of(line: &[u8]) -> Result<u64, String> {
    match number(line) {
        Some(n) => Ok(n),
        None => Item::parse(line)
            .map(|item| item.n.number())
            .map_err(|error| format!("an item is damaged: {error}")),
    }
}
