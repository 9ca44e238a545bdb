//! The port for people and their programs: the console's pages, the REST API, metrics and health.

mod actions;
mod assets;
mod guard;
mod link;
mod live;
mod page;
mod progress;
#[cfg(test)]
mod scale;
mod session;
mod sign_in;
mod status;
mod views;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use session::Sessions;
pub(crate) use session::Who;

use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::inbox::Inbox;
use crate::jobs::JobPages;
use crate::keys::Keys;
use crate::rest;
use crate::scheduler::Scheduler;
use crate::settings::Schedule;
use crate::store::{Store, StoreError};
use crate::triggers::Triggers;
use crate::{Error, Settings};

/// What all responses are made from.
pub(crate) struct Console {
    pub(crate) api: Arc<Api>,
    pub(crate) inbox: Inbox,
    /// The pages that somebody looks at.
    pages: live::Pages,
    stop: CancellationToken,
    pub(crate) triggers: Triggers,
    job_pages: Arc<dyn JobPages>,
    /// The schedules of the settings, and those that were made by the API.
    schedules: Vec<Schedule>,
    scheduler: Scheduler,
    /// The state folder.
    folder: PathBuf,
    begun: Instant,
    sessions: Sessions,
    hosts: Vec<String>,
    /// Whether browsers reach it by TLS.
    tls: bool,
}

type Shared = Arc<Console>;

impl Console {
    #[expect(clippy::too_many_arguments, reason = "the parts of a server meet here")]
    pub(crate) fn open(
        api: Arc<Api>,
        inbox: Inbox,
        stop: CancellationToken,
        triggers: Triggers,
        job_pages: Arc<dyn JobPages>,
        scheduler: Scheduler,
        folder: PathBuf,
        store: Store,
        keys: Keys,
        settings: &Settings,
    ) -> Result<Shared, StoreError> {
        let sessions = Sessions::open(store, keys)?;
        let (pages, hosts) = (live::Pages::default(), guard::hosts(&settings.host, settings.console));
        let tls = settings.tls.is_some();
        let (schedules, begun) = (settings.schedules.clone(), Instant::now());
        Ok(Arc::new(Self {
            api,
            inbox,
            triggers,
            job_pages,
            schedules,
            scheduler,
            folder,
            begun,
            pages,
            stop,
            sessions,
            hosts,
            tls,
        }))
    }

    /// The path and query by which a browser is signed in once.
    pub(crate) fn sign_in_path(&self) -> String {
        path_of(&link::make(self.sessions.keys()))
    }
}

/// All routes of the port.
pub(crate) fn router(console: &Shared) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .nest("/api/v1", rest::router())
        .merge(sign_in::router())
        .merge(actions::router())
        .route("/live", get(live::respond))
        .route("/", get(page::respond))
        // What is not there has a page that says so.
        .route("/{*path}", get(page::respond))
        .route_layer(middleware::from_fn_with_state(console.clone(), authenticate))
        .route("/healthz", get(health))
        .route("/assets/{version}/{name}", get(assets::respond))
        .layer(middleware::from_fn_with_state(console.clone(), guard::check))
        .with_state(console.clone())
}

/// The link that signs a browser in to the console of a server once. It is valid for ten minutes.
///
/// # Errors
/// When the folder has no keys yet, or they cannot be read.
pub fn sign_in_link(folder: &std::path::Path, settings: &Settings) -> Result<String, Error> {
    let keys = Keys::read(folder)?;
    Ok(format!("{}{}", settings.console_url(), path_of(&link::make(&keys))))
}

fn path_of(token: &str) -> String {
    format!("/sign-in?link={token}")
}

/// Finds out who sends a request: by the key in `Authorization`, or by the cookie.
async fn authenticate(State(console): State<Shared>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let who = match headers.get(header::AUTHORIZATION) {
        Some(value) => bearer(&console.sessions, value),
        None => sign_in::cookie(headers).and_then(|secret| console.sessions.find(&secret)),
    };
    if let Some(who) = who {
        request.extensions_mut().insert(who);
    }
    next.run(request).await
}

/// `Bearer ID:SECRET`
fn bearer(sessions: &Sessions, value: &HeaderValue) -> Option<Who> {
    let (id, secret) = value.to_str().ok()?.strip_prefix("Bearer ")?.split_once(':')?;
    let key = sessions.with_key(id.trim(), secret.trim())?;
    Some(Who { key: key.clone(), session: None })
}

/// Programs are told what is missing; browsers are led to the page to sign in.
impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        if let Some(who) = parts.extensions.get::<Who>() {
            return Ok(who.clone());
        }
        if is_browser(&parts.headers) {
            return Err(sign_in::lead(&parts.uri));
        }
        let message = "Send an access key of the server: Authorization: Bearer ID:SECRET\n";
        Err((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], message).into_response())
    }
}

fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

async fn health(State(console): State<Shared>) -> Response {
    if console.api.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    "ok\n".into_response()
}

async fn metrics(State(console): State<Shared>, _who: Who) -> Response {
    let executions = &console.api.executions;
    let (open, parked) = (executions.open_by_machine(), executions.number_parked());
    match executions.metrics().text(open, parked, &console.triggers.jobs().live_runs()) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
