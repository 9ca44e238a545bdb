//! `throughline states test --suite`: runs a file of cases, and reports what they cover.

mod case;
mod coverage;
mod junit;
mod report;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{ErrorOutput, FieldValidation, History, Mock, Outcome, Start, StateConfiguration, TestRequest};
use serde_json::{Map, Value};
use states::services::Mocks;
use states::{Definition, FastClock, Values};
use tokio_util::sync::CancellationToken;

use super::services::{self, Services};
use super::values_of;
use crate::args::states::Test;
use crate::exit::{CliError, Exit};
use crate::local::save;
use case::{Actual, Case, Suite};
use coverage::Coverage;
use report::{Report, Tested};

/// The most real time that a case may take.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) async fn suite(args: Test, path: &std::path::Path) -> Result<Exit, CliError> {
    let values = values_of(&args.definition.values)?;
    let definition = Definition::read(&args.definition.definition, &values)?;
    definition.compile()?;
    let suite = Suite::read(path)?;
    let mut coverage = Coverage::of(definition.drawn());
    let mut tested = Vec::with_capacity(suite.cases.len());
    for case in &suite.cases {
        let started = Instant::now();
        let run = run_case(&args, &definition, &values, case, &mut coverage);
        let failures = match tokio::time::timeout(TIMEOUT, run).await {
            Ok(actual) => case.expect.failures(&actual?),
            Err(_) => vec![format!("it did not end within {} seconds", TIMEOUT.as_secs())],
        };
        tested.push(Tested { name: case.name.clone(), failures, elapsed: started.elapsed() });
    }
    let report = Report { suite: path.display().to_string(), tested, coverage };
    if let Some(file) = &args.junit {
        save(file, junit::xml(&report).as_bytes()).map_err(|error| CliError::new(error.to_string()))?;
    }
    if args.definition.json {
        println!("{}", report.to_json());
    } else {
        print!("{}", report.text());
    }
    Ok(if report.failed() == 0 { Exit::Succeeded } else { Exit::Failed })
}

/// Runs a case: a state, or the whole machine.
async fn run_case(
    args: &Test,
    definition: &Definition,
    values: &Values,
    case: &Case,
    coverage: &mut Coverage,
) -> Result<Actual, CliError> {
    let mocks = match (&case.mock_case, case.mocks.is_empty()) {
        (Some(name), _) => {
            let file = args.services.mocks.as_deref().ok_or_else(|| {
                CliError::new(format!("the case {:?} has a MockCase: give its file with --mocks", case.name))
            })?;
            Some(Mocks::read(file, Some(name))?)
        }
        (None, false) => Some(Mocks::of_states(&case.mocks)),
        (None, true) => services::mocks(&args.services)?,
    };
    let services = Services::open(&args.services, definition, values, mocks).await?;
    let host = services.host.clone().with_clock(Arc::new(FastClock::new(args.speed)));
    match &case.state {
        Some(state) => {
            let request = request(case, state);
            let tested = engine::test_state(definition.text(), Some(state), &request, Arc::new(host));
            let tested = tested.await.map_err(|error| CliError::new(format!("{:?}: {error}", case.name)))?;
            coverage.visit(state);
            let caught = tested.status == engine::TestStatus::CaughtError;
            if let Some(next) = &tested.next_state {
                coverage.follow(state, next, caught);
            }
            Ok(Actual {
                succeeded: matches!(tested.status, engine::TestStatus::Succeeded) || caught,
                output: tested.output,
                error: tested.error,
                cause: tested.cause,
                next: tested.next_state,
                path: None,
            })
        }
        None => {
            let machine = definition.compile()?;
            let history = History::default();
            let name = case.name.replace([':', ' '], "-");
            let mut start = Start::new(
                format!("arn:aws:states:local:000000000000:execution:suite:{name}"),
                case.input.clone().unwrap_or_else(|| Value::Object(Map::new())),
            );
            start.execution_type = definition.execution_type(Default::default());
            start.history = Some(history.clone());
            let ended = states::run(&host, machine, start, CancellationToken::new()).await;
            let outcome = ended.map_err(|stop| CliError::new(format!("{:?}: {stop}", case.name)))?;
            let path = coverage.record(&history.events());
            let (succeeded, output, error, cause) = match outcome {
                Outcome::Succeeded(output) => (true, Some(output), None, None),
                Outcome::Failed { error, cause } | Outcome::Aborted { error, cause } => {
                    (false, None, Some(error), Some(cause))
                }
                Outcome::TimedOut => (false, None, Some("States.Timeout".to_owned()), None),
            };
            Ok(Actual { succeeded, output, error, cause, next: None, path: Some(path) })
        }
    }
}

/// The test of one state. The mock of the state itself replaces its work, also that of a Map or Parallel.
fn request(case: &Case, state: &str) -> TestRequest {
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let number = case.retries.unwrap_or(0);
    let response = case.mocks.get(state).and_then(|responses| Mocks::response_of(responses, number.into()));
    let mock = response.map(|response| match response {
        Ok(value) => Mock {
            result: Some(value.to_string()),
            error_output: None,
            field_validation_mode: FieldValidation::None,
        },
        Err((error, cause)) => Mock {
            result: None,
            error_output: Some(ErrorOutput { error, cause }),
            field_validation_mode: FieldValidation::None,
        },
    });
    TestRequest {
        input: Some(case.input.as_ref().map_or_else(|| "{}".to_owned(), Value::to_string)),
        context: text(&case.context),
        variables: text(&case.variables),
        mock,
        state_configuration: StateConfiguration {
            retrier_retry_count: case.retries,
            ..StateConfiguration::default()
        },
        ..TestRequest::default()
    }
}
