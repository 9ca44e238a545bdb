//! The commands `throughline states` on definitions of all kinds.

mod files;
mod graph;
mod http;
mod mocks;
mod run;
mod services;
mod side_by_side;
mod store;
mod suite;
mod test;
mod validate;

use axum::Json;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use testing::{HttpServer, Scene};

/// A folder with `machine.json`.
pub fn scene(definition: &Value) -> Scene {
    Scene::new("", "machine.json", definition.to_string())
}

/// A machine of one task.
pub fn task(resource: &str, parameters: &Value) -> Value {
    json!({ "StartAt": "Do", "States": { "Do": { "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true } } })
}

/// Runs it with `--json`.
fn run(scene: &Scene, args: &[&str], code: i32) -> Value {
    let ran = scene.run(&[&["states", "run", "machine.json", "--json"], args].concat()).expect(code);
    engine::json::from_str(&ran.stdout).unwrap()
}

/// Replaces other services: echoes the payload of a function, fails for the function `broken`, and returns what an AWS
/// JSON service was asked for.
pub struct Services {
    pub server: HttpServer,
}

impl Services {
    pub fn start() -> Self {
        let router = axum::Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            .route("/", post(service));
        Self { server: HttpServer::router(router) }
    }
}

async fn invoke(Path(name): Path<String>, body: String) -> Response {
    match name.as_str() {
        "broken" => (
            StatusCode::OK,
            [("x-amz-function-error", "Unhandled")],
            Json(json!({ "errorType": "Broken", "errorMessage": "so" })),
        )
            .into_response(),
        _ => body.into_response(),
    }
}

async fn service(headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    if body["TableName"] == "none" {
        let error = json!({ "__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "no table" });
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    }
    Json(json!({ "target": target, "asked": body })).into_response()
}
