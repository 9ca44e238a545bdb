//! A child: an execution of its own.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use time::Duration;

use super::super::World;
use super::super::context::Identity;
use super::super::frame::{self, Frame};
use crate::error::{Failure, Halt, Stop};
use crate::journal::{Change, Checkpoint, ChildRecord, Frame as FrameEntry, Key, Kind as Entry, Status, micros, moment};
use crate::machine::Scope;
use crate::run::uuid_of;

pub(super) struct Child {
    pub(super) world: Arc<World>,
    pub(super) scope: Arc<Scope>,
    pub(super) parent: Arc<Identity>,
    pub(super) label: String,
    pub(super) name: String,
    pub(super) key: Key,
    pub(super) items: u64,
    pub(super) by_chance: bool,
    pub(super) express: bool,
    /// Its record is to have its input.
    pub(super) with_input: bool,
}

/// What the Map Run must know of a child that has ended; the rest is in its record.
pub(super) struct Ended {
    pub(super) status: Status,
    pub(super) items: u64,
    /// Of its output.
    pub(super) output: usize,
    /// Of its record, about.
    pub(super) bytes: usize,
}

/// How long an Express execution may take.
const EXPRESS: Duration = Duration::minutes(5);

impl Child {
    /// Runs the child and leaves one record in place of all that it has recorded itself.
    pub(super) async fn run(self, input: Value) -> Result<Ended, Stop> {
        let Child { world, key, items, .. } = &self;
        // What a child has begun with, it goes on with.
        let found = world.journal.get(Entry::Frame, key)?;
        let (started, input) = match found {
            Some(FrameEntry::At(Checkpoint { started, origin, .. })) => (started, origin.unwrap_or(input)),
            _ => (micros(world.host.now()), input),
        };
        let text = self.with_input.then(|| input.to_string());
        let (status, outcome) = self.outcome(started, input).await?;
        let outcome = outcome.map(|output| output.to_string());
        let record = ChildRecord { status, items: *items, input: text, outcome, started, stopped: micros(world.host.now()) };
        let changes = vec![Change::Clear(key.clone()), Change::put(Entry::Record, key, &record)?];
        world.journal.commit(changes).await?;
        Ok(Ended::of(&record))
    }

    async fn outcome(&self, started: i64, input: Value) -> Result<(Status, Result<Value, Failure>), Stop> {
        let world = &self.world;
        let mut identity = self.parent.of_child(&self.label, self.name.clone(), moment(started), input.clone());
        if self.express {
            identity.id = arn(&self.parent, &self.label, &self.name, true);
        }
        let mut frame = Frame::new(self.key.clone(), Arc::new(identity));
        frame.by_chance = self.by_chance;
        let run = frame::run(world.clone(), self.scope.clone(), frame, input);
        let ended = match self.express {
            false => run.await,
            true => tokio::select! {
                biased;
                ended = run => ended,
                () = world.host.sleep_until(moment(started) + EXPRESS) => {
                    return Ok((Status::TimedOut, Err(Failure::new("States.Timeout", "Execution timed out"))));
                }
            },
        };
        match ended {
            Ok(done) => Ok((Status::Succeeded, Ok(done.output))),
            Err(Halt::Failed(failure)) => Ok((Status::Failed, Err(failure))),
            Err(Halt::Stopped(stop)) => Err(stop),
        }
    }
}

impl Ended {
    pub(super) fn of(record: &ChildRecord) -> Ended {
        /// What a record has beside input and output, about.
        const OTHER: usize = 300;
        let output = record.outcome.as_ref().map_or(0, String::len);
        let bytes = OTHER + output + record.input.as_ref().map_or(0, String::len);
        Ended { status: record.status, items: record.items, output, bytes }
    }
}

/// A UUID that is the same whenever the run goes on.
pub(super) fn child_name(run: &str, index: u64) -> String {
    uuid_of(&digest(&format!("{run}/{index}")))
}

pub(super) fn arn(parent: &Identity, label: &str, name: &str, express: bool) -> String {
    match express {
        false => format!("{}:{name}", parent.arn("execution", label)),
        // An Express execution has a second name, of its start.
        true => format!("{}:{name}:{}", parent.arn("express", label), uuid_of(&digest(name))),
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}
