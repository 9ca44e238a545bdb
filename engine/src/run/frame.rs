//! A frame: a run of states one after the other, with its checkpoint.

use std::cell::LazyCell;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::World;
use super::context::Identity;
use super::limits;
use crate::error::{Failure, Halt, Stop};
use crate::expr::{Dice, Draws, Env};
use crate::journal::{self, Change, Checkpoint, Key, Kind as Entry, micros, moment};
use crate::machine::{Kind, Next, ResultPath, Scope, State, Words};

/// Which run of states this is.
pub(super) struct Frame {
    pub(super) key: Key,
    pub(super) identity: Arc<Identity>,
    /// The iteration's `$$.Map.Item`.
    pub(super) item: Option<Value>,
    /// History events before its first state.
    pub(super) events: u64,
    /// Its input came about by chance: it is recorded before anything is done with it.
    pub(super) by_chance: bool,
}

impl Frame {
    pub(super) fn new(key: Key, identity: Arc<Identity>) -> Frame {
        // The execution's first event says that it has started.
        Frame { key, identity, item: None, events: 1, by_chance: false }
    }
}

/// A frame that has come to its end.
pub(super) struct Done {
    pub(super) output: Value,
    pub(super) events: u64,
}

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
    pub(super) draws: Draws,
    /// The checkpoint in the journal is an older one.
    moved: bool,
    /// What was evaluated since that checkpoint would come out otherwise another time.
    by_chance: bool,
}

/// Transitions after which other frames get their turn.
const TURN: u64 = 64;

impl Running {
    fn begin(world: Arc<World>, scope: &Scope, frame: Frame, input: Value) -> Result<Running, Halt> {
        let found = world.journal.get(Entry::Frame, &frame.key)?;
        let now = micros(world.host.now());
        let (at, moved) = match found {
            Some(journal::Frame::At(at)) if at.state < scope.states.len() => (at, false),
            Some(_) => return Err(Stop::Fault(crate::Fault::Bug("a frame's entry is not a checkpoint of it".into())).into()),
            None => {
                let at = Checkpoint {
                    started: now,
                    origin: frame.by_chance.then(|| input.clone()),
                    step: 0,
                    events: frame.events + 1,
                    state: scope.start,
                    input,
                    entered: now,
                    entered_event: frame.events + 1,
                    tries: Vec::new(),
                    wake: None,
                    draws: Vec::new(),
                };
                (at, true)
            }
        };
        let draws = Draws { all: at.draws.clone(), used: 0 };
        Ok(Running { world, by_chance: moved && frame.by_chance, frame, at, draws, moved })
    }

    async fn states(&mut self, scope: &Scope) -> Result<Done, Halt> {
        loop {
            if self.world.cancel.is_cancelled() {
                return Err(Stop::Interrupted.into());
            }
            let state = &scope.states[self.at.state];
            let visited = self.visit(state).await;
            let (output, next) = visited.map_err(|halt| self.placed(state, halt))?;
            self.at.events += 1;
            match next {
                Next::End => return Ok(Done { output, events: self.at.events }),
                Next::State(next) => self.enter(next, output, state).await?,
            }
            if self.at.step.is_multiple_of(TURN) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The state's output and where it leads.
    async fn visit(&mut self, state: &State) -> Result<(Value, Next), Halt> {
        match &state.kind {
            Kind::Task(task) => self.recover(state, &task.recovery, task.next).await,
            Kind::Map(map) => self.recover(state, &map.recovery, map.next).await,
            Kind::Choice { rules, default } => {
                let input = self.input(state)?;
                let next = self.choose(state, rules, *default, &input)?;
                Ok((self.output(state, input)?, Next::State(next)))
            }
            Kind::Wait { until, next } => {
                let input = self.input(state)?;
                self.wait(state, until, &input).await?;
                Ok((self.output(state, input)?, *next))
            }
            Kind::Pass { result, result_path, next } => {
                let input = self.input(state)?;
                let result = match result {
                    Some(template) => self.evaluate(state, &input, |env| template.fill(env))?,
                    None => input,
                };
                let output = self.place_result(result_path, result)?;
                Ok((self.output(state, output)?, *next))
            }
            Kind::Succeed => {
                let input = self.input(state)?;
                Ok((self.output(state, input)?, Next::End))
            }
            Kind::Fail { error, cause } => {
                let error = self.words(state, error.as_ref(), "ErrorPath")?;
                let cause = self.words(state, cause.as_ref(), "CausePath")?;
                Err(Failure::new(error, cause).into())
            }
        }
    }

    /// Goes over to the next state; what a Task, Wait or Map has brought is made durable first.
    async fn enter(&mut self, next: usize, input: Value, from: &State) -> Result<(), Halt> {
        let left = self.frame.key.visit(self.at.step);
        self.at.step += 1;
        self.at.events += 1;
        self.at.state = next;
        self.at.input = input;
        self.at.entered = micros(self.world.host.now());
        self.at.entered_event = self.at.events;
        self.at.tries.clear();
        self.at.wake = None;
        self.at.draws.clear();
        self.draws = Draws::default();
        self.moved = true;
        if matches!(from.kind, Kind::Task(_) | Kind::Map(_)) {
            self.save().await?;
        }
        if matches!(from.kind, Kind::Map(_)) {
            self.world.journal.sweep(left)?;
        }
        Ok(())
    }

    /// Makes the checkpoint durable.
    pub(super) async fn save(&mut self) -> Result<(), Halt> {
        self.at.draws.clone_from(&self.draws.all);
        let frame = journal::Frame::At(self.at.clone());
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

    /// The state's input after InputPath.
    pub(super) fn input(&mut self, state: &State) -> Result<Value, Failure> {
        let Some(path) = &state.input_path else { return Ok(Value::Object(Map::new())) };
        let input = std::mem::take(&mut self.at.input);
        let selected = self.evaluate(state, &input, |env| path.get(env).map(std::borrow::Cow::into_owned));
        self.at.input = input;
        selected
    }

    /// The state's output after OutputPath, within the limit.
    pub(super) fn output(&mut self, state: &State, output: Value) -> Result<Value, Failure> {
        let output = match &state.output_path {
            None => Value::Object(Map::new()),
            Some(path) => self.evaluate(state, &output, |env| path.get(env).map(std::borrow::Cow::into_owned))?,
        };
        limits::check(&state.name, &output)?;
        Ok(output)
    }

    /// The result in its place in the state's raw input.
    pub(super) fn place_result(&self, path: &ResultPath, result: Value) -> Result<Value, Failure> {
        match path {
            None => Ok(self.at.input.clone()),
            Some(path) => path.put(self.at.input.clone(), result),
        }
    }

    pub(super) fn evaluate<T>(
        &mut self,
        state: &State,
        input: &Value,
        expression: impl FnOnce(&mut Env<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let item = self.frame.item.clone();
        self.evaluate_item(state, input, item.as_ref(), expression)
    }

    /// With an item of a Map.
    pub(super) fn evaluate_item<T>(
        &mut self,
        state: &State,
        input: &Value,
        item: Option<&Value>,
        expression: impl FnOnce(&mut Env<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (identity, at) = (&self.frame.identity, &self.at);
        let seen = std::cell::Cell::new(false);
        let context = LazyCell::new(|| {
            seen.set(true);
            identity.context(&state.name, moment(at.entered), at.tries.iter().sum(), item)
        });
        let drawn = self.draws.all.len();
        let mut dice = Dice { host: &*self.world.host, draws: &mut self.draws };
        let result = expression(&mut Env { input, context: &context, dice: &mut dice });
        // The context object holds the time at which the state was entered.
        self.by_chance |= self.draws.all.len() > drawn || (seen.get() && self.moved);
        result
    }

    fn words(&mut self, state: &State, words: Option<&Words>, field: &str) -> Result<String, Failure> {
        match words {
            None => Ok(String::new()),
            Some(Words::Literal(text)) => Ok(text.clone()),
            Some(Words::Expression(template)) => {
                let input = self.at.input.clone();
                match self.evaluate(state, &input, |env| template.fill(env))? {
                    Value::String(text) => Ok(text),
                    other => Err(Failure::runtime(format!("The field '{field}' refers to {other}, which is not a string."))),
                }
            }
        }
    }

    /// Errors that come of a state's own expressions say which state it was.
    pub(super) fn placed(&self, state: &State, halt: Halt) -> Halt {
        match halt {
            Halt::Failed(failure) => Halt::Failed(self.place_failure(state, failure)),
            stopped => stopped,
        }
    }

    pub(super) fn place_failure(&self, state: &State, mut failure: Failure) -> Failure {
        const PREFIX: &str = "An error occurred while executing the state";
        let of_expressions = matches!(
            failure.error.as_str(),
            "States.Runtime" | "States.IntrinsicFailure" | "States.ResultPathMatchFailure" | "States.NoChoiceMatched"
        );
        if of_expressions
            && !failure.cause.starts_with(PREFIX)
            && !matches!(state.kind, Kind::Fail { .. } if failure.error != "States.Runtime")
        {
            failure.cause = format!("{PREFIX} '{}' (entered at the event id #{}). {}", state.name, self.at.entered_event, failure.cause);
        }
        failure
    }
}
