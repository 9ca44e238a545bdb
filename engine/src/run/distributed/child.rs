//! A child: an execution of its own.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::record;
use crate::dataset::{OutputType, Transformation};
use crate::error::{Failure, Halt, Stop};
use crate::journal::{Change, ChildRecord, Frame as FrameEntry, Key, Kind as Entry, Status, micros, moment};
use crate::machine::Scope;
use crate::run::World;
use crate::run::context::Identity;
use crate::run::events::Events;
use crate::run::frame::{self, Frame};
use crate::run::limits;
use crate::run::uuid_of;

/// What all children of a run have in common.
pub(super) struct Shared {
    pub(super) world: Arc<World>,
    pub(super) scope: Arc<Scope>,
    pub(super) parent: Arc<Identity>,
    pub(super) label: String,
    /// The Map Run's id.
    pub(super) run: String,
    /// Where the run's entries are.
    pub(super) visit: Key,
    pub(super) express: bool,
    pub(super) transformation: Transformation,
    pub(super) output_type: OutputType,
    /// A failed child is shown.
    pub(super) shows_failures: bool,
    /// What the ARNs of the children begin with.
    pub(super) execution_arn: String,
    pub(super) state_machine_arn: String,
}

pub(super) struct Child {
    pub(super) shared: Arc<Shared>,
    pub(super) index: u64,
    pub(super) items: u64,
    pub(super) by_chance: bool,
}

/// What the Map Run must know of a child that has ended.
pub(super) struct Ended {
    pub(super) status: Status,
    pub(super) items: u64,
    /// Of what is shown of it.
    pub(super) bytes: usize,
}

impl Child {
    /// Runs the child and leaves one record in place of all that it has recorded itself.
    pub(super) async fn run(self, input: Value) -> Result<Ended, Stop> {
        let (shared, world) = (&*self.shared, &self.shared.world);
        let key = shared.visit.child(self.index);
        // What a child has begun with, it goes on with.
        let found = world.journal.get(Entry::Frame, &key)?;
        let (started, input) = match found {
            Some(FrameEntry::At(at)) => (at.started, at.origin.unwrap_or(input)),
            _ => (micros(world.host.now()), input),
        };
        let name = child_name(&shared.run, self.index);
        let shows_input = shared.shows_failures || shared.transformation == Transformation::None;
        let text = if shows_input { record::text(&input) } else { String::new() };
        let (status, outcome) = self.outcome(&key, name.clone(), started, input).await?;
        let shown = match status == Status::Succeeded || shared.shows_failures {
            false => String::new(),
            true => {
                let (started, stopped) = (moment(started), world.host.now());
                record::ended(shared, &record::Ended { name: &name, input: &text, status, outcome: &outcome, started, stopped })
            }
        };
        let ended = Ended { status, items: self.items, bytes: shown.len() };
        let record = ChildRecord { status, items: self.items, shown };
        let mut changes = Vec::with_capacity(2);
        // Without a checkpoint, nothing lies below it.
        if world.journal.contains(Entry::Frame, &key)? {
            changes.push(Change::Clear(key.clone()));
        }
        changes.push(Change::record(&key, &record));
        world.journal.commit(changes).await?;
        Ok(ended)
    }

    async fn outcome(&self, key: &Key, name: String, started: i64, input: Value) -> Result<(Status, Result<Value, Failure>), Stop> {
        let (shared, world) = (&*self.shared, &self.shared.world);
        let arn = shared.express.then(|| child_arn(shared, &name));
        let mut identity = shared.parent.of_child(&shared.label, name, moment(started), input.clone());
        if let Some(arn) = arn {
            identity.id = arn;
            identity.events = Events::default();
        }
        let mut frame = Frame::new(key.clone(), Arc::new(identity));
        frame.by_chance = self.by_chance;
        let run = frame::run(world.clone(), shared.scope.clone(), frame, input);
        let ended = match shared.express {
            false => run.await,
            true => tokio::select! {
                biased;
                ended = run => ended,
                () = world.host.sleep_until(moment(started) + limits::EXPRESS) => {
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

/// A UUID that is the same whenever the run goes on.
pub(super) fn child_name(run: &str, index: u64) -> String {
    uuid_of(&Sha256::digest(format!("{run}/{index}")).into())
}

pub(super) fn child_arn(shared: &Shared, name: &str) -> String {
    match shared.express {
        false => format!("{}:{name}", shared.execution_arn),
        // An Express execution has a second name, of its start.
        true => format!("{}:{name}:{}", shared.execution_arn, uuid_of(&Sha256::digest(name).into())),
    }
}
