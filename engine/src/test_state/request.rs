//! What a test is asked for.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::validation::ApiError;

/// The request in the form of AWS's API, as far as it is not the definition: values are JSON
/// texts. It can be read from such JSON.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TestRequest {
    /// The state's input; without one `{}`.
    pub input: Option<String>,
    /// The context object; without one a new execution's.
    pub context: Option<String>,
    /// An object of the variables that are set.
    pub variables: Option<String>,
    /// What a Task, Map or Parallel comes to, in place of its work.
    pub mock: Option<Mock>,
    /// What has happened before, and what a Map works on.
    pub state_configuration: StateConfiguration,
    /// Shown in the context object. AWS wants one for a Task without a mock; the engine does not.
    pub role_arn: Option<String>,
    /// Not together with a mock.
    pub reveal_secrets: bool,
}

/// A mocked result or error.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Mock {
    /// The result.
    pub result: Option<String>,
    /// The error.
    pub error_output: Option<ErrorOutput>,
    /// How a Task's result is compared with what its service gives.
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

/// How a mocked result is compared with the service's answers, where those are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FieldValidation {
    /// Fields must be of their types, and required ones be there.
    #[default]
    Strict,
    /// Fields must be of their types.
    Present,
    /// Not at all.
    None,
}

/// The circumstances of the state.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StateConfiguration {
    /// Retries that were made already.
    pub retrier_retry_count: Option<u32>,
    /// The state inside a Map or Parallel that the mocked error comes from.
    pub error_caused_by_state: Option<String>,
    /// Iterations of the Map that failed.
    pub map_iteration_failure_count: Option<u64>,
    /// What the Map's ItemReader reads.
    pub map_item_reader_data: Option<String>,
}

impl TestRequest {
    /// What can be refused before the definition is looked at.
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
            .map_err(|error| ApiError::validation(format!("the variables are no JSON object: {error}")))
    }

    pub(super) fn items(&self) -> Result<Option<Vec<Value>>, ApiError> {
        let Some(text) = &self.state_configuration.map_item_reader_data else { return Ok(None) };
        let items = crate::json::list(text);
        items.map(Some).map_err(|error| {
            ApiError::validation(format!("the data of the ItemReader is no JSON array: {error}"))
        })
    }
}

impl ApiError {
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self { code: "ValidationException", message: message.into() }
    }
}
