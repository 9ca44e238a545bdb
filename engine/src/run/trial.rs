//! One state run by itself, for `TestState`: its surroundings are given, and its intermediate values are
//! recorded.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::Runtime;
use super::context::Identity;
use super::frame::{Frame, Running};
use super::idle::Idle;
use super::inspector::Inspector;
use crate::error::{Fault, Halt, Stop};
use crate::execution::Start;
use crate::failure::Failure;
use crate::host::Host;
use crate::journal::{Journal, Key};
use crate::language::Language;
use crate::machine::{Distributed, Kind, MapState, Next, Scope, State, Work};
use crate::tokens::TaskTokens;

/// The surroundings of the state.
pub(crate) struct TrialSetup {
    pub(crate) context: Value,
    pub(crate) variables: Map<String, Value>,
    /// Replaces the work of a Task, Map or Parallel.
    pub(crate) mock: Option<Result<Value, Failure>>,
    /// Replaces the items that a Map's reader reads.
    pub(crate) items: Option<Vec<Value>>,
    pub(crate) failed_iterations: Option<u64>,
    pub(crate) retries: u32,
}

/// How the state ended, and its intermediate values.
pub(crate) struct TrialOutcome {
    pub(crate) status: TestStatus,
    pub(crate) output: Option<Value>,
    pub(crate) failure: Option<Failure>,
    pub(crate) next: Option<usize>,
    pub(crate) inspection: Map<String, Value>,
}

/// How the state ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestStatus {
    /// With an output.
    Succeeded,
    /// With an error.
    Failed,
    /// With an error that a retrier would retry.
    Retriable,
    /// With an error that a catcher caught.
    CaughtError,
}

impl TestStatus {
    /// As AWS has it.
    pub fn name(self) -> &'static str {
        match self {
            TestStatus::Succeeded => "SUCCEEDED",
            TestStatus::Failed => "FAILED",
            TestStatus::Retriable => "RETRIABLE",
            TestStatus::CaughtError => "CAUGHT_ERROR",
        }
    }
}

/// The ARN of the execution around the state. Expressions see the context object of the setup instead.
const ARN: &str = "arn:aws:states:local:000000000000:execution:test:state";

/// Runs the state `index` of `scope` once, without its retries.
pub(crate) async fn run(
    scope: Arc<Scope>,
    index: usize,
    input: Value,
    setup: TrialSetup,
    host: Arc<dyn Host>,
) -> Result<TrialOutcome, Stop> {
    let state = &scope.states[index];
    let variables = setup.variables.clone();
    let recorder = Arc::new(Recorder { setup, recorded: Mutex::default() });
    recorder.record("input", &input);
    let identity = Arc::new(Identity::of_execution(Start::new(ARN, input.clone()), host.now()));
    let runtime = Runtime {
        execution: identity.clone(),
        host,
        journal: Journal::in_memory()?,
        tokens: TaskTokens::default(),
        cancel: CancellationToken::new(),
        idle: Idle::new(None, true),
        inspector: Box::new(recorder.clone()),
    };
    let frame = Frame::new(Key::root(), identity);
    let mut running = match Running::load(Arc::new(runtime), &scope, frame, input) {
        Ok(running) => running,
        Err(Halt::Stopped(stop)) => return Err(stop),
        Err(Halt::Failed(failure)) => {
            return Err(Fault::Bug(format!("a trial cannot begin: {}", failure.cause)).into());
        }
    };
    running.at.state = index;
    running.variables.own = variables;
    let mut trial = Trial { running, state, recorder };
    let outcome = match trial.attempt().await {
        Ok(left) => Ok(left),
        Err(Halt::Failed(failure)) => Err(failure),
        Err(Halt::Stopped(stop)) => return Err(stop),
    };
    Ok(trial.conclude(outcome))
}

/// Records the intermediate values, and replaces what the setup replaces.
struct Recorder {
    setup: TrialSetup,
    recorded: Mutex<Map<String, Value>>,
}

impl Inspector for Arc<Recorder> {
    fn record(&self, name: &'static str, value: &Value) {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.insert(name.to_owned(), value.clone());
    }

    fn context(&self, item: Option<&Value>) -> Option<Value> {
        let mut context = self.setup.context.clone();
        if let (Some(item), Value::Object(context)) = (item, &mut context) {
            context.insert("Map".into(), json!({"Item": item}));
        }
        Some(context)
    }

    fn mock(&self) -> Option<Result<Value, Failure>> {
        self.setup.mock.clone()
    }
}

/// A state that is being tried. Maps and Parallels do not run their inner states, and a Wait does not wait.
struct Trial<'a> {
    running: Running,
    state: &'a State,
    recorder: Arc<Recorder>,
}

impl Trial<'_> {
    async fn attempt(&mut self) -> Result<(Value, Next), Halt> {
        let (running, state) = (&mut self.running, self.state);
        match &state.kind {
            Kind::Work(Work::Task(task)) => Ok((running.run_task(state, task).await?, state.next)),
            Kind::Work(Work::Map(map)) => {
                let input = running.effective_input(state)?;
                let result = self.map_result(map, &input)?;
                Ok((self.running.complete_state(state, input, Some(result))?, state.next))
            }
            Kind::Work(Work::Parallel(_)) => {
                let input = running.effective_input(state)?;
                if let Some(template) = &state.io.arguments {
                    running.evaluate(state, &input, |env| template.fill(env))?;
                }
                let result = self.recorder.mock().unwrap_or(Ok(Value::Null))?;
                Ok((running.complete_state(state, input, Some(result))?, state.next))
            }
            Kind::Wait(until) => {
                let input = running.effective_input(state)?;
                running.wake_time(state, until, &input)?;
                Ok((running.complete_state(state, input, None)?, state.next))
            }
            Kind::Fail { .. } => {
                self.recorder.record("afterInputPath", &running.at.input);
                running.run_state(state).await
            }
            _ => running.run_state(state).await,
        }
    }

    /// The result of a Map whose iterations have ended as the setup says.
    fn map_result(&mut self, map: &MapState, input: &Value) -> Result<Value, Failure> {
        let (running, state) = (&mut self.running, self.state);
        let has_reader = map.distributed.as_ref().is_some_and(|distributed| distributed.reader.is_some());
        let items = match &self.recorder.setup.items {
            Some(items) => Some(items.len()),
            None if has_reader => None,
            None => {
                let items = running.items_value(state, map, input)?;
                let count = running.items(state, map, input)?.len();
                self.recorder.record("afterItemsPath", &items);
                Some(count)
            }
        };
        let concurrency =
            running.whole_number(state, "MaxConcurrency", &map.max_concurrency, input)?.unwrap_or(0);
        self.recorder.record("maxConcurrency", &concurrency.into());
        let exceeded = match &map.distributed {
            Some(distributed) => self.exceeds_tolerance(distributed, input, items)?,
            None => false,
        };
        match self.recorder.mock().unwrap_or(Ok(Value::Null)) {
            Ok(_) if exceeded => Err(Failure::threshold_exceeded()),
            mocked => mocked,
        }
    }

    fn exceeds_tolerance(
        &mut self,
        map: &Distributed,
        input: &Value,
        items: Option<usize>,
    ) -> Result<bool, Failure> {
        let (running, state) = (&mut self.running, self.state);
        let count = running.whole_number(state, "ToleratedFailureCount", &map.tolerated_count, input)?;
        let percentage = running.percentage(state, &map.tolerated_percentage, input)?;
        if let Some(count) = count {
            self.recorder.record("toleratedFailureCount", &count.into());
        }
        if let Some(percentage) = percentage {
            self.recorder.record("toleratedFailurePercentage", &percentage.into());
        }
        let failed = self.recorder.setup.failed_iterations.unwrap_or(0);
        let share = items.map(|items| failed as f64 * 100.0 / items.max(1) as f64);
        let over_count = count.is_some_and(|count| failed > count);
        Ok(over_count || percentage.zip(share).is_some_and(|(percentage, share)| share > percentage))
    }

    /// Retries are not made: the outcome says that there would be one.
    fn conclude(&mut self, outcome: Result<(Value, Next), Failure>) -> TrialOutcome {
        let state = self.state;
        let failure = match outcome {
            Ok((output, next)) => {
                return self.outcome(TestStatus::Succeeded, Some(output), None, Some(next));
            }
            Err(failure) => failure,
        };
        let mut details = Map::new();
        let retries = self.recorder.setup.retries;
        let mut status = TestStatus::Failed;
        let retriers = &state.recovery.retry;
        if let Some(index) = retriers.iter().position(|retrier| failure.matches_any(&retrier.errors)) {
            let retrier = &retriers[index];
            details.insert("retryIndex".into(), index.into());
            if retries < retrier.max_attempts {
                status = TestStatus::Retriable;
                let delay = retrier.delay_seconds(retries) as u64;
                details.insert("retryBackoffIntervalSeconds".into(), delay.into());
            }
        }
        let catcher = state.recovery.catch.iter().position(|catcher| failure.matches_any(&catcher.errors));
        if let Some(index) = catcher.filter(|_| status == TestStatus::Failed) {
            details.insert("catchIndex".into(), index.into());
            self.record_details(details);
            return match self.running.catch(state, failure.clone(), &state.recovery) {
                Ok((output, next)) => {
                    self.outcome(TestStatus::CaughtError, Some(output), Some(failure), Some(next))
                }
                Err(failure) => self.outcome(TestStatus::Failed, None, Some(failure), None),
            };
        }
        self.record_details(details);
        self.outcome(status, None, Some(failure), None)
    }

    fn record_details(&self, details: Map<String, Value>) {
        if !details.is_empty() {
            self.recorder.record("errorDetails", &details.into());
        }
    }

    fn outcome(
        &self,
        status: TestStatus,
        output: Option<Value>,
        failure: Option<Failure>,
        next: Option<Next>,
    ) -> TrialOutcome {
        let next = match next {
            Some(Next::State(next)) => Some(next),
            Some(Next::End) | None => None,
        };
        let mut inspection = self.recorder.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone();
        inspection.retain(|name, _| shows(self.state, name));
        if self.state.language == Language::Jsonata
            && let Some(arguments) = inspection.remove("afterParameters")
        {
            inspection.insert("afterArguments".into(), arguments);
        }
        let variables = &self.running.variables.own;
        if !variables.is_empty() {
            inspection.insert("variables".into(), variables.clone().into());
        }
        TrialOutcome { status, output, failure, next, inspection }
    }
}

/// Whether AWS shows the intermediate value `name` of such a state.
fn shows(state: &State, name: &str) -> bool {
    let jsonpath = state.language == Language::JsonPath;
    let static_result = matches!(state.kind, Kind::Pass(Some(_)));
    let has_result = matches!(state.kind, Kind::Work(_) | Kind::Pass(_));
    let is_parallel = matches!(state.kind, Kind::Work(Work::Parallel(_)));
    let is_task = state.kind.is_task();
    match name {
        "afterInputPath" => jsonpath && !static_result && !is_parallel,
        "afterItemsPath" => jsonpath,
        "afterParameters" if jsonpath => is_task || matches!(state.kind, Kind::Pass(None)),
        "afterParameters" => is_task && state.io.arguments.is_some(),
        "result" => is_task || static_result,
        "afterResultSelector" | "afterResultPath" => jsonpath && has_result,
        _ => true,
    }
}
