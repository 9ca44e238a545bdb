//! The record of an execution, and where it is in the store.

use serde::{Deserialize, Serialize};

use crate::arn::Place;
use crate::catalog::Moment;
use crate::store::{Batch, KeyReader, KeyWriter, Space};

/// An execution, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Execution {
    /// Its number. Later executions have higher ones.
    pub(crate) number: u64,
    pub(crate) name: String,
    /// The id in the ARN of an Express execution.
    pub(crate) express: Option<String>,
    pub(crate) machine: String,
    /// The number of the machine.
    pub(crate) machine_number: u64,
    /// The id of the revision that it began with.
    pub(crate) revision: String,
    pub(crate) version: Option<u32>,
    pub(crate) alias: Option<String>,
    /// The text of the input as it was sent.
    pub(crate) input: String,
    pub(crate) trace: Option<String>,
    pub(crate) started: Moment,
    pub(crate) end: Option<End>,
    /// Its redrives, oldest first.
    #[serde(default)]
    pub(crate) redrives: Vec<Redrive>,
}

/// A redrive of an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Redrive {
    pub(crate) at: Moment,
    /// What the client has named it by.
    pub(crate) token: Option<String>,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) stopped: Moment,
    pub(crate) status: Status,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
}

/// The status of an execution. The numbers are in the keys of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub(crate) enum Status {
    Running = 0,
    Succeeded = 1,
    Failed = 2,
    TimedOut = 3,
    Aborted = 4,
}

impl Status {
    /// Those of executions that have ended.
    pub(crate) const ENDED: [Self; 4] = [Self::Succeeded, Self::Failed, Self::TimedOut, Self::Aborted];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

impl Execution {
    pub(crate) fn arn(&self, place: &Place) -> String {
        match &self.express {
            Some(id) => place.express(&self.machine, &self.name, id),
            None => place.execution(&self.machine, &self.name),
        }
    }

    /// When it ended; when it was started, while it runs.
    pub(crate) fn stopped(&self) -> Moment {
        self.end.as_ref().map_or(self.started, |end| end.stopped)
    }

    pub(crate) fn status(&self) -> Status {
        self.end.as_ref().map_or(Status::Running, |end| end.status)
    }

    /// What lists are sorted by: the time of the end, or of the start or the last redrive while it runs.
    pub(crate) fn position(&self) -> Position {
        let time = self.end.as_ref().map_or_else(|| self.begun(), |end| end.stopped);
        Position { time, number: self.number }
    }

    /// When it was started, or redriven last.
    pub(crate) fn begun(&self) -> Moment {
        self.redrives.last().map_or(self.started, |redrive| redrive.at)
    }

    /// Puts it among those that have ended.
    pub(crate) fn put_closed(&self, batch: &mut Batch) {
        let key = self.closed_key();
        batch.put(Space::Names, name_key(&self.machine, &self.name), Found::Closed(key.clone()).to_bytes());
        batch.put_json(Space::Closed, key, self);
    }

    /// The key of an execution that has ended.
    pub(crate) fn closed_key(&self) -> Vec<u8> {
        closed_prefix(self.machine_number, self.status()).bytes(&self.position().key()).done()
    }
}

/// The keys of the executions of a machine that have ended with a status begin with this.
pub(crate) fn closed_prefix(machine_number: u64, status: Status) -> KeyWriter {
    KeyWriter::default().number(machine_number).byte(status as u8)
}

/// A place in a list of executions, which has the newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) time: Moment,
    pub(crate) number: u64,
}

impl Position {
    pub(crate) fn key(self) -> Vec<u8> {
        let time = u64::try_from(self.time.0).unwrap_or_default();
        KeyWriter::default().number(time).number(self.number).done()
    }

    pub(crate) fn of(key: &[u8]) -> Option<Self> {
        let mut reader = KeyReader(key);
        let time = i64::try_from(reader.number()?).ok()?;
        Some(Self { time: Moment(time), number: reader.number()? })
    }
}

/// The key of a name, by which an execution is found.
pub(crate) fn name_key(machine: &str, name: &str) -> Vec<u8> {
    KeyWriter::default().text(machine).text(name).done()
}

/// Where the execution of a name is.
pub(crate) enum Found {
    Open(u64),
    /// The key in the space of those that have ended.
    Closed(Vec<u8>),
}

impl Found {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Found::Open(number) => KeyWriter::default().byte(b'o').number(*number).done(),
            Found::Closed(key) => KeyWriter::default().byte(b'c').bytes(key).done(),
        }
    }

    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let mut reader = KeyReader(value);
        match reader.byte()? {
            b'o' => reader.number().map(Found::Open),
            b'c' => Some(Found::Closed(reader.0.to_vec())),
            _ => None,
        }
    }
}
