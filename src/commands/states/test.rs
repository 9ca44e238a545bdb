//! `throughline states test`: tests one state.

use std::sync::Arc;

use engine::{
    ErrorOutput, FieldValidation, InspectionLevel, Mock, StateConfiguration, TestError, TestRequest,
    TestStatus,
};
use serde_json::Value;
use states::Definition;

use super::services::{Services, mocks};
use super::{json_of, values_of};
use crate::args::states::{Level, Test};
use crate::exit::{CliError, Exit};

pub(super) async fn test(args: Test) -> Result<Exit, CliError> {
    let path = &args.definition.definition;
    let values = values_of(&args.definition.values)?;
    let definition = Definition::read(path, &values)?;
    let text = |flag: &str, given: Option<&String>| {
        given.map(|given| json_of(flag, given).map(|json| json.to_string())).transpose()
    };
    let error_output = args.error.clone().map(|error| ErrorOutput { error, cause: args.cause.clone() });
    let result = text("result", args.result.as_ref())?;
    let mocked = result.is_some() || error_output.is_some();
    let request = TestRequest {
        input: text("input", Some(&args.input))?,
        context: text("context", args.context.as_ref())?,
        variables: text("variables", args.variables.as_ref())?,
        // The given result need not have the form of AWS's service.
        mock: mocked.then_some(Mock { result, error_output, field_validation_mode: FieldValidation::None }),
        state_configuration: StateConfiguration {
            retrier_retry_count: args.retries,
            ..StateConfiguration::default()
        },
        ..TestRequest::default()
    };
    let Services { host, exchange, .. } =
        &Services::open(&args.services, &definition, &values, mocks(&args.services)?).await?;
    let host = Arc::new(host.clone());
    let tested = match engine::test_state(definition.text(), args.name.as_deref(), &request, host).await {
        Ok(tested) => tested,
        Err(TestError::Refused(error)) => return Err(CliError::at(path, error)),
        Err(TestError::Stopped(stop)) => return Err(CliError::new(stop.to_string())),
    };
    let level = match args.level {
        Level::Info => InspectionLevel::Info,
        Level::Debug => InspectionLevel::Debug,
        Level::Trace => InspectionLevel::Trace,
    };
    let mut shown = tested.to_json(level);
    if level == InspectionLevel::Trace
        && let Some(data) = shown["inspectionData"].as_object_mut()
    {
        data.extend(exchange.shown());
    }
    if args.definition.json {
        println!("{shown}");
    } else {
        show_test(&shown);
    }
    let passed = matches!(tested.status, TestStatus::Succeeded | TestStatus::CaughtError);
    Ok(if passed { Exit::Succeeded } else { Exit::Failed })
}

/// Prints one value in each line, the intermediate values first.
fn show_test(shown: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (name, value) in shown["inspectionData"].as_object().into_iter().flatten() {
        println!("{name:<22} {}", text(value));
    }
    for (name, value) in shown.as_object().into_iter().flatten().filter(|(name, _)| *name != "inspectionData")
    {
        println!("{name:<22} {}", text(value));
    }
}
