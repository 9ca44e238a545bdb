//! Faults of providers and networks: the code of the line, and how often it is sent. `docs/failures.md` has a row for each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use net::guard::LookUp;
use serde_json::json;
use testing::{HttpServer, JobFile, Raw, full_port, response, response_with};

use crate::world::{Line, Setup, codes};

fn job(method: &str, more: &str) -> String {
    JobFile::with_method(method, "{{ line }}")
        .request("timeout = \"600ms\"")
        .request(more)
        .tables("[retry]\nattempts = 2")
        .unlimited("default")
        .to_string()
}

async fn ask(method: &str, address: SocketAddr, more: &str) -> Line {
    Setup::lines(&job(method, more), &[&format!("http://{address}/")]).build().await.done().await.remove(0)
}

#[tokio::test]
async fn throttle_without_a_wait_backs_off() {
    for method in ["GET", "POST"] {
        let server = HttpServer::start(|_, _| response(429, "slower"));
        let line = ask(method, server.address(), "").await;
        assert_eq!(
            (line.error(), line.tries, server.count()),
            ("http_429", 8, 8),
            "four times as often as attempts"
        );
        let server = HttpServer::start(|n, _| response(if n < 5 { 429 } else { 200 }, ""));
        assert_eq!(ask(method, server.address(), "").await.error(), "ok");
    }
}

#[tokio::test]
async fn wait_of_hours_pauses_the_call() {
    let server = HttpServer::start(|_, _| response_with(429, &[("retry-after", "7200")], ""));
    let job = job("GET", "").replace("attempts = 2", "attempts = 2\nmax_wait = \"3h\"");
    let (wait, next) = Setup::lines(&job, &[&server.url("/")]).build().await.paused().await;
    assert!((7190..=7201).contains(&wait), "{wait}");
    assert!(next.pace.keys["h"].not_before > 0);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn connect_timeout_fails_with_connect() {
    let (address, _full) = full_port().await;
    for method in ["GET", "POST"] {
        let line = ask(method, address, "").await;
        assert_eq!((line.error(), line.tries), ("connect", 2), "nothing was sent: {method} {line:?}");
    }
}

#[tokio::test]
async fn connection_lost_in_the_body_is_body_cut() {
    for reply in [
        "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let server = HttpServer::raw(Raw::WriteAndReset(reply.into()));
        let address = server.address();
        assert_eq!(codes_of("GET", address).await, ("body_cut".into(), 2));
        assert_eq!(codes_of("POST", address).await, ("body_cut".into(), 1));
    }
}

async fn codes_of(method: &str, address: SocketAddr) -> (String, u32) {
    let line = ask(method, address, "").await;
    (line.error().to_owned(), line.tries)
}

#[tokio::test]
async fn slowly_dripping_body_times_out() {
    let server = HttpServer::raw(Raw::Drip(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".to_vec()));
    let address = server.address();
    assert_eq!(codes_of("GET", address).await, ("timeout".into(), 2), "no byte is late, and the whole is");
    assert_eq!(codes_of("POST", address).await, ("timeout".into(), 1));
    let server = HttpServer::raw(Raw::Drip(b"HTTP/1.1 200 OK\r\nx: ".to_vec()));
    let address = server.address();
    assert_eq!(codes_of("GET", address).await, ("timeout".into(), 2));
}

#[tokio::test]
async fn bytes_beyond_content_length_are_ignored() {
    let server = HttpServer::raw(Raw::Write(
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
            .to_vec(),
    ));
    let address = server.address();
    let url = format!("http://{address}/");
    let job = format!("{}in_flight = 1\n", job("GET", ""));
    let lines = Setup::lines(&job, &[&url, &url, &url]).build().await.done().await;
    assert!(
        lines.iter().all(|line| line.values == [json!("abc")]),
        "bytes after a response do not belong to any request: {lines:?}"
    );
}

#[tokio::test]
async fn invalid_json_and_invalid_utf8_fail() {
    let columns = "[output]\ncolumns = { a = \"$.a\" }\n";
    for body in [&b"{\"a\": "[..], b"{\"a\": \"\xff\"}", b"{\"a\": 1} {}", b"nan", b"\xef\xbb\xbf{\"a\" 1}"] {
        let server =
            HttpServer::start(move |_, _| axum::response::Response::new(axum::body::Body::from(body)));
        let job = format!("{}{columns}", job("GET", ""));
        let line = Setup::lines(&job, &[&server.url("/")]).build().await.done().await.remove(0);
        assert_eq!(
            (line.error(), line.tries, line.status),
            ("extract", 1, 200),
            "{}",
            String::from_utf8_lossy(body)
        );
    }
}

/// A name that resolves to another address at each look-up.
struct Changing(AtomicUsize);

#[async_trait]
impl LookUp for Changing {
    async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        assert_eq!(name, "rebinding.example");
        let inside = ["127.0.0.1:0", "169.254.169.254:0"][self.0.fetch_add(1, Ordering::SeqCst)];
        Ok(vec![inside.parse().unwrap()])
    }
}

#[tokio::test]
async fn changed_address_of_a_name_is_checked_again() {
    // The job allows the first address and not the second. The response closes the connection, so the second
    // line's request needs a new one.
    let server = HttpServer::start(|_, _| response_with(200, &[("connection", "close")], "outside"));
    let url = format!("http://rebinding.example:{}/", server.port());
    let job = format!("{}in_flight = 1\n", job("GET", ""));
    let mut world = Setup::lines(&job, &[&url, &url]).build().await;
    world.context.look_up = Arc::new(Changing(AtomicUsize::new(0)));
    let lines = world.done().await;
    assert_eq!(
        codes(&lines),
        ["ok", "address_denied"],
        "the address that is connected to is the one that is checked"
    );
    assert_eq!((server.count(), lines[1].tries), (1, 1));
}
