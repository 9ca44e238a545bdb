//! An API that responds by path, and that can be told to hold its responses or to fail.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::sync::Semaphore;

use crate::HttpServer;

/// An API. The first part of a path chooses the response, the second is its subject:
///
/// | path | response |
/// |---|---|
/// | `/ok/ID` | JSON with the id |
/// | `/flaky/ID` | as `/ok`, or 404 while the API is broken |
/// | `/status/CODE` | this status |
/// | `/numbers/N` | JSON with numbers of many digits |
/// | `/html/…`, `/empty/…` | HTML, not JSON; an empty body |
/// | `/large/BYTES` | this number of bytes |
/// | `/stall/…` | none for two minutes |
/// | `/loop/…`, `/to/TARGET` | a redirect to itself; one to the target, in which `~` is a slash |
pub struct Api {
    server: HttpServer,
    state: Arc<ApiState>,
}

#[derive(Default)]
struct ApiState {
    /// Once it is set, `/ok` and `/flaky` respond only while it has permits.
    gate: Mutex<Option<Arc<Semaphore>>>,
    broken: AtomicBool,
}

impl Deref for Api {
    type Target = HttpServer;

    fn deref(&self) -> &HttpServer {
        &self.server
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    /// Starts it.
    pub fn start() -> Self {
        let state = Arc::new(ApiState::default());
        let routes = Router::new().route("/{kind}/{id}", any(respond)).with_state(state.clone());
        let server = HttpServer::router(routes);
        Self { server, state }
    }

    /// Lets `/ok` and `/flaky` respond to this number of requests from now on. Others are held until the next call.
    pub fn respond_only(&self, count: usize) {
        *self.state.gate.lock().unwrap() = Some(Arc::new(Semaphore::new(count)));
    }

    /// Releases this number of further responses, also for requests that are held.
    pub fn respond_more(&self, count: usize) {
        if let Some(gate) = &*self.state.gate.lock().unwrap() {
            gate.add_permits(count);
        }
    }

    /// Releases all responses.
    pub fn respond_all(&self) {
        if let Some(gate) = self.state.gate.lock().unwrap().take() {
            gate.add_permits(Semaphore::MAX_PERMITS / 2);
        }
    }

    /// `/flaky` responds with 404 while this is set.
    pub fn set_broken(&self, broken: bool) {
        self.state.broken.store(broken, Ordering::SeqCst);
    }
}

async fn respond(State(state): State<Arc<ApiState>>, Path((kind, id)): Path<(String, String)>) -> Response {
    let gate = state.gate.lock().unwrap().clone();
    if let (Some(gate), "ok" | "flaky") = (gate, kind.as_str()) {
        gate.acquire().await.unwrap().forget();
    }
    let json = |id: &str| {
        (
            [(header::CONTENT_TYPE, "application/json")],
            format!(r#"{{"id": "{id}", "twice": "{id}{id}", "list": [1, 2]}}"#),
        )
    };
    match kind.as_str() {
        "ok" => json(&id).into_response(),
        "flaky" if state.broken.load(Ordering::SeqCst) => StatusCode::NOT_FOUND.into_response(),
        "flaky" => json(&id).into_response(),
        "status" => StatusCode::from_u16(id.parse().unwrap()).unwrap().into_response(),
        "numbers" => format!(
            r#"{{"digits": [{id}, 12345678901234567890123, 12.50, 1e400], "total": {id}, "odd": NaN}}"#
        )
        .into_response(),
        "html" => "<html>".into_response(),
        "empty" => StatusCode::NO_CONTENT.into_response(),
        "large" => "x".repeat(id.parse().unwrap()).into_response(),
        "stall" => {
            tokio::time::sleep(Duration::from_secs(120)).await;
            StatusCode::OK.into_response()
        }
        "loop" => (StatusCode::FOUND, [(header::LOCATION, "/loop/1")]).into_response(),
        "to" => (StatusCode::FOUND, [(header::LOCATION, id.replace('~', "/"))]).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
