//! What entries hold.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::json;

/// Whose journal it is, and how it ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) definition: String,
    pub(crate) input: String,
    pub(crate) execution: String,
    /// In microseconds since 1970, as all times here.
    pub(crate) started: i64,
    pub(crate) outcome: Option<Ending>,
}

/// How an execution ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ending {
    Succeeded(#[serde(deserialize_with = "json::value")] Value),
    Failed(Failure),
    TimedOut,
}

/// A run of states: the execution, an iteration or a child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FrameEntry {
    At(Box<Checkpoint>),
    /// An iteration of an inline Map, or a branch, that has finished.
    Done(Done),
}

/// How an iteration or branch ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Done {
    #[serde(deserialize_with = "json::value")]
    pub(crate) output: Value,
    /// Its last history event, and how many the execution had then.
    pub(crate) previous: u64,
    pub(crate) events: u64,
}

/// Where a frame stands. Between two checkpoints nothing happens that could not happen again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) started: i64,
    /// What the frame began with, where it could not be found out again.
    #[serde(deserialize_with = "json::maybe")]
    pub(crate) origin: Option<Value>,
    /// Counts checkpoints at which the frame moved on; entries below carry it in their keys.
    pub(crate) step: u64,
    /// History events of the execution so far.
    pub(crate) events: u64,
    /// The frame's latest event, which its next one follows.
    pub(crate) previous: u64,
    pub(crate) state: usize,
    #[serde(deserialize_with = "json::value")]
    pub(crate) input: Value,
    pub(crate) entered: i64,
    /// The history event by which the state was entered, and the one before.
    pub(crate) entered_event: u64,
    pub(crate) entered_previous: u64,
    /// What `Assign` has set in this frame.
    #[serde(deserialize_with = "json::fields")]
    pub(crate) variables: Map<String, Value>,
    /// When the task was scheduled whose outcome comes by token, once it has been handed over.
    pub(crate) submitted: Option<i64>,
    /// Retries of this visit, by retrier.
    pub(crate) tries: Vec<u32>,
    /// A Wait's end, or when the next attempt begins.
    pub(crate) wake: Option<i64>,
    /// What the state's expressions drew by chance.
    #[serde(deserialize_with = "json::items")]
    pub(crate) draws: Vec<Value>,
}

/// The run of a Distributed Map.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct MapRunEntry {
    pub(crate) id: String,
    /// The number of items, where it had to be known.
    pub(crate) total: Option<u64>,
    /// The index of the first child that was never started, once too many items have failed.
    pub(crate) exceeded_at: Option<u64>,
    /// Children whose records are in result files, or that nobody will ask for; in rising order.
    pub(crate) settled: Vec<Span>,
    /// Of the settled children.
    pub(crate) tally: Tally,
    /// The result files so far, of the children that succeeded and of the others.
    pub(crate) succeeded: Vec<ResultFile>,
    pub(crate) failed: Vec<ResultFile>,
    /// The outputs together are longer than an output may be.
    pub(crate) oversized: bool,
}

/// Children side by side, and their items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) children: u64,
    pub(crate) items: u64,
}

/// Children and items by what became of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) children: ByStatus,
    pub(crate) items: ByStatus,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ByStatus {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) timed_out: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, status: ChildStatus, items: u64) {
        self.children.add(status, 1);
        self.items.add(status, items);
    }
}

impl ByStatus {
    fn add(&mut self, status: ChildStatus, count: u64) {
        *match status {
            ChildStatus::Succeeded => &mut self.succeeded,
            ChildStatus::Failed => &mut self.failed,
            ChildStatus::TimedOut => &mut self.timed_out,
        } += count;
    }

    pub(crate) fn not_succeeded(&self) -> u64 {
        self.failed + self.timed_out
    }
}

impl MapRunEntry {
    /// Takes finished children, given in rising order with their items, into those settled.
    pub(crate) fn settle(&mut self, children: impl Iterator<Item = (u64, u64)>) {
        self.settled.extend(children.map(|(first, items)| Span { first, children: 1, items }));
        self.settled.sort_by_key(|span| span.first);
        self.settled.dedup_by(|next, span| {
            let follows = span.first + span.children == next.first;
            if follows {
                span.children += next.children;
                span.items += next.items;
            }
            follows
        });
    }
}

/// A file of a ResultWriter, as its manifest names it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ResultFile {
    pub(crate) key: String,
    pub(crate) size: u64,
}

/// How a child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ChildStatus {
    Succeeded = b'S',
    Failed = b'F',
    TimedOut = b'T',
}

/// A finished child.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChildRecord {
    pub(crate) status: ChildStatus,
    pub(crate) items: u64,
    /// What a result shows of it, as JSON; nothing where it is left out.
    pub(crate) shown: String,
}

impl ChildRecord {
    /// The status, the number of items, and the text as it is: there are many of these.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + size_of::<u64>() + self.shown.len());
        bytes.push(self.status as u8);
        bytes.extend(self.items.to_be_bytes());
        bytes.extend(self.shown.as_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (status, rest) = bytes.split_first()?;
        let status = [ChildStatus::Succeeded, ChildStatus::Failed, ChildStatus::TimedOut]
            .into_iter()
            .find(|known| *known as u8 == *status)?;
        let (items, shown) = rest.split_first_chunk()?;
        Some(Self {
            status,
            items: u64::from_be_bytes(*items),
            shown: str::from_utf8(shown).ok()?.to_owned(),
        })
    }
}

pub(crate) fn micros(moment: OffsetDateTime) -> i64 {
    // Fits for 290,000 years.
    (moment.unix_timestamp_nanos() / 1_000) as i64
}

pub(crate) fn moment(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were() {
        let record = ChildRecord { status: ChildStatus::TimedOut, items: 7, shown: "\"é\"".into() };
        assert_eq!(ChildRecord::from_bytes(&record.to_bytes()), Some(record));
        assert_eq!(ChildRecord::from_bytes(b"S1234567"), None);
    }

    #[test]
    fn settled_children_side_by_side_are_one_span() {
        let mut run = MapRunEntry::default();
        run.settle([(0, 2), (1, 2), (3, 1)].into_iter());
        run.settle([(7, 1)].into_iter());
        let span = |first, children, items| Span { first, children, items };
        assert_eq!(run.settled, [span(0, 2, 4), span(3, 1, 1), span(7, 1, 1)]);
        run.settle([(2, 5), (4, 1)].into_iter());
        assert_eq!(run.settled, [span(0, 5, 11), span(7, 1, 1)]);
    }
}
