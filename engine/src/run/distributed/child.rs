//! A child of a Map Run, which is an execution of its own.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::record;
use crate::dataset::{OutputType, Transformation};
use crate::digest::uuid_of;
use crate::error::{Halt, Stop};
use crate::failure::Failure;
use crate::journal::{Change, ChildRecord, ChildStatus, EntryKind, FrameEntry, Key, micros, moment};
use crate::machine::Scope;
use crate::map_run::MapRunStatus;
use crate::run::Runtime;
use crate::run::context::{Identity, Redrive};
use crate::run::events::Events;
use crate::run::frame::{self, Frame};
use crate::run::limits;

/// The facts that all children of a run share.
pub(super) struct ChildSpec {
    pub(super) runtime: Arc<Runtime>,
    pub(super) scope: Arc<Scope>,
    pub(super) parent: Arc<Identity>,
    pub(super) label: String,
    /// The Map Run's id.
    pub(super) run: String,
    pub(super) status: Arc<MapRunStatus>,
    /// The key of the run's entries in the journal.
    pub(super) visit: Key,
    pub(super) express: bool,
    pub(super) transformation: Transformation,
    pub(super) output_type: OutputType,
    /// Whether failed children are part of the results.
    pub(super) shows_failures: bool,
    /// The prefix of the children's ARNs.
    pub(super) execution_arn: String,
    pub(super) state_machine_arn: String,
}

pub(super) struct Child {
    pub(super) spec: Arc<ChildSpec>,
    pub(super) index: u64,
    pub(super) items: u64,
    pub(super) nondeterministic: bool,
}

/// The facts about an ended child that its Map Run counts.
pub(super) struct ChildSummary {
    pub(super) status: ChildStatus,
    pub(super) items: u64,
    /// The size of its text in the results, in bytes.
    pub(super) bytes: usize,
}

impl Child {
    /// Runs the child and replaces its entries in the journal by one record.
    pub(super) async fn run(self, input: Value) -> Result<ChildSummary, Stop> {
        let (spec, runtime) = (&*self.spec, &self.spec.runtime);
        let key = spec.visit.child(self.index);
        // A child that is continued keeps its input.
        let found = runtime.journal.get(EntryKind::Frame, &key)?;
        let (started, input, redrives) = match found {
            Some(FrameEntry::At(at)) => {
                let is_redriven = at.generation < spec.parent.generation;
                (at.started, at.origin.unwrap_or(input), at.redrives + u32::from(is_redriven))
            }
            _ => (micros(runtime.host.now()), input, 0),
        };
        let name = child_name(&spec.run, self.index);
        let shows_input = spec.shows_failures || spec.transformation == Transformation::None;
        let text = if shows_input { record::text(&input) } else { String::new() };
        let (status, outcome) = self.outcome(&key, name.clone(), started, input, redrives).await?;
        let shown = if status == ChildStatus::Succeeded || spec.shows_failures {
            let (started, stopped) = (moment(started), runtime.host.now());
            record::finished(
                spec,
                &record::FinishedChild {
                    name: &name,
                    input: &text,
                    status,
                    outcome: &outcome,
                    redrives,
                    started,
                    stopped,
                },
            )
        } else {
            String::new()
        };
        let ended = ChildSummary { status, items: self.items, bytes: shown.len() };
        let record = ChildRecord { status, items: self.items, shown };
        let mut changes = Vec::with_capacity(2);
        // A child that failed continues there when the run is redriven.
        let keeps = status == ChildStatus::Failed && self.can_be_redriven();
        // A child without a checkpoint has no entries below it.
        if !keeps && runtime.journal.contains(EntryKind::Frame, &key)? {
            changes.push(Change::Clear(key.clone()));
        }
        changes.push(Change::record(&key, &record));
        runtime.journal.commit(changes).await?;
        Ok(ended)
    }

    fn can_be_redriven(&self) -> bool {
        self.spec.parent.can_be_redriven && !self.spec.express
    }

    async fn outcome(
        &self,
        key: &Key,
        name: String,
        started: i64,
        input: Value,
        redrives: u32,
    ) -> Result<(ChildStatus, Result<Value, Failure>), Stop> {
        let (spec, runtime) = (&*self.spec, &self.spec.runtime);
        let arn = spec.express.then(|| spec.child_arn(&name));
        let mut identity =
            spec.parent.of_child(&spec.label, spec.status.clone(), name, moment(started), input.clone());
        identity.can_be_redriven = self.can_be_redriven();
        let at = spec.parent.redrive.map(|redrive| redrive.at);
        identity.redrive = at.filter(|_| redrives > 0).map(|at| Redrive { count: redrives, at });
        if let Some(arn) = arn {
            identity.id = arn;
            identity.events = Events::default();
        }
        let identity = Arc::new(identity);
        let mut frame = Frame::new(key.clone(), identity.clone());
        frame.nondeterministic = self.nondeterministic;
        let run = frame::run(runtime.clone(), spec.scope.clone(), frame, input);
        let ended = if spec.express {
            tokio::select! {
                biased;
                ended = run => ended,
                () = runtime.host.sleep_until(moment(started) + limits::EXPRESS) => {
                    return Ok((ChildStatus::TimedOut, Err(Failure::new("States.Timeout", "Execution timed out"))));
                }
            }
        } else {
            run.await
        };
        match ended {
            Ok(done) => match identity.events.check_end() {
                Ok(()) => Ok((ChildStatus::Succeeded, Ok(done.output))),
                Err(failure) => Ok((ChildStatus::Failed, Err(failure))),
            },
            Err(Halt::Failed(failure)) => Ok((ChildStatus::Failed, Err(failure))),
            Err(Halt::Stopped(stop)) => Err(stop),
        }
    }
}

/// A UUID that is the same each time the run is continued.
pub(super) fn child_name(run: &str, index: u64) -> String {
    uuid_of(&Sha256::digest(format!("{run}/{index}")).into())
}

impl ChildSpec {
    pub(super) fn child_arn(&self, name: &str) -> String {
        if self.express {
            // An Express execution has a second name, which AWS gives to its start.
            format!("{}:{name}:{}", self.execution_arn, uuid_of(&Sha256::digest(name).into()))
        } else {
            format!("{}:{name}", self.execution_arn)
        }
    }
}
