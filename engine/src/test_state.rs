//! `TestState`: runs one state of a machine, with mocks or a host, and shows its intermediate values (AWS
//! Step Functions API Reference, "TestState").

mod context;
mod mock;
mod outputs;
mod request;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::compile::{compile, compile_state};
use crate::error::Stop;
use crate::execution::ExecutionType;
use crate::host::Host;
use crate::machine::{Kind, Scope, Work};
use crate::run::trial;
pub use crate::run::trial::TestStatus;
use crate::validation::{ApiError, Validation, validate};
pub use request::{ErrorOutput, FieldValidation, Mock, StateConfiguration, TestRequest};

/// The outcome of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestResult {
    /// How the state ended.
    pub status: TestStatus,
    /// The output of a state that succeeded or whose error was caught.
    pub output: Option<Value>,
    /// The error's name.
    pub error: Option<String>,
    /// The error's cause.
    pub cause: Option<String>,
    /// The name of the next state; None at an end.
    pub next_state: Option<String>,
    /// The intermediate values, by the names of `InspectionData`: `input`; in JSONPath `afterInputPath`,
    /// `afterParameters`, `result`, `afterResultSelector`, `afterResultPath`, `afterItemsPath`; in JSONata
    /// `afterArguments` and `result`; `variables`; the numbers of a Map; the `errorDetails` of an error.
    pub inspection: Map<String, Value>,
}

/// The amount of detail in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum InspectionLevel {
    /// Only the outcome.
    #[default]
    Info,
    /// The outcome and the intermediate values.
    Debug,
    /// The same as `Debug`. AWS adds the raw requests and responses of HTTP tasks, which only the host knows.
    Trace,
}

/// The reason why there is no result of a test.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The request is refused as AWS refuses it.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The state was interrupted, or the engine failed.
    #[error(transparent)]
    Stopped(#[from] Stop),
}

/// Tests the state `name` of a definition or, without a name, a definition that is a single state. The test
/// takes no time: a Wait ends at once, and retries are not made.
///
/// # Errors
///
/// [`TestError::Refused`] if AWS would refuse the request, [`TestError::Stopped`] if the host interrupts the
/// task, or for a bug.
pub async fn test_state(
    definition: &str,
    name: Option<&str>,
    request: &TestRequest,
    host: Arc<dyn Host>,
) -> Result<TestResult, TestError> {
    request.check_fields()?;
    let (scope, index, beyond) = find(definition, name)?;
    let state = &scope.states[index];
    let mock = request.mocked(state)?;
    let setup = trial::TrialSetup {
        context: request.context(state, &*host)?,
        items: request.items()?,
        failed_iterations: request.state_configuration.map_iteration_failure_count,
        retries: request.state_configuration.retrier_retry_count.unwrap_or(0),
        variables: request.variables()?,
        mock,
    };
    let outcome = trial::run(scope.clone(), index, request.input()?, setup, host).await?;
    let name_of = |at: usize| match scope.states.get(at) {
        Some(state) => state.name.clone(),
        // The numbers after the last state belong to states that a single state leads to.
        None => beyond.get(at - scope.states.len()).cloned().unwrap_or_default(),
    };
    Ok(TestResult {
        status: outcome.status,
        output: outcome.output,
        error: outcome.failure.as_ref().map(|failure| failure.error.clone()),
        cause: outcome.failure.map(|failure| failure.cause),
        next_state: outcome.next.map(name_of),
        inspection: outcome.inspection,
    })
}

/// Finds the state. Returns its scope, its number, and the names of states that it leads to and that do not
/// exist.
fn find(definition: &str, name: Option<&str>) -> Result<(Arc<Scope>, usize, Vec<String>), ApiError> {
    let refused = || validate(definition, ExecutionType::Standard).refusal().unwrap_or_else(not_found);
    let Some(name) = name else {
        if serde_json::from_str::<serde::de::IgnoredAny>(definition).is_err() {
            return Err(refused());
        }
        let (machine, beyond) =
            compile_state(definition, ALONE).map_err(|diagnostics| Validation::of(diagnostics).refused())?;
        return Ok((machine.scope, 0, beyond));
    };
    let machine = compile(definition).map_err(|_| refused())?;
    let (scope, index) = locate(&machine.scope, name).ok_or_else(not_found)?;
    Ok((scope, index, Vec::new()))
}

fn not_found() -> ApiError {
    ApiError::validation("State not found in definition")
}

/// The name that AWS gives to a single state.
pub(crate) const ALONE: &str = "StateName";

fn locate(scope: &Arc<Scope>, name: &str) -> Option<(Arc<Scope>, usize)> {
    if let Some(index) = scope.states.iter().position(|state| state.name == name) {
        return Some((scope.clone(), index));
    }
    scope.states.iter().find_map(|state| match &state.kind {
        Kind::Work(Work::Map(map)) => locate(&map.processor, name),
        Kind::Work(Work::Parallel(branches)) => branches.iter().find_map(|branch| locate(branch, name)),
        _ => None,
    })
}

impl TestResult {
    /// The response of `TestState`, in which values are JSON texts.
    pub fn to_json(&self, level: InspectionLevel) -> Value {
        let mut response = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            value.and_then(|value| response.insert(name.to_owned(), value))
        };
        set("status", Some(self.status.name().into()));
        set("output", self.output.as_ref().map(|output| output.to_string().into()));
        set("error", self.error.clone().map(Value::String));
        set("cause", self.cause.clone().map(Value::String));
        set("nextState", self.next_state.clone().map(Value::String));
        set("inspectionData", (level > InspectionLevel::Info).then(|| self.inspection_data()));
        response.into()
    }

    fn inspection_data(&self) -> Value {
        let plain =
            |name: &str| name == "errorDetails" || name == "maxConcurrency" || name.starts_with("tolerated");
        let shown = |(name, value): (&String, &Value)| {
            if plain(name) { (name.clone(), value.clone()) } else { (name.clone(), json!(value.to_string())) }
        };
        Value::Object(self.inspection.iter().map(shown).collect())
    }
}
