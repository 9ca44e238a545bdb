//! A frame: a run of states one after the other, with its checkpoint.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::World;
use super::context::Identity;
use super::events::{self, Details};
use crate::error::{Failure, Halt, QUERY, RUNTIME, Stop};
use crate::expr::{Draws, Variables};
use crate::journal::{self, Change, Checkpoint, Finished, Key, Kind as Entry, micros, moment};
use crate::machine::{Kind, Next, Scope, State};

/// Which run of states this is.
pub(super) struct Frame {
    pub(super) key: Key,
    pub(super) identity: Arc<Identity>,
    /// The iteration's `$$.Map.Item`.
    pub(super) item: Option<Value>,
    /// The variables around it.
    pub(super) outer: Option<Arc<Variables>>,
    /// The history event that its first one follows.
    pub(super) previous: u64,
    /// Its input came about by chance: it is recorded before anything is done with it.
    pub(super) by_chance: bool,
}

impl Frame {
    /// Of an execution.
    pub(super) fn new(key: Key, identity: Arc<Identity>) -> Frame {
        Frame { key, identity, item: None, outer: None, previous: 0, by_chance: false }
    }
}

/// A frame that has come to its end.
pub(super) type Done = Finished;

/// Runs the states of `scope` on `input`, or goes on from the frame's checkpoint.
pub(super) fn run(world: Arc<World>, scope: Arc<Scope>, frame: Frame, input: Value) -> BoxFuture<'static, Result<Done, Halt>> {
    async move {
        let mut running = Running::begin(world, &scope, frame, input)?;
        running.states(&scope).await
    }
    .boxed()
}

pub(super) struct Running {
    pub(super) world: Arc<World>,
    pub(super) frame: Frame,
    pub(super) at: Checkpoint,
    pub(super) variables: Variables,
    pub(super) draws: Draws,
    /// The token of the task that is being prepared or waited for.
    pub(super) token: Option<String>,
    /// The checkpoint in the journal is an older one.
    pub(super) moved: bool,
    /// What was evaluated since that checkpoint would come out otherwise another time.
    pub(super) by_chance: bool,
    /// A task is under way: dropped now, it is aborted.
    pub(super) in_task: bool,
}

/// Transitions after which other frames get their turn.
const TURN: u64 = 64;

impl Running {
    pub(super) fn begin(world: Arc<World>, scope: &Scope, frame: Frame, input: Value) -> Result<Running, Halt> {
        let found = world.journal.get(Entry::Frame, &frame.key)?;
        let (mut at, is_new) = match found {
            Some(journal::Frame::At(at)) if at.state < scope.states.len() => (*at, false),
            Some(_) => return Err(Stop::Fault(crate::Fault::Bug("a frame's entry is not a checkpoint of it".into())).into()),
            None => {
                let now = micros(world.host.now());
                let at = Checkpoint {
                    started: now,
                    origin: frame.by_chance.then(|| input.clone()),
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
                    draws: Vec::new(),
                };
                (at, true)
            }
        };
        frame.identity.events.at_least(at.events);
        let draws = Draws { all: at.draws.clone(), used: 0 };
        let variables = Variables { own: std::mem::take(&mut at.variables), outer: frame.outer.clone() };
        let by_chance = is_new && frame.by_chance;
        let mut running = Running { world, frame, at, variables, draws, token: None, moved: is_new, by_chance, in_task: false };
        if is_new {
            running.entered(&scope.states[scope.start]);
        }
        Ok(running)
    }

    async fn states(&mut self, scope: &Scope) -> Result<Done, Halt> {
        loop {
            if self.world.cancel.is_cancelled() {
                return Err(Stop::Interrupted.into());
            }
            let state = &scope.states[self.at.state];
            let visited = self.visit(state).await;
            let (output, next) = visited.map_err(|halt| self.placed(state, halt))?;
            match next {
                Next::End => return Ok(Done { output, previous: self.at.previous, events: self.frame.identity.events.count() }),
                Next::State(next) => self.enter(next, output, state, scope).await?,
            }
            if self.at.step.is_multiple_of(TURN) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The state's output and where it leads.
    pub(super) async fn visit(&mut self, state: &State) -> Result<(Value, Next), Halt> {
        self.frame.identity.events.check()?;
        match &state.kind {
            Kind::Task(_) | Kind::Map(_) | Kind::Parallel(_) => self.recover(state).await,
            Kind::Choice { rules, default } => Ok(self.choose(state, rules, *default)?),
            Kind::Wait(until) => {
                self.wait(state, until).await?;
                let input = self.take_input(state)?;
                Ok((self.leave(state, input, None)?, state.next))
            }
            Kind::Pass(result) => {
                let input = self.take_input(state)?;
                let result = match (result, &state.io.arguments) {
                    (Some(result), _) => Some(result.clone()),
                    (None, Some(template)) => Some(self.evaluate(state, &input, |env| template.fill(env))?),
                    (None, None) => None,
                };
                self.note("afterParameters", result.as_ref().unwrap_or(&input));
                Ok((self.leave(state, input, result)?, state.next))
            }
            Kind::Succeed => {
                let input = self.take_input(state)?;
                Ok((self.leave(state, input, None)?, Next::End))
            }
            Kind::Fail { error, cause } => {
                let error = self.words(state, error.as_ref(), "Error")?;
                let cause = self.words(state, cause.as_ref(), "Cause")?;
                Err(Failure::new(error, cause).into())
            }
        }
    }

    /// Goes over to the next state; what a Task, Wait, Map or Parallel has brought is made durable first.
    async fn enter(&mut self, next: usize, input: Value, from: &State, scope: &Scope) -> Result<(), Halt> {
        let left = self.frame.key.visit(self.at.step);
        self.at.step += 1;
        self.at.state = next;
        self.at.input = input;
        self.at.entered = micros(self.world.host.now());
        self.at.tries.clear();
        self.at.wake = None;
        self.at.submitted = None;
        self.at.draws.clear();
        self.draws = Draws::default();
        self.moved = true;
        self.entered(&scope.states[next]);
        if from.kind.works() {
            self.save().await?;
        }
        if matches!(from.kind, Kind::Map(_) | Kind::Parallel(_)) {
            self.world.journal.sweep(left)?;
        }
        Ok(())
    }

    fn entered(&mut self, state: &State) {
        self.at.entered_previous = self.at.previous;
        let input = self.frame.identity.events.recording().then(|| self.at.input.clone());
        self.at.entered_event = self.event(
            || format!("{}StateEntered", state.kind.name()),
            || Some(("stateEnteredEventDetails", events::data("input", &input.unwrap_or_default(), json!({"name": state.name})))),
        );
        self.token = None;
        self.in_task = matches!(state.kind, Kind::Task(_));
    }

    /// Adds an event that follows the frame's latest one.
    pub(super) fn event(&mut self, kind: impl FnOnce() -> String, details: impl FnOnce() -> Details) -> u64 {
        self.at.previous = self.event_after(self.at.previous, kind, details);
        self.at.previous
    }

    /// Adds an event that follows another one, and that the frame's next one does not follow.
    pub(super) fn event_after(&self, previous: u64, kind: impl FnOnce() -> String, details: impl FnOnce() -> Details) -> u64 {
        self.frame.identity.events.add(previous, || self.world.host.now(), kind, details)
    }

    /// Makes the checkpoint durable.
    pub(super) async fn save(&mut self) -> Result<(), Halt> {
        self.at.draws.clone_from(&self.draws.all);
        self.at.variables.clone_from(&self.variables.own);
        self.at.events = self.frame.identity.events.count();
        let frame = journal::Frame::At(Box::new(self.at.clone()));
        self.world.journal.commit(vec![Change::put(Entry::Frame, &self.frame.key, &frame)?]).await?;
        self.moved = false;
        self.by_chance = false;
        Ok(())
    }

    /// Before something is done outside: what can't be evaluated to the same again is recorded.
    pub(super) async fn save_chance(&mut self) -> Result<(), Halt> {
        if self.by_chance { self.save().await } else { Ok(()) }
    }

    /// Before entries are made below this frame.
    pub(super) async fn save_moved(&mut self) -> Result<(), Halt> {
        if self.moved || self.by_chance { self.save().await } else { Ok(()) }
    }

    /// Returns at that time, in microseconds.
    pub(super) async fn sleep(&self, until: i64) -> Result<(), Halt> {
        tokio::select! {
            biased;
            () = self.world.cancel.cancelled() => Err(Stop::Interrupted.into()),
            () = self.world.host.sleep_until(moment(until)) => Ok(()),
        }
    }

    /// Errors that come of a state's own expressions say which state it was.
    fn placed(&mut self, state: &State, halt: Halt) -> Halt {
        let in_task = std::mem::take(&mut self.in_task);
        match halt {
            Halt::Failed(failure) => {
                let mut failure = self.place_failure(state, failure);
                failure.trace.event = self.at.previous;
                failure.trace.state = if in_task { state.kind.name() } else { "" };
                Halt::Failed(failure)
            }
            stopped => stopped,
        }
    }

    pub(super) fn place_failure(&mut self, state: &State, mut failure: Failure) -> Failure {
        const PREFIX: &str = "An error occurred while executing the state";
        let of_expressions = [RUNTIME, QUERY, "States.ResultPathMatchFailure"].contains(&failure.error.as_str());
        if of_expressions
            && !failure.cause.starts_with(PREFIX)
            && !failure.cause.starts_with("The execution reached")
            && !matches!(state.kind, Kind::Fail { .. } if failure.error != RUNTIME && failure.error != QUERY)
        {
            failure.cause = format!("{PREFIX} '{}' (entered at the event id #{}). {}", state.name, self.at.entered_event, failure.cause);
        }
        if let Some(location) = failure.trace.location.take() {
            // An expression fails before the state has properly begun.
            if failure.trace.evaluating && self.at.previous == self.at.entered_event {
                self.at.previous = self.at.entered_previous;
            }
            let mut more = json!({"state": state.name});
            if !location.is_empty() {
                more["location"] = location.into();
            }
            let details = events::failure(&failure, more);
            self.event(|| "EvaluationFailed".into(), || Some(("evaluationFailedEventDetails", details)));
        }
        failure
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.in_task {
            self.event(|| "TaskStateAborted".into(), || None);
        }
    }
}
