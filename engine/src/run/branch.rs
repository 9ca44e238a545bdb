//! Runs of states inside a state: the branches of a Parallel and the iterations of an inline Map.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Runtime;
use super::frame::{self, Frame, Running};
use super::task_set::TaskSet;
use crate::error::Halt;
use crate::expr::{Variables, memory};
use crate::failure::Failure;
use crate::journal::{self, Change, Done, EntryKind, JournalError, Key};
use crate::machine::Scope;

/// The branches that a state has started.
pub(super) struct Branches {
    tasks: TaskSet<(usize, Result<Done, Halt>)>,
    visit: Key,
    variables: Option<Arc<Variables>>,
    pub(super) outputs: Vec<Value>,
    pub(super) under_way: BTreeSet<usize>,
    /// The index of the branch that ended last.
    pub(super) latest: usize,
    /// The event of the success of the iteration that ended last.
    pub(super) succeeded: Option<u64>,
    /// The name of the state.
    state: String,
    /// The memory that the outputs take, in bytes, if there are many.
    bytes: usize,
}

/// The most branches whose outputs are not weighed: each has at most 256 KiB.
const UNWEIGHED: usize = 256;
/// The largest size of all outputs together, in bytes. No state could return it.
const LARGEST: usize = 64 << 20;

/// The start of a branch.
pub(super) struct BranchStart {
    pub(super) input: Value,
    /// The iteration's `$$.Map.Item`.
    pub(super) item: Option<Value>,
    /// The history event that the branch's first one follows.
    pub(super) previous: u64,
    /// Whether its input is nondeterministic.
    pub(super) nondeterministic: bool,
}

impl Branches {
    pub(super) fn new(running: &Running, state: &str, count: usize) -> Self {
        let variables = &running.variables;
        Self {
            tasks: TaskSet::new(),
            visit: running.frame.key.visit(running.at.step),
            variables: (!variables.is_empty()).then(|| Arc::new(variables.clone())),
            outputs: vec![Value::Null; count],
            under_way: BTreeSet::new(),
            latest: 0,
            succeeded: None,
            state: state.to_owned(),
            bytes: 0,
        }
    }

    /// Whether a branch has an entry in the journal: it began before the execution was continued.
    pub(super) fn has_entry(&self, running: &Running, index: usize) -> Result<bool, JournalError> {
        running.runtime.journal.contains(EntryKind::Frame, &self.visit.child(index as u64))
    }

    pub(super) fn start(&mut self, running: &Running, index: usize, scope: &Arc<Scope>, from: BranchStart) {
        let iteration = from.item.is_some().then(|| Iteration { index, state: self.state.clone() });
        let frame = Frame {
            key: self.visit.child(index as u64),
            identity: running.frame.identity.clone(),
            // Branches inside an iteration can refer to the iteration's item.
            item: from.item.or_else(|| running.frame.item.clone()),
            outer: self.variables.clone(),
            previous: from.previous,
            nondeterministic: from.nondeterministic,
        };
        let done = branch(running.runtime.clone(), scope.clone(), frame, from.input, iteration);
        self.under_way.insert(index);
        self.tasks.spawn(async move { (index, done.await) });
    }

    /// Waits until a branch ends; None if all have ended. The state's next event follows the branch's last
    /// one.
    pub(super) async fn next(&mut self, running: &mut Running) -> Result<Option<Result<(), Failure>>, Halt> {
        let waits = running.runtime.idle.waits_for_branches();
        let Some((index, ended)) = self.tasks.next().await? else { return Ok(None) };
        drop(waits);
        self.under_way.remove(&index);
        self.latest = index;
        match ended {
            Ok(done) => {
                if self.outputs.len() > UNWEIGHED {
                    self.bytes += memory(&done.output);
                }
                if self.bytes > LARGEST {
                    self.abort().await;
                    return Err(Failure::too_large(&self.state).into());
                }
                self.outputs[index] = done.output;
                running.at.previous = done.previous;
                self.succeeded = done.succeeded;
                Ok(Some(Ok(())))
            }
            Err(Halt::Failed(failure)) => Ok(Some(Err(failure))),
            Err(Halt::Stopped(stop)) => Err(self.tasks.wind_down(&running.runtime, stop).await),
        }
    }

    pub(super) async fn abort(&mut self) {
        self.tasks.abort().await;
    }
}

/// An iteration of an inline Map, as its events name it.
struct Iteration {
    index: usize,
    state: String,
}

/// Runs a branch and replaces its entries in the journal by its result.
async fn branch(
    runtime: Arc<Runtime>,
    scope: Arc<Scope>,
    frame: Frame,
    input: Value,
    iteration: Option<Iteration>,
) -> Result<Done, Halt> {
    let key = frame.key.clone();
    if let Some(journal::FrameEntry::Done(done)) = runtime.journal.get(EntryKind::Frame, &key)? {
        frame.identity.events.at_least(done.events);
        return Ok(done);
    }
    let identity = frame.identity.clone();
    let mut done = frame::run(runtime.clone(), scope, frame, input).await?;
    // The event is durable with the result, so that neither is without the other after a crash.
    done.succeeded = iteration.map(|Iteration { index, state }| {
        identity.events.add(
            done.previous,
            || runtime.host.now(),
            || "MapIterationSucceeded".into(),
            || Some(("mapIterationSucceededEventDetails", json!({"index": index, "name": state}))),
        )
    });
    done.events = identity.events.count();
    let entry = journal::FrameEntry::Done(done.clone());
    runtime
        .journal
        .commit(vec![Change::Clear(key.clone()), Change::put(EntryKind::Frame, &key, &entry)?])
        .await?;
    Ok(done)
}
