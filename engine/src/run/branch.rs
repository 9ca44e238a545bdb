//! Runs of states inside a state: the branches of a Parallel, the iterations of an inline Map.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::World;
use super::child::Crew;
use super::frame::{self, Done, Frame, Running};
use crate::error::{Failure, Halt};
use crate::expr::Variables;
use crate::journal::{self, Change, Key, Kind as Entry};
use crate::machine::Scope;

/// Those that a state has started.
pub(super) struct Branches {
    crew: Crew<(usize, Result<Done, Halt>)>,
    visit: Key,
    variables: Option<Arc<Variables>>,
    pub(super) outputs: Vec<Value>,
    pub(super) under_way: BTreeSet<usize>,
    /// That ended last.
    pub(super) latest: usize,
}

/// What one begins with.
pub(super) struct Begin {
    pub(super) input: Value,
    /// The iteration's `$$.Map.Item`.
    pub(super) item: Option<Value>,
    /// The history event that its first one follows.
    pub(super) previous: u64,
    /// Its input came about by chance.
    pub(super) by_chance: bool,
}

impl Branches {
    pub(super) fn new(running: &Running, count: usize) -> Branches {
        let variables = &running.variables;
        Branches {
            crew: Crew::new(),
            visit: running.frame.key.visit(running.at.step),
            variables: (!variables.is_empty()).then(|| Arc::new(variables.clone())),
            outputs: vec![Value::Null; count],
            under_way: BTreeSet::new(),
            latest: 0,
        }
    }

    pub(super) fn start(&mut self, running: &Running, index: usize, scope: &Arc<Scope>, begin: Begin) {
        let frame = Frame {
            key: self.visit.child(index as u64),
            identity: running.frame.identity.clone(),
            // An iteration's item is seen in the branches inside it, too.
            item: begin.item.or_else(|| running.frame.item.clone()),
            outer: self.variables.clone(),
            previous: begin.previous,
            by_chance: begin.by_chance,
        };
        let done = branch(running.world.clone(), scope.clone(), frame, begin.input);
        self.under_way.insert(index);
        self.crew.spawn(async move { (index, done.await) });
    }

    /// Waits until one ends; none when all have ended. The state's next event then follows its last.
    pub(super) async fn next(&mut self, running: &mut Running) -> Result<Option<Result<(), Failure>>, Halt> {
        let Some((index, ended)) = self.crew.next().await? else { return Ok(None) };
        self.under_way.remove(&index);
        self.latest = index;
        match ended {
            Ok(done) => {
                self.outputs[index] = done.output;
                running.at.previous = done.previous;
                Ok(Some(Ok(())))
            }
            Err(Halt::Failed(failure)) => Ok(Some(Err(failure))),
            Err(Halt::Stopped(stop)) => Err(self.crew.wind_down(&running.world, stop).await),
        }
    }

    pub(super) async fn abort(&mut self) {
        self.crew.abort().await;
    }
}

/// Runs one and records its output in place of everything it has recorded itself.
async fn branch(world: Arc<World>, scope: Arc<Scope>, frame: Frame, input: Value) -> Result<Done, Halt> {
    let key = frame.key.clone();
    if let Some(journal::Frame::Done(done)) = world.journal.get(Entry::Frame, &key)? {
        frame.identity.events.at_least(done.events);
        return Ok(done);
    }
    let done = frame::run(world.clone(), scope, frame, input).await?;
    let entry = journal::Frame::Done(done.clone());
    world.journal.commit(vec![Change::Clear(key.clone()), Change::put(Entry::Frame, &key, &entry)?]).await?;
    Ok(done)
}
