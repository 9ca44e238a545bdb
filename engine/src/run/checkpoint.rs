//! Loads and saves the checkpoint of a frame.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Runtime;
use super::frame::{Frame, Running};
use crate::error::{Fault, Halt, Stop};
use crate::expr::{RecordedDraws, Variables};
use crate::journal::{Change, Checkpoint, EntryKind, FrameEntry, micros};
use crate::machine::Scope;

impl Running {
    pub(super) fn load(
        runtime: Arc<Runtime>,
        scope: &Scope,
        frame: Frame,
        input: Value,
    ) -> Result<Self, Halt> {
        let found = runtime.journal.get(EntryKind::Frame, &frame.key)?;
        let (mut at, is_new) = match found {
            Some(FrameEntry::At(at)) if at.state < scope.states.len() => (*at, false),
            Some(_) => {
                return Err(
                    Stop::Fault(Fault::Bug("a frame's entry is not a checkpoint of it".into())).into()
                );
            }
            None => {
                let now = micros(runtime.host.now());
                let at = Checkpoint {
                    started: now,
                    origin: frame.nondeterministic.then(|| input.clone()),
                    step: 0,
                    events: 0,
                    previous: frame.previous,
                    state: scope.start,
                    input,
                    entered: now,
                    entered_event: 0,
                    entered_previous: 0,
                    variables: Map::new(),
                    submitted: None,
                    tries: Vec::new(),
                    wake: None,
                    begun: None,
                    generation: frame.identity.generation,
                    redrives: 0,
                    draws: Vec::new(),
                };
                (at, true)
            }
        };
        frame.identity.events.at_least(at.events);
        let is_redriven = at.generation < frame.identity.generation;
        if is_redriven {
            at.redrive(frame.identity.generation, &scope.states[at.state]);
        }
        let loaded = (!is_new).then_some(at.step);
        let draws = RecordedDraws { all: at.draws.clone(), used: 0 };
        let variables = Variables { own: std::mem::take(&mut at.variables), outer: frame.outer.clone() };
        let nondeterministic = is_new && frame.nondeterministic;
        let mut running = Self {
            runtime,
            frame,
            at,
            variables,
            draws,
            token: None,
            loaded,
            settled: None,
            moved: is_new || is_redriven,
            nondeterministic,
            in_task: false,
        };
        if is_new {
            running.record_entered(&scope.states[scope.start]);
        }
        Ok(running)
    }

    /// Makes the checkpoint durable.
    pub(super) async fn save(&mut self) -> Result<(), Halt> {
        self.save_with(Vec::with_capacity(1)).await
    }

    /// Makes the checkpoint durable together with other changes.
    pub(super) async fn save_with(&mut self, mut changes: Vec<Change>) -> Result<(), Halt> {
        self.at.draws.clone_from(&self.draws.all);
        self.at.variables.clone_from(&self.variables.own);
        self.at.events = self.frame.identity.events.count();
        let frame = FrameEntry::At(Box::new(self.at.clone()));
        changes.push(Change::put(EntryKind::Frame, &self.frame.key, &frame)?);
        changes.extend(self.settled.take().map(|attempt| Change::remove(EntryKind::Signal, &attempt)));
        self.runtime.journal.commit(changes).await?;
        self.moved = false;
        self.nondeterministic = false;
        Ok(())
    }

    /// Saves nondeterministic values; to be called before anything is done outside.
    pub(super) async fn save_if_nondeterministic(&mut self) -> Result<(), Halt> {
        if self.nondeterministic { self.save().await } else { Ok(()) }
    }

    /// Saves a checkpoint that has changed; to be called before entries are made below this frame.
    pub(super) async fn save_if_moved(&mut self) -> Result<(), Halt> {
        if self.moved || self.nondeterministic { self.save().await } else { Ok(()) }
    }
}
