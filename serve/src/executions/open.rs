//! The executions that have not ended.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use engine::{Abort, Journal};
use serde::Deserialize;
use tokio::sync::watch;

use super::journal::ExecutionJournal;
use super::record::{Execution, Position, Redrive};
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

const EARLIEST: Position = Position { time: Moment(i64::MIN), number: 0 };

/// All of them, with the ways in which they are found. One that only waits takes some 170 bytes.
#[derive(Default)]
pub(super) struct OpenSet {
    by_number: HashMap<u64, Entry>,
    /// The Standard ones by the hash of machine and name.
    by_name: HashMap<u128, u64>,
    /// By the number of their machine, and then by their start.
    by_machine: BTreeSet<(u64, Position)>,
    /// Those that only wait, by the time until which they do.
    due: BTreeSet<(Moment, u64)>,
    /// Their number by the name of the machine.
    counts: HashMap<String, usize>,
}

struct Entry {
    /// None if it only waits and nobody has it: its record is in the store.
    open: Option<Arc<Open>>,
    /// Until when it only waits.
    until: Option<Moment>,
}

/// What is known of an execution to open it again.
#[derive(Debug, Deserialize)]
pub(super) struct Brief {
    number: u64,
    name: String,
    machine: String,
    machine_number: u64,
    started: Moment,
    #[serde(default)]
    redrives: Vec<Redrive>,
}

impl Brief {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    fn position(&self) -> Position {
        let time = self.redrives.last().map_or(self.started, |redrive| redrive.at);
        Position { time, number: self.number }
    }
}

impl OpenSet {
    pub(super) fn insert(&mut self, open: Arc<Open>) {
        let record = &open.record;
        if record.express.is_none() {
            self.by_name.insert(hash(&record.machine, &record.name), record.number);
        }
        self.count(record.machine_number, record.position(), &record.machine);
        self.by_number.insert(record.number, Entry { open: Some(open), until: None });
    }

    /// Inserts a Standard one that only waits.
    pub(super) fn insert_parked(&mut self, brief: &Brief, until: Moment) {
        self.by_name.insert(hash(&brief.machine, &brief.name), brief.number);
        self.count(brief.machine_number, brief.position(), &brief.machine);
        self.by_number.insert(brief.number, Entry { open: None, until: Some(until) });
        self.due.insert((until, brief.number));
    }

    fn count(&mut self, machine: u64, position: Position, name: &str) {
        if self.by_machine.insert((machine, position)) {
            match self.counts.get_mut(name) {
                Some(count) => *count += 1,
                None => _ = self.counts.insert(name.to_owned(), 1),
            }
        }
    }

    /// One that runs only waits from now on. Nothing is kept in memory of it, unless somebody else has it. Returns false
    /// if it has been removed.
    pub(super) fn park(&mut self, open: &Arc<Open>, until: Moment) -> bool {
        let number = open.record.number;
        let Some(entry) = self.by_number.get_mut(&number) else { return false };
        entry.until = Some(until);
        // The set has one, and so has the caller.
        if Arc::strong_count(open) <= 2 {
            entry.open = None;
        }
        self.due.insert((until, number));
        true
    }

    /// One does not only wait any more. Returns whether it did, and what is in memory of it.
    pub(super) fn unpark(&mut self, number: u64) -> (bool, Option<Arc<Open>>) {
        let Some(entry) = self.by_number.get_mut(&number) else { return (false, None) };
        let until = entry.until.take();
        if let Some(until) = until {
            self.due.remove(&(until, number));
        }
        (until.is_some(), entry.open.clone())
    }

    /// Puts one into memory again.
    pub(super) fn revive(&mut self, open: Arc<Open>) {
        if let Some(entry) = self.by_number.get_mut(&open.record.number) {
            entry.open = Some(open);
        }
    }

    /// The first time until which one only waits, and its number.
    pub(super) fn first_due(&self) -> Option<(Moment, u64)> {
        self.due.first().copied()
    }

    /// The number of those that only wait.
    pub(super) fn parked(&self) -> usize {
        self.due.len()
    }

    pub(super) fn remove(&mut self, record: &Execution) {
        if self.by_machine.remove(&(record.machine_number, started(record))) {
            match self.counts.get_mut(&record.machine) {
                Some(count) if *count > 1 => *count -= 1,
                _ => _ = self.counts.remove(&record.machine),
            }
        }
        let found = self.by_number.get(&record.number).and_then(|entry| entry.open.as_ref());
        if found.map(|found| found.record.redrives.len()) != Some(record.redrives.len()) {
            // It has been redriven since it ended.
            return;
        }
        self.unpark(record.number);
        self.by_number.remove(&record.number);
        let name = hash(&record.machine, &record.name);
        if self.by_name.get(&name) == Some(&record.number) {
            self.by_name.remove(&name);
        }
    }

    /// The number of the one of a name.
    pub(super) fn named(&self, machine: &str, name: &str) -> Option<u64> {
        self.by_name.get(&hash(machine, name)).copied()
    }

    /// One that is in memory.
    pub(super) fn live(&self, number: u64) -> Option<Arc<Open>> {
        self.by_number.get(&number).and_then(|entry| entry.open.clone())
    }

    pub(super) fn count_by_machine(&self) -> Vec<(String, usize)> {
        self.counts.iter().map(|(machine, count)| (machine.clone(), *count)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The newest of all machines, newest first.
    pub(super) fn newest(&self, limit: usize) -> Vec<Position> {
        let mut found = Vec::new();
        let mut next = self.by_machine.first();
        while let Some((machine, _)) = next {
            found.extend(self.of_machine(*machine, None).take(limit));
            next = self.by_machine.range((machine + 1, EARLIEST)..).next();
        }
        found.sort_by_key(|position| std::cmp::Reverse(*position));
        found.truncate(limit);
        found
    }

    /// Those of a machine before a position, newest first.
    pub(super) fn of_machine(&self, number: u64, before: Option<Position>) -> impl Iterator<Item = Position> {
        use std::ops::Bound::{Excluded, Included};
        let most = Position { time: Moment(i64::MAX), number: u64::MAX };
        let to = before.map_or(Included((number, most)), |before| Excluded((number, before)));
        self.by_machine.range((Included((number, EARLIEST)), to)).rev().map(|(_, position)| *position)
    }
}

fn started(record: &Execution) -> Position {
    Position { time: record.begun(), number: record.number }
}

/// Two names with one hash are too unlikely to happen.
fn hash(machine: &str, name: &str) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(machine.as_bytes()).update(&[0]).update(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_be_bytes(bytes)
}
