//! The executions that have not ended.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use engine::{Abort, Journal};
use tokio::sync::watch;

use super::journal::ExecutionJournal;
use super::record::{Execution, Position};
use crate::catalog::Moment;

/// An execution that has not ended.
pub(crate) struct Open {
    pub(crate) record: Execution,
    start: watch::Sender<Started>,
    ended: watch::Sender<Option<Arc<Execution>>>,
    /// Stops it.
    pub(super) abort: Abort,
    pub(super) journal: ExecutionJournal,
    /// The same journal, as the engine uses it.
    pub(super) engine_journal: Journal,
}

/// Whether the start or the redrive of an execution is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Started {
    NotYet,
    Durable,
    Failed,
}

impl Open {
    pub(super) fn new(record: Execution, started: Started, journal: ExecutionJournal) -> Arc<Self> {
        Arc::new(Self {
            record,
            start: watch::Sender::new(started),
            ended: watch::Sender::new(None),
            abort: Abort::default(),
            engine_journal: Journal::over(Arc::new(journal.clone())),
            journal,
        })
    }

    pub(super) fn set_started(&self, started: Started) {
        self.start.send_replace(started);
    }

    /// Waits until the start is on disk. Returns whether it is.
    pub(super) async fn is_durable(&self) -> bool {
        let mut start = self.start.subscribe();
        let decided = start.wait_for(|started| *started != Started::NotYet).await;
        // The sender is in `self`, so it is not closed.
        decided.is_ok_and(|started| *started == Started::Durable)
    }

    /// Returns whether this is the first time.
    pub(super) fn set_ended(&self, ended: Arc<Execution>) -> bool {
        self.ended.send_replace(Some(ended)).is_none()
    }

    pub(crate) fn end(&self) -> Option<Arc<Execution>> {
        self.ended.borrow().clone()
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> Arc<Execution> {
        let mut ended = self.ended.subscribe();
        let found = ended.wait_for(Option::is_some).await.map(|found| found.clone());
        match found {
            Ok(Some(found)) => found,
            // The sender is in `self`, so it is not closed.
            _ => std::future::pending().await,
        }
    }
}

/// All of them, with the ways in which they are found.
#[derive(Default)]
pub(super) struct OpenSet {
    by_number: HashMap<u64, Arc<Open>>,
    /// The Standard ones by machine and name.
    by_name: HashMap<(String, String), u64>,
    /// By the number of their machine, and then by their start.
    by_machine: BTreeSet<(u64, Position)>,
    /// The Standard ones of all machines by their start.
    by_start: BTreeSet<Position>,
    /// Their number by the name of the machine.
    counts: HashMap<String, usize>,
}

impl OpenSet {
    pub(super) fn insert(&mut self, open: Arc<Open>) {
        let record = &open.record;
        if record.express.is_none() {
            self.by_name.insert((record.machine.clone(), record.name.clone()), record.number);
            self.by_start.insert(started(record));
        }
        if self.by_machine.insert((record.machine_number, record.position())) {
            *self.counts.entry(record.machine.clone()).or_default() += 1;
        }
        self.by_number.insert(record.number, open);
    }

    pub(super) fn remove(&mut self, record: &Execution) {
        self.by_start.remove(&started(record));
        if self.by_machine.remove(&(record.machine_number, started(record))) {
            match self.counts.get_mut(&record.machine) {
                Some(count) if *count > 1 => *count -= 1,
                _ => _ = self.counts.remove(&record.machine),
            }
        }
        let redrives = self.by_number.get(&record.number).map(|found| found.record.redrives.len());
        if redrives != Some(record.redrives.len()) {
            // It has been redriven since it ended.
            return;
        }
        self.by_number.remove(&record.number);
        let name = (record.machine.clone(), record.name.clone());
        if self.by_name.get(&name) == Some(&record.number) {
            self.by_name.remove(&name);
        }
    }

    pub(super) fn named(&self, machine: &str, name: &str) -> Option<Arc<Open>> {
        let number = self.by_name.get(&(machine.to_owned(), name.to_owned()))?;
        self.by_number.get(number).cloned()
    }

    pub(super) fn count_by_machine(&self) -> Vec<(String, usize)> {
        self.counts.iter().map(|(machine, count)| (machine.clone(), *count)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Those of all machines, newest first.
    pub(super) fn newest(&self, limit: usize) -> impl Iterator<Item = &Arc<Open>> {
        let numbers = self.by_start.iter().rev().take(limit);
        numbers.filter_map(|position| self.by_number.get(&position.number))
    }

    /// Those of a machine before a position, newest first.
    pub(super) fn of_machine(
        &self,
        number: u64,
        before: Option<Position>,
    ) -> impl Iterator<Item = &Arc<Open>> {
        use std::ops::Bound::{Excluded, Included};
        let least = Position { time: Moment(i64::MIN), number: 0 };
        let most = Position { time: Moment(i64::MAX), number: u64::MAX };
        let to = before.map_or(Included((number, most)), |before| Excluded((number, before)));
        let found = self.by_machine.range((Included((number, least)), to)).rev();
        found.filter_map(|(_, position)| self.by_number.get(&position.number))
    }
}

fn started(record: &Execution) -> Position {
    Position { time: record.begun(), number: record.number }
}
