//! The request of a test.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::validation::ApiError;

/// The request of AWS's API, without the definition. Values are JSON texts. It can be deserialised from AWS's
/// JSON.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TestRequest {
    /// The state's input; the default is `{}`.
    pub input: Option<String>,
    /// The context object; the default is that of a new execution.
    pub context: Option<String>,
    /// An object with the variables.
    pub variables: Option<String>,
    /// The outcome that replaces the work of a Task, Map or Parallel.
    pub mock: Option<Mock>,
    /// The earlier history of the state, and the items of a Map.
    pub state_configuration: StateConfiguration,
    /// The role in the context object. AWS requires it for a Task without a mock; the engine does not.
    pub role_arn: Option<String>,
    /// Cannot be combined with a mock. The engine shows no secrets in any case.
    pub reveal_secrets: bool,
    /// The beginning of the ARNs in the context object, such as `arn:aws:states:us-east-1:123456789012`. AWS takes
    /// it from the caller.
    #[serde(skip)]
    pub arn_prefix: Option<String>,
}

/// A mocked result or error.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Mock {
    /// The result.
    pub result: Option<String>,
    /// The error.
    pub error_output: Option<ErrorOutput>,
    /// The check of a Task's result against the output of its service.
    pub field_validation_mode: FieldValidation,
}

/// A mocked error.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ErrorOutput {
    /// Its name.
    pub error: String,
    /// Its cause.
    pub cause: String,
}

/// The check of a mocked result against the service's output, if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FieldValidation {
    /// Fields must have their types, and required fields must be present.
    #[default]
    Strict,
    /// Fields must have their types.
    Present,
    /// Nothing is checked.
    None,
}

/// The circumstances of the test.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StateConfiguration {
    /// The number of retries that were already made.
    pub retrier_retry_count: Option<u32>,
    /// The state inside a Map or Parallel that caused the mocked error.
    pub error_caused_by_state: Option<String>,
    /// The number of iterations of the Map that failed.
    pub map_iteration_failure_count: Option<u64>,
    /// The items that the Map's ItemReader reads, as a JSON array.
    pub map_item_reader_data: Option<String>,
}

impl TestRequest {
    /// Checks that do not need the definition.
    pub(super) fn check_fields(&self) -> Result<(), ApiError> {
        match &self.mock {
            Some(Mock { result: Some(_), error_output: Some(_), .. }) => Err(ApiError::validation(
                "A test mock should have only one of the following fields: [result, errorOutput].",
            )),
            Some(_) if self.reveal_secrets => Err(ApiError::validation(
                "TestState does not support RevealSecrets when a mock is specified.",
            )),
            None if self.state_configuration.map_iteration_failure_count.is_some() => {
                Err(ApiError::validation(
                    "TestState does not support MapIterationFailureCount when a mock is not specified.",
                ))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn input(&self) -> Result<Value, ApiError> {
        let text = self.input.as_deref().unwrap_or("{}");
        crate::json::from_str(text).map_err(|error| ApiError {
            code: "InvalidExecutionInput",
            message: format!("Invalid State Machine Execution Input: the input is not JSON: {error}"),
        })
    }

    pub(super) fn variables(&self) -> Result<Map<String, Value>, ApiError> {
        let Some(text) = &self.variables else { return Ok(Map::new()) };
        crate::json::object(text.as_bytes())
            .map_err(|error| ApiError::validation(format!("the variables are not a JSON object: {error}")))
    }

    pub(super) fn items(&self) -> Result<Option<Vec<Value>>, ApiError> {
        let Some(text) = &self.state_configuration.map_item_reader_data else { return Ok(None) };
        let items = crate::json::list(text);
        items.map(Some).map_err(|error| {
            ApiError::validation(format!("the data of the ItemReader is not a JSON array: {error}"))
        })
    }
}

impl ApiError {
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self { code: "ValidationException", message: message.into() }
    }
}
