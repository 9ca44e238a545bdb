//! A provider on loopback that counts what it is asked, and can be told to misbehave.
#![allow(dead_code, reason = "several test binaries share it, each in part")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

pub struct Api {
    pub address: SocketAddr,
    pub shared: Arc<Shared>,
    _runtime: Runtime,
}

#[derive(Default)]
pub struct Shared {
    hits: Mutex<HashMap<String, usize>>,
    seen: Mutex<Vec<Seen>>,
    total: AtomicUsize,
    /// Answers `/ok` and `/flaky` only while it has permits, once it is set.
    gate: Mutex<Option<Arc<Semaphore>>>,
    broken: AtomicBool,
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub uri: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Shared {
    /// Requests so far.
    pub fn total(&self) -> usize {
        self.total.load(Ordering::SeqCst)
    }
}

impl Api {
    pub fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let shared = Arc::new(Shared::default());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/{kind}/{id}", any(answer)).with_state(shared.clone());
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, _runtime: runtime }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Requests so far.
    pub fn total(&self) -> usize {
        self.shared.total()
    }

    /// How often each path was asked.
    pub fn hits(&self) -> HashMap<String, usize> {
        self.shared.hits.lock().unwrap().clone()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Forgets what it was asked.
    pub fn forget(&self) {
        self.shared.hits.lock().unwrap().clear();
        self.shared.seen.lock().unwrap().clear();
        self.shared.total.store(0, Ordering::SeqCst);
    }

    /// From now on `/ok` answers so many requests and holds the others, until told again.
    pub fn answer_only(&self, count: usize) {
        *self.shared.gate.lock().unwrap() = Some(Arc::new(Semaphore::new(count)));
    }

    /// Lets so many more be answered, of those that are held too.
    pub fn answer_more(&self, count: usize) {
        if let Some(gate) = &*self.shared.gate.lock().unwrap() {
            gate.add_permits(count);
        }
    }

    pub fn answer_all(&self) {
        if let Some(gate) = self.shared.gate.lock().unwrap().take() {
            gate.add_permits(Semaphore::MAX_PERMITS / 2);
        }
    }

    /// `/flaky` answers 404 while this is set.
    pub fn set_broken(&self, broken: bool) {
        self.shared.broken.store(broken, Ordering::SeqCst);
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Path((kind, id)): Path<(String, String)>,
    request: Request,
) -> Response {
    let uri = request.uri().to_string();
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let path = parts.uri.path().to_owned();
    *shared.hits.lock().unwrap().entry(path).or_default() += 1;
    shared.total.fetch_add(1, Ordering::SeqCst);
    let body = String::from_utf8_lossy(&body).into_owned();
    shared.seen.lock().unwrap().push(Seen {
        method: parts.method.to_string(),
        uri,
        headers: parts.headers,
        body,
    });
    let gate = shared.gate.lock().unwrap().clone();
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
        "flaky" if shared.broken.load(Ordering::SeqCst) => StatusCode::NOT_FOUND.into_response(),
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

/// A port of loopback where nobody listens.
pub fn closed_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A server that reads a request, writes some bytes, and hangs up.
pub struct HangUp {
    pub address: SocketAddr,
    _runtime: Runtime,
}

impl HangUp {
    pub fn after(reply: &'static str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = [0; 1024];
                let _ = stream.read(&mut bytes).await;
                let _ = stream.write_all(reply.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, _runtime: runtime }
    }
}
