//! Errors of the API.

use http::StatusCode;
use serde_json::{Map, Value};

use crate::store::StoreError;

/// An error of an operation, with the name and the words of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// Its name, such as `StateMachineDoesNotExist`.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// 400, or 500 and 503 for errors that are not the caller's.
    pub(crate) status: StatusCode,
    /// Further members: `reason` or `resourceName`.
    pub(crate) member: Option<(&'static str, String)>,
}

impl ApiError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: StatusCode::BAD_REQUEST, member: None }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new("ConflictException", message)
    }

    /// The words of AWS for a resource that is missing: `State Machine Does Not Exist: 'arn…'`.
    pub(crate) fn about(code: &'static str, words: &str, arn: &str) -> Self {
        Self::new(code, format!("{words}: '{arn}'"))
    }

    pub(crate) fn no_machine(arn: &str) -> Self {
        Self::about("StateMachineDoesNotExist", "State Machine Does Not Exist", arn)
    }

    pub(crate) fn no_execution(arn: &str) -> Self {
        Self::about("ExecutionDoesNotExist", "Execution Does Not Exist", arn)
    }

    pub(crate) fn invalid_token() -> Self {
        Self::new("InvalidToken", "Invalid Token: 'Invalid token'")
    }

    /// The server has this operation or member not, and says so rather than ignore it.
    pub(crate) fn unsupported(what: &str) -> Self {
        Self::validation(format!("{what} is not supported by this server"))
    }

    /// The server cannot do it now. Clients try again.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, ..Self::new("ServiceUnavailable", message) }
    }

    #[must_use]
    pub(crate) fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        Self { member: Some((name, value.into())), ..self }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("__type".into(), self.code.into());
        object.insert("message".into(), self.message.as_str().into());
        if let Some((name, value)) = &self.member {
            object.insert((*name).into(), value.as_str().into());
        }
        object.into()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store cannot be used");
        Self::unavailable(format!("the store cannot be used: {error}"))
    }
}

impl From<engine::ApiError> for ApiError {
    fn from(error: engine::ApiError) -> Self {
        Self::new(error.code, error.message)
    }
}
