//! A server on loopback that responds as a test says.

mod ports;
mod raw;

use std::collections::HashMap;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use ports::any_port;
pub use ports::{closed_port, full_port};
pub use raw::Raw;

use crate::wait_until;

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// `GET` and the like.
    pub method: String,
    /// Path and query.
    pub uri: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body. Bytes that are not UTF-8 are replaced.
    pub body: String,
}

impl ReceivedRequest {
    /// A header, if the request has it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.uri.split('?').next().unwrap_or_default()
    }
}

/// A server that listens only on 127.0.0.1. It stops when its last clone is dropped.
#[derive(Clone)]
pub struct HttpServer(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    log: Arc<Log>,
    /// The server stops when this is dropped.
    _stop: oneshot::Sender<()>,
}

/// What a server has received.
struct Log {
    started: Instant,
    state: Mutex<Received>,
}

#[derive(Default)]
struct Received {
    connections: usize,
    arrivals: Vec<Duration>,
    requests: Vec<ReceivedRequest>,
}

/// The number of a request, from 0.
#[derive(Clone, Copy)]
struct Number(usize);

impl HttpServer {
    /// Responds as the closure says, which is given the number of the request, from 0.
    pub fn start<R: IntoResponse>(
        respond: impl Fn(usize, &ReceivedRequest) -> R + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::router(fallback(respond))
    }

    /// [`Self::start`] on a port that a job file names. Waits while another test has it.
    pub fn start_at<R: IntoResponse>(
        port: u16,
        respond: impl Fn(usize, &ReceivedRequest) -> R + Clone + Send + Sync + 'static,
    ) -> Self {
        let mut free = None;
        wait_until("the port is free", || {
            free = std::net::TcpListener::bind(("127.0.0.1", port)).ok();
            free.is_some()
        });
        Self::routes(free.unwrap(), fallback(respond))
    }

    /// Responds by routes.
    pub fn router(router: axum::Router) -> Self {
        Self::routes(any_port(), router)
    }

    fn routes(listener: std::net::TcpListener, router: axum::Router) -> Self {
        Self::serve(listener, |listener, log| async move {
            let connected = log.clone();
            let listener = listener.tap_io(move |_| connected.connected());
            let router = router.layer(axum::middleware::from_fn_with_state(log, record));
            axum::serve(listener, router).await.unwrap();
        })
    }

    /// Does one thing with every connection. Only the arrival of requests is recorded, not the requests.
    pub fn raw(script: Raw) -> Self {
        let script = Arc::new(script);
        Self::accept(move |stream, log| {
            let script = script.clone();
            async move { raw::serve(stream, &script, &log).await }
        })
    }

    /// Hands every connection to a closure.
    pub fn connections<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::accept(move |stream, _| serve(stream))
    }

    fn accept<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream, Arc<Log>) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::serve(any_port(), |listener, log| async move {
            while let Ok((stream, _)) = listener.accept().await {
                log.connected();
                tokio::spawn(serve(stream, log.clone()));
            }
        })
    }

    /// Serves in the runtime of an asynchronous test: in one thread, a client sees a response and the end of its
    /// connection together. Serves in another thread elsewhere.
    fn serve<F: Future<Output = ()> + Send + 'static>(
        listener: std::net::TcpListener,
        serve: impl FnOnce(TcpListener, Arc<Log>) -> F + Send + 'static,
    ) -> Self {
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log { started: Instant::now(), state: Mutex::default() });
        let (stop, stopped) = oneshot::channel();
        let received = log.clone();
        let run = async move {
            let listener = TcpListener::from_std(listener).unwrap();
            tokio::select! {
                () = serve(listener, received) => {}
                _ = stopped => {}
            }
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(run);
        } else {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            thread::spawn(move || runtime.block_on(run));
        }
        Self(Arc::new(Inner { address, log, _stop: stop }))
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// Address and port, as in a URL.
    pub fn host(&self) -> String {
        self.0.address.to_string()
    }

    /// The URL of a path that begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.address)
    }

    /// How many requests have arrived.
    pub fn count(&self) -> usize {
        self.0.log.state.lock().unwrap().arrivals.len()
    }

    /// How many connections were made.
    pub fn connection_count(&self) -> usize {
        self.0.log.state.lock().unwrap().connections
    }

    /// All requests, in the order of their arrival.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.0.log.state.lock().unwrap().requests.clone()
    }

    /// When each request arrived, since the start of the server.
    pub fn arrivals(&self) -> Vec<Duration> {
        self.0.log.state.lock().unwrap().arrivals.clone()
    }

    /// How often each path was requested.
    pub fn hits(&self) -> HashMap<String, usize> {
        let received = self.0.log.state.lock().unwrap();
        received.requests.iter().fold(HashMap::new(), |mut hits, request| {
            *hits.entry(request.path().to_owned()).or_default() += 1;
            hits
        })
    }

    /// Forgets all requests.
    pub fn forget(&self) {
        *self.0.log.state.lock().unwrap() = Received::default();
    }
}

fn fallback<R: IntoResponse>(
    respond: impl Fn(usize, &ReceivedRequest) -> R + Clone + Send + Sync + 'static,
) -> axum::Router {
    axum::Router::new().fallback(move |mut request: Request| {
        let Number(number) = request.extensions_mut().remove().unwrap();
        let received: ReceivedRequest = request.extensions_mut().remove().unwrap();
        ready(respond(number, &received).into_response())
    })
}

impl Log {
    fn connected(&self) {
        self.state.lock().unwrap().connections += 1;
    }

    fn arrived(&self) {
        self.state.lock().unwrap().arrivals.push(self.started.elapsed());
    }

    fn received(&self, request: ReceivedRequest) -> Number {
        let mut received = self.state.lock().unwrap();
        received.arrivals.push(self.started.elapsed());
        received.requests.push(request);
        Number(received.requests.len() - 1)
    }
}

/// Records a request before its route sees it.
async fn record(State(log): State<Arc<Log>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let received = ReceivedRequest {
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        headers: parts.headers.clone(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let number = log.received(received.clone());
    let mut request = Request::from_parts(parts, Body::from(body));
    request.extensions_mut().insert(number);
    request.extensions_mut().insert(received);
    next.run(request).await
}

/// A response with a status and a body.
pub fn response(status: u16, body: &str) -> Response {
    response_with(status, &[], body)
}

/// A response with a status, headers and a body.
pub fn response_with(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let response = headers
        .iter()
        .fold(Response::builder().status(status), |response, (name, value)| response.header(*name, *value));
    response.body(Body::from(body.to_owned())).unwrap()
}
