//! Servers on loopback: one that answers as a closure says, and one that writes raw bytes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub uri: String,
    pub headers: axum::http::HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A server and what it was asked.
#[derive(Clone)]
pub struct Server {
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Answers as the closure says; it is given the number of the request, from 0.
    pub async fn start(
        answer: impl Fn(usize, &Seen) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let shared = log.clone();
        let app = axum::Router::new().fallback(move |request: Request| {
            let (log, answer) = (shared.clone(), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let seen = Seen {
                    method: parts.method.to_string(),
                    uri: parts.uri.to_string(),
                    headers: parts.headers,
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                let number = {
                    let mut log = log.lock().unwrap();
                    log.push(seen.clone());
                    log.len() - 1
                };
                answer(number, &seen)
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, log }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.log.lock().unwrap().len()
    }
}

pub fn answer(status: u16, body: &str) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body.to_owned())).unwrap()
}

pub fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Body> {
    let response = headers
        .iter()
        .fold(Response::builder().status(status), |response, (name, value)| response.header(*name, *value));
    response.body(Body::from(body.to_owned())).unwrap()
}

/// What a raw server does with one connection once it has read the head of a request.
#[derive(Debug, Clone)]
pub enum Raw {
    /// Writes this and closes.
    Write(Vec<u8>),
    /// Writes this and says no more, without closing.
    Stall(Vec<u8>),
    /// Writes this, and then a byte now and then, for ever.
    Drip(Vec<u8>),
    /// Closes with a reset.
    Reset,
    /// Writes this and closes with a reset.
    ResetBehind(Vec<u8>),
}

/// A server that does one thing with every connection.
pub async fn raw(what: Raw) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve_raw(stream, what.clone()));
        }
    });
    address
}

async fn serve_raw(mut stream: TcpStream, what: Raw) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    match what {
        Raw::Write(bytes) => {
            stream.write_all(&bytes).await.ok();
            stream.shutdown().await.ok();
        }
        Raw::Stall(bytes) => {
            stream.write_all(&bytes).await.ok();
            // Until the other side closes.
            stream.read_u8().await.ok();
        }
        Raw::Drip(bytes) => {
            stream.write_all(&bytes).await.ok();
            let mut now_and_then = tokio::time::interval(Duration::from_millis(20));
            while stream.write_all(b"x").await.is_ok() {
                now_and_then.tick().await;
            }
        }
        Raw::Reset => stream.set_zero_linger().unwrap(),
        Raw::ResetBehind(bytes) => {
            stream.write_all(&bytes).await.ok();
            stream.set_zero_linger().unwrap();
        }
    }
}

/// An address on which nobody listens.
pub async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A server that takes no connection: its queue is full of those that are returned with it.
pub async fn busy() -> (SocketAddr, impl Sized) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let waiting: Vec<_> = (0..8)
        .map(|_| tokio_util::task::AbortOnDropHandle::new(tokio::spawn(TcpStream::connect(address))))
        .collect();
    // The queue has room for two: they are through, and with them the queue is full.
    while waiting.iter().filter(|connecting| connecting.is_finished()).count() < 2 {
        tokio::task::yield_now().await;
    }
    (address, (listener, waiting))
}
