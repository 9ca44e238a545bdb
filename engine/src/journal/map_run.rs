//! The entries of Map Runs and of their finished children.

use serde::{Deserialize, Serialize};

/// The limits of a Map Run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MapRunLimits {
    /// Children that may run at once.
    pub max_concurrency: u64,
    /// The number of items that may fail.
    pub tolerated_failure_count: Option<u64>,
    /// The percentage of items that may fail, from 0 to 100.
    pub tolerated_failure_percentage: Option<f64>,
}

/// The entry of a Map Run.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct MapRunEntry {
    pub(crate) id: String,
    /// The number of items, if the tolerance depends on it.
    pub(crate) total: Option<u64>,
    /// The index of the first child that was never started, if too many items have failed.
    pub(crate) exceeded_at: Option<u64>,
    /// Children whose records have left the journal, in rising order.
    pub(crate) settled: Vec<Span>,
    /// Those of them that succeeded.
    #[serde(default)]
    pub(crate) kept: Vec<Span>,
    /// The redrives of the execution that the run has seen.
    #[serde(default)]
    pub(crate) generation: u32,
    /// The redrives of this run.
    #[serde(default)]
    pub(crate) redrives: u32,
    /// Counts of the settled children.
    pub(crate) tally: Tally,
    /// The result files of children that succeeded.
    pub(crate) succeeded: Vec<ResultFile>,
    /// The result files of the other children.
    pub(crate) failed: Vec<ResultFile>,
    /// The outputs together are too large for an output.
    pub(crate) oversized: bool,
}

/// Consecutive children and their items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) children: u64,
    pub(crate) items: u64,
}

/// Numbers of children and items, by their status.
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

/// A finished child whose record has left the journal.
pub(crate) struct SettledChild {
    pub(crate) index: u64,
    pub(crate) status: ChildStatus,
    pub(crate) items: u64,
}

impl MapRunEntry {
    /// Adds finished children, in rising order, to the settled ones.
    pub(crate) fn add_settled(&mut self, children: &[SettledChild]) {
        let span = |child: &SettledChild| Span { first: child.index, children: 1, items: child.items };
        add(&mut self.settled, children.iter().map(span));
        let succeeded = children.iter().filter(|child| child.status == ChildStatus::Succeeded);
        add(&mut self.kept, succeeded.map(span));
    }
}

fn add(spans: &mut Vec<Span>, more: impl Iterator<Item = Span>) {
    spans.extend(more);
    spans.sort_by_key(|span| span.first);
    spans.dedup_by(|next, span| {
        let follows = span.first + span.children == next.first;
        if follows {
            span.children += next.children;
            span.items += next.items;
        }
        follows
    });
}

/// A result file, as the manifest lists it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ResultFile {
    pub(crate) key: String,
    pub(crate) size: u64,
}

/// The way in which a child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ChildStatus {
    Succeeded = b'S',
    Failed = b'F',
    TimedOut = b'T',
}

/// The record of a finished child.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChildRecord {
    pub(crate) status: ChildStatus,
    pub(crate) items: u64,
    /// Its text in a result, as JSON; empty if it is left out.
    pub(crate) shown: String,
}

impl ChildRecord {
    /// Writes the status, the number of items and the text. It is not JSON, because there are many records.
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
    fn consecutive_settled_children_are_one_span() {
        let mut run = MapRunEntry::default();
        let settle = |run: &mut MapRunEntry, children: &[(u64, u64)]| {
            // Every child but the third succeeds.
            let status = |index| if index == 3 { ChildStatus::Failed } else { ChildStatus::Succeeded };
            let child = |&(index, items)| SettledChild { index, items, status: status(index) };
            run.add_settled(&children.iter().map(child).collect::<Vec<_>>());
        };
        settle(&mut run, &[(0, 2), (1, 2), (3, 1)]);
        settle(&mut run, &[(7, 1)]);
        let span = |first, children, items| Span { first, children, items };
        assert_eq!(run.settled, [span(0, 2, 4), span(3, 1, 1), span(7, 1, 1)]);
        settle(&mut run, &[(2, 5), (4, 1)]);
        assert_eq!(run.settled, [span(0, 5, 11), span(7, 1, 1)]);
        assert_eq!(run.kept, [span(0, 3, 9), span(4, 1, 1), span(7, 1, 1)]);
    }
}
