//! Which children had finished before this run of the machine.

use std::collections::VecDeque;

use crate::journal::{JournalError, Key, MapRun, Span};
use crate::run::World;

/// Records that are read at once.
const CHUNK: usize = 256;

/// Asked in rising order.
pub(super) struct Finished {
    settled: VecDeque<Span>,
    visit: Key,
    recorded: VecDeque<Span>,
    /// Where the next chunk begins; none when there is no more.
    next: Option<u64>,
}

impl Finished {
    pub(super) fn new(visit: &Key, run: &MapRun) -> Finished {
        Finished { settled: run.settled.clone().into(), visit: visit.clone(), recorded: VecDeque::new(), next: Some(0) }
    }

    /// The finished children that begin with `index`, if it is one.
    pub(super) fn at(&mut self, world: &World, index: u64) -> Result<Option<Span>, JournalError> {
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
            let records = world.journal.records(&self.visit, from.max(index), CHUNK)?;
            self.next = match records.last() {
                Some((last, _)) if records.len() == CHUNK => Some(last + 1),
                _ => None,
            };
            self.recorded = records.into_iter().map(|(first, record)| Span { first, children: 1, items: record.items }).collect();
        }
    }
}
