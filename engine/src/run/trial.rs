//! One state by itself, for `TestState`: what it may come to is given, and what it goes through is
//! noted. A normal run has no trial, and pays a look for it.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::context::Identity;
use super::frame::{Frame, Running};
use super::recovery::delay_seconds;
use super::{Start, World};
use crate::error::{Failure, Fault, Halt, Stop};
use crate::host::Host;
use crate::journal::{Journal, Key};
use crate::machine::{self, Distributed, Kind, Next, Scope, State};
use crate::syntax::Language;
use crate::test_state::TestStatus;
use crate::tokens::TaskTokens;

/// What is given to the state.
pub(crate) struct Trial {
    pub(crate) context: Value,
    pub(crate) variables: Map<String, Value>,
    /// In place of the work of a Task, Map or Parallel.
    pub(crate) mock: Option<Result<Value, Failure>>,
    /// In place of what a Map's reader reads.
    pub(crate) items: Option<Vec<Value>>,
    pub(crate) failed_iterations: Option<u64>,
    pub(crate) retries: u32,
}

/// A trial under way.
pub(super) struct Trying {
    given: Trial,
    noted: Mutex<Map<String, Value>>,
}

/// What became of the state.
pub(crate) struct Ended {
    pub(crate) status: TestStatus,
    pub(crate) output: Option<Value>,
    pub(crate) failure: Option<Failure>,
    pub(crate) next: Option<usize>,
    pub(crate) inspection: Map<String, Value>,
}

/// Tries a state of `scope`.
pub(crate) async fn run(scope: Arc<Scope>, index: usize, input: Value, given: Trial, host: Arc<dyn Host>) -> Result<Ended, Stop> {
    let state = &scope.states[index];
    let journal = Journal::in_memory()?;
    let variables = given.variables.clone();
    let trial = Trying { given, noted: Mutex::default() };
    trial.note("input", &input);
    let identity = Identity::of_execution(Start::new(ARN, input.clone()), host.now());
    let world = World { host, journal, tokens: TaskTokens::default(), cancel: CancellationToken::new(), trial: Some(trial) };
    let frame = Frame::new(Key::root(), Arc::new(identity));
    let mut running = match Running::begin(Arc::new(world), &scope, frame, input) {
        Ok(running) => running,
        Err(Halt::Stopped(stop)) => return Err(stop),
        Err(Halt::Failed(failure)) => return Err(Fault::Bug(format!("a trial can't begin: {}", failure.cause)).into()),
    };
    running.at.state = index;
    running.variables.own = variables;
    let outcome = match running.attempt(state).await {
        Ok(left) => Ok(left),
        Err(Halt::Failed(failure)) => Err(failure),
        Err(Halt::Stopped(stop)) => return Err(stop),
    };
    Ok(running.tried(state, outcome))
}

/// Of the execution around the state, which the context object names otherwise.
const ARN: &str = "arn:aws:states:local:000000000000:execution:test:state";

impl Trying {
    fn note(&self, name: &str, value: &Value) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.clone());
    }

    pub(super) fn context(&self, item: Option<&Value>) -> Value {
        let mut context = self.given.context.clone();
        if let (Some(item), Value::Object(context)) = (item, &mut context) {
            context.insert("Map".into(), json!({"Item": item}));
        }
        context
    }
}

impl Running {
    /// Notes an intermediate value of a state that is tried.
    pub(super) fn note(&self, name: &str, value: &Value) {
        if let Some(trial) = &self.world.trial {
            trial.note(name, value);
        }
    }

    /// What is to come in place of the work.
    pub(super) fn mocked(&self) -> Option<Result<Value, Failure>> {
        self.world.trial.as_ref()?.given.mock.clone()
    }

    async fn attempt(&mut self, state: &State) -> Result<(Value, Next), Halt> {
        match &state.kind {
            Kind::Task(task) => Ok((self.task(state, task).await?, state.next)),
            Kind::Map(map) => {
                let input = self.input(state)?;
                let result = self.mocked_map(state, map, &input)?;
                Ok((self.leave(state, input, Some(result))?, state.next))
            }
            Kind::Parallel(_) => {
                let input = self.input(state)?;
                if let Some(template) = &state.io.arguments {
                    self.evaluate(state, &input, |env| template.fill(env))?;
                }
                let result = self.mocked().unwrap_or(Ok(Value::Null))?;
                Ok((self.leave(state, input, Some(result))?, state.next))
            }
            Kind::Wait(until) => {
                let input = self.input(state)?;
                self.wake(state, until, &input)?;
                Ok((self.leave(state, input, None)?, state.next))
            }
            Kind::Fail { .. } => {
                self.note("afterInputPath", &self.at.input);
                self.visit(state).await
            }
            _ => self.visit(state).await,
        }
    }

    /// What a Map comes to whose iterations have done their work.
    fn mocked_map(&mut self, state: &State, map: &machine::Map, input: &Value) -> Result<Value, Failure> {
        let given = self.world.trial.as_ref().and_then(|trial| trial.given.items.clone());
        let reads = map.distributed.as_ref().is_some_and(|distributed| distributed.reader.is_some());
        let items = match given {
            Some(items) => Some(items.len()),
            None if reads => None,
            None => {
                let items = self.items_value(state, map, input)?;
                let count = self.items(state, map, input)?.len();
                self.note("afterItemsPath", &items);
                Some(count)
            }
        };
        let concurrency = self.whole(state, "MaxConcurrency", &map.max_concurrency, input)?.unwrap_or(0);
        self.note("maxConcurrency", &concurrency.into());
        let exceeded = match &map.distributed {
            Some(distributed) => self.too_many_failed(state, distributed, input, items)?,
            None => false,
        };
        match self.mocked().unwrap_or(Ok(Value::Null)) {
            Ok(_) if exceeded => Err(Failure::threshold_exceeded()),
            mocked => mocked,
        }
    }

    fn too_many_failed(&mut self, state: &State, map: &Distributed, input: &Value, items: Option<usize>) -> Result<bool, Failure> {
        let count = self.whole(state, "ToleratedFailureCount", &map.tolerated_count, input)?;
        let percentage = self.percentage(state, &map.tolerated_percentage, input)?;
        if let Some(count) = count {
            self.note("toleratedFailureCount", &count.into());
        }
        if let Some(percentage) = percentage {
            self.note("toleratedFailurePercentage", &percentage.into());
        }
        let failed = self.world.trial.as_ref().and_then(|trial| trial.given.failed_iterations).unwrap_or(0);
        let share = items.map(|items| failed as f64 * 100.0 / items.max(1) as f64);
        let over_count = count.is_some_and(|count| failed > count);
        Ok(over_count || percentage.zip(share).is_some_and(|(percentage, share)| share > percentage))
    }

    /// Retries are not made: it is said that there would be one.
    fn tried(&mut self, state: &State, outcome: Result<(Value, Next), Failure>) -> Ended {
        let failure = match outcome {
            Ok((output, next)) => return self.ended(state, TestStatus::Succeeded, Some(output), None, Some(next)),
            Err(failure) => failure,
        };
        let mut details = Map::new();
        let retries = self.world.trial.as_ref().map_or(0, |trial| trial.given.retries);
        let matches = |errors: &[String]| errors.iter().any(|pattern| failure.matches(pattern));
        let mut status = TestStatus::Failed;
        if let Some(index) = state.recovery.retry.iter().position(|retrier| matches(&retrier.errors)) {
            let retrier = &state.recovery.retry[index];
            details.insert("retryIndex".into(), index.into());
            if retries < retrier.max_attempts {
                status = TestStatus::Retriable;
                details.insert("retryBackoffIntervalSeconds".into(), (delay_seconds(retrier, retries) as u64).into());
            }
        }
        let catcher = state.recovery.catch.iter().position(|catcher| matches(&catcher.errors));
        if let Some(index) = catcher.filter(|_| status == TestStatus::Failed) {
            details.insert("catchIndex".into(), index.into());
            self.note_details(details);
            return match self.catch(state, failure.clone(), &state.recovery) {
                Ok((output, next)) => self.ended(state, TestStatus::CaughtError, Some(output), Some(failure), Some(next)),
                Err(failure) => self.ended(state, TestStatus::Failed, None, Some(failure), None),
            };
        }
        self.note_details(details);
        self.ended(state, status, None, Some(failure), None)
    }

    fn note_details(&self, details: Map<String, Value>) {
        if !details.is_empty() {
            self.note("errorDetails", &details.into());
        }
    }

    fn ended(&self, state: &State, status: TestStatus, output: Option<Value>, failure: Option<Failure>, next: Option<Next>) -> Ended {
        let next = match next {
            Some(Next::State(next)) => Some(next),
            Some(Next::End) | None => None,
        };
        let mut inspection = match &self.world.trial {
            Some(trial) => trial.noted.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            None => Map::new(),
        };
        inspection.retain(|name, _| shows(state, name));
        if state.language == Language::Jsonata
            && let Some(arguments) = inspection.remove("afterParameters")
        {
            inspection.insert("afterArguments".into(), arguments);
        }
        if !self.variables.own.is_empty() {
            inspection.insert("variables".into(), self.variables.own.clone().into());
        }
        Ended { status, output, failure, next, inspection }
    }
}

/// Which of the values that it goes through AWS shows of a state.
fn shows(state: &State, name: &str) -> bool {
    let jsonpath = state.language == Language::JsonPath;
    let static_result = matches!(state.kind, Kind::Pass(Some(_)));
    let has_result = matches!(state.kind, Kind::Task(_) | Kind::Pass(_) | Kind::Map(_) | Kind::Parallel(_));
    match name {
        "afterInputPath" => jsonpath && !static_result && !matches!(state.kind, Kind::Parallel(_)),
        "afterItemsPath" => jsonpath,
        "afterParameters" if jsonpath => matches!(state.kind, Kind::Task(_) | Kind::Pass(None)),
        "afterParameters" => matches!(state.kind, Kind::Task(_)) && state.io.arguments.is_some(),
        "result" => matches!(state.kind, Kind::Task(_)) || static_result,
        "afterResultSelector" | "afterResultPath" => jsonpath && has_result,
        _ => true,
    }
}
