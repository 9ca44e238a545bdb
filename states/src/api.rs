//! The part of the Step Functions API that other programs may call (AWS Step Functions API Reference). A
//! request names its action in a header, and its body is JSON (Smithy, "AWS JSON 1.0 protocol").

mod executions;
mod workers;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub use executions::EndedExecutions;
pub use workers::Workers;

const TARGET: &str = "x-amz-target";
const PREFIX: &str = "AWSStepFunctions.";

/// The actions of one server.
#[async_trait]
pub trait Actions: Send + Sync + 'static {
    /// Does an action.
    ///
    /// # Errors
    /// The error of the API by its name; [`unknown`] for an action that is not served.
    async fn call(&self, action: &str, input: &Value) -> Result<Value, ApiError>;
}

/// An error of the API: its name and its message.
pub type ApiError = (&'static str, String);

/// The error for an action that is not served.
pub fn unknown(action: &str) -> ApiError {
    ("UnknownOperationException", format!("{action:?} is not served here"))
}

/// Serves actions over HTTP.
pub fn router(actions: impl Actions) -> Router {
    let actions: Arc<dyn Actions> = Arc::new(actions);
    Router::new()
        .fallback(async |State(actions): State<Arc<dyn Actions>>, request| respond(&*actions, request).await)
        .with_state(actions)
}

/// Whether a request is for this API, and not for another service at the same port.
pub fn is_for(headers: &HeaderMap) -> bool {
    action(headers).is_some()
}

fn action(headers: &HeaderMap) -> Option<&str> {
    headers.get(TARGET)?.to_str().ok()?.strip_prefix(PREFIX)
}

/// The response to a request.
pub async fn respond(actions: &dyn Actions, request: Request) -> Response {
    let action = action(request.headers()).unwrap_or_default().to_owned();
    let body = match String::from_request(request, &()).await {
        Ok(body) => body,
        Err(refused) => return refused.into_response(),
    };
    let input = engine::json::from_str(&body).unwrap_or_default();
    match actions.call(&action, &input).await {
        Ok(output) => axum::Json(output).into_response(),
        Err((name, message)) => {
            (StatusCode::BAD_REQUEST, axum::Json(json!({ "__type": name, "message": message })))
                .into_response()
        }
    }
}
