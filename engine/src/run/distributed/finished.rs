//! Which children had finished before this run of the machine.

use std::collections::VecDeque;

use crate::journal::{JournalError, Key, MapRunEntry, RECORDS_PER_READ, Span};
use crate::run::Runtime;

/// Asked in rising order.
pub(super) struct FinishedChildren {
    settled: VecDeque<Span>,
    visit: Key,
    recorded: VecDeque<Span>,
    /// Where the next chunk begins; none when there is no more.
    next: Option<u64>,
}

impl FinishedChildren {
    pub(super) fn new(visit: &Key, entry: &MapRunEntry) -> Self {
        Self {
            settled: entry.settled.clone().into(),
            visit: visit.clone(),
            recorded: VecDeque::new(),
            next: Some(0),
        }
    }

    /// The finished children that begin with `index`, if it is one.
    pub(super) fn at(&mut self, runtime: &Runtime, index: u64) -> Result<Option<Span>, JournalError> {
        while self.settled.front().is_some_and(|span| span.first < index) {
            self.settled.pop_front();
        }
        if let Some(span) = self.settled.front().filter(|span| span.first == index) {
            return Ok(Some(*span));
        }
        loop {
            while self.recorded.front().is_some_and(|span| span.first < index) {
                self.recorded.pop_front();
            }
            if let Some(span) = self.recorded.front() {
                return Ok(Some(*span).filter(|span| span.first == index));
            }
            let Some(from) = self.next else { return Ok(None) };
            // What has ended meanwhile lies below `index`, and does not matter any more.
            let records = runtime.journal.records(&self.visit, from.max(index), RECORDS_PER_READ)?;
            self.next = match records.last() {
                Some((last, _)) if records.len() == RECORDS_PER_READ => Some(last + 1),
                _ => None,
            };
            self.recorded = records
                .into_iter()
                .map(|(first, record)| Span { first, children: 1, items: record.items })
                .collect();
        }
    }
}
