//! The REST API at `/api/v1`, for programs with an access key and for the console's own pages.

mod backup;
pub(crate) mod runs;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

use crate::api::ApiError;
use crate::console::{Console, Who};
use crate::executions::rfc3339;
use crate::keys::Role;

pub(crate) use runs::conflict;

/// The routes below `/api/v1`. Each resource has its file and is merged here.
pub(crate) fn router() -> Router<std::sync::Arc<Console>> {
    Router::new()
        .route("/key", get(who_am_i))
        .route("/inbox", get(inbox))
        .merge(runs::router())
        .merge(backup::router())
}

/// A refusal, as JSON.
pub(crate) struct RestError {
    pub(crate) status: StatusCode,
    /// A stable name.
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.code, "message": self.message }))).into_response()
    }
}

impl From<ApiError> for RestError {
    fn from(error: ApiError) -> Self {
        let status = match error.code {
            "AccessDeniedException" => StatusCode::FORBIDDEN,
            code if code.ends_with("DoesNotExist") || code == "ResourceNotFound" => StatusCode::NOT_FOUND,
            _ => error.status,
        };
        Self { status, code: error.code, message: error.message }
    }
}

impl From<RestError> for ApiError {
    fn from(error: RestError) -> Self {
        Self { status: error.status, ..Self::new(error.code, error.message) }
    }
}

impl Who {
    /// Checks that the key may do what needs a role.
    pub(crate) fn needs(&self, role: Role) -> Result<(), ApiError> {
        if self.key.role.may(role) {
            return Ok(());
        }
        let (id, own) = (&self.key.id, self.key.role.name());
        let message = format!("the key {id} has the role {own:?}; this needs {:?}", role.name());
        Err(ApiError::new("AccessDeniedException", message))
    }
}

/// The tasks that wait for a person, oldest first, at most 100.
async fn inbox(
    State(console): State<std::sync::Arc<Console>>,
    who: Who,
) -> Result<Json<serde_json::Value>, RestError> {
    who.needs(Role::Viewer)?;
    let found = console.inbox.list(100).map_err(ApiError::from)?;
    let task = |waiting: &crate::inbox::Waiting| {
        json!({
            "id": waiting.id(),
            "execution": waiting.execution,
            "state": waiting.state,
            "since": rfc3339(waiting.since),
            "until": waiting.until.map(rfc3339),
            "input": waiting.input,
        })
    };
    Ok(Json(json!({ "tasks": found.iter().map(task).collect::<Vec<_>>() })))
}

async fn who_am_i(who: Who) -> Json<serde_json::Value> {
    Json(json!({ "key": who.key.id, "role": who.key.role.name() }))
}
