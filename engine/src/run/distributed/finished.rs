//! The children that had finished before the execution was continued.

use std::collections::VecDeque;

use crate::journal::{JournalError, Key, MapRunEntry, RECORDS_PER_READ, Span};
use crate::run::Runtime;

/// Finds finished children; indices must be asked for in rising order.
pub(super) struct FinishedChildren {
    settled: VecDeque<Span>,
    visit: Key,
    recorded: VecDeque<Span>,
    /// The index at which the next chunk of records begins; None if there are no more.
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

    /// The consecutive finished children that begin with `index`, if there are any.
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
            // Children that have ended meanwhile have lower indices and do not matter any more.
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
