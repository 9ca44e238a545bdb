//! `POST /api/v1/backup`

use std::path::PathBuf;

use axum::extract::Query;
use axum::routing::post;
use axum::{Extension, Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::RestError;
use crate::backup::Backup;
use crate::console::{Console, Who};
use crate::keys::Role;

pub(super) fn router() -> Router<std::sync::Arc<Console>> {
    Router::new().route("/backup", post(make))
}

#[derive(Deserialize)]
struct To {
    folder: PathBuf,
}

async fn make(
    Extension(backup): Extension<Backup>,
    Query(to): Query<To>,
    who: Who,
) -> Result<Json<Value>, RestError> {
    who.needs(Role::Admin)?;
    let refused = |message: String| RestError { status: StatusCode::BAD_REQUEST, code: "Backup", message };
    let folder = to.folder.clone();
    let made = tokio::task::spawn_blocking(move || backup.make(&to.folder)).await;
    let files =
        made.map_err(|error| refused(error.to_string()))?.map_err(|error| refused(error.to_string()))?;
    Ok(Json(json!({ "folder": folder, "files": files })))
}
