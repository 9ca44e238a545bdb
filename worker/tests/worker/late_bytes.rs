//! Bytes that arrive after a response and belong to no request are not taken as a line's response.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use testing::{HttpServer, JobFile};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::world::{Line, Setup};

const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

/// A server that responds with the path of the request. After some responses it sends bytes.
struct Server {
    http: HttpServer,
    /// The connection of each request, in the order of the requests.
    used: Arc<Mutex<Vec<usize>>>,
}

impl Server {
    /// Sends `bytes` this long after the responses to these requests, from 0.
    fn start(late: Range<usize>, wait: Duration, bytes: &'static str) -> Self {
        Self::slow(Duration::ZERO, late, wait, bytes)
    }

    /// Takes this long for a response.
    fn slow(pause: Duration, late: Range<usize>, wait: Duration, bytes: &'static str) -> Self {
        let used = Arc::<Mutex<Vec<usize>>>::default();
        let (log, connections) = (used.clone(), AtomicUsize::new(0));
        let http = HttpServer::connections(move |stream| {
            let connection = connections.fetch_add(1, Ordering::SeqCst);
            let (log, late) = (log.clone(), late.clone());
            let note = move || {
                let mut used = log.lock().unwrap();
                used.push(connection);
                late.contains(&(used.len() - 1))
            };
            async move {
                // The client closes the connection.
                let _ = respond(stream, note, pause, wait, bytes).await;
            }
        });
        Self { http, used }
    }

    async fn lines(&self, lines: usize, rate: &str, in_flight: usize) -> Vec<Line> {
        let job = JobFile::with_method("GET", "{{ line }}")
            .request("timeout = \"20s\"")
            .tables("[retry]\nattempts = 2")
            .limit("default", format!("rate = \"{rate}\"\nin_flight = {in_flight}"))
            .to_string();
        let urls: Vec<_> = (1..=lines).map(|n| self.http.url(&format!("/{n}"))).collect();
        let urls: Vec<_> = urls.iter().map(String::as_str).collect();
        Setup::lines(&job, &urls).build().await.done().await
    }

    fn used(&self) -> Vec<usize> {
        self.used.lock().unwrap().clone()
    }
}

async fn respond(
    stream: TcpStream,
    note: impl Fn() -> bool,
    pause: Duration,
    wait: Duration,
    bytes: &str,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let path = line.split(' ').nth(1).unwrap().to_owned();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await?;
        }
        line.clear();
        let is_late = note();
        tokio::time::sleep(pause).await;
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len());
        stream.write_all(response.as_bytes()).await?;
        if is_late {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            stream.write_all(bytes.as_bytes()).await?;
        }
    }
    Ok(())
}

fn assert_own_responses(lines: &[Line]) {
    for line in lines {
        assert_eq!((line.error(), line.tries), ("ok", 1), "{line:?}");
        assert_eq!(line.values, [json!(format!("/{}", line.n))], "each line has its own response");
    }
}

fn assert_each_used_once(used: &[usize]) {
    assert_eq!(distinct(used), used.len(), "a connection is used once: {used:?}");
}

fn distinct(connections: &[usize]) -> usize {
    connections.iter().collect::<HashSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn late_bytes_are_not_a_response() {
    for bytes in [EVIL, "garbage\r\n\r\n", "\0"] {
        for (millis, in_flight) in [(0, 1), (1, 1), (5, 1), (20, 1), (1, 4), (20, 4)] {
            let server = Server::start(0..usize::MAX, Duration::from_millis(millis), bytes);
            let lines = server.lines(150, "unlimited", in_flight).await;
            assert_own_responses(&lines);
            assert_each_used_once(&server.used());
        }
    }
}

#[tokio::test]
async fn late_bytes_are_not_a_response_at_a_rate() {
    for millis in [0, 1, 5, 20] {
        let server = Server::start(0..usize::MAX, Duration::from_millis(millis), EVIL);
        assert_own_responses(&server.lines(30, "60/s", 4).await);
        assert_each_used_once(&server.used());
    }
}

#[tokio::test]
async fn late_bytes_on_an_idle_connection_end_the_reuse_of_connections() {
    const BEFORE: usize = 20;
    let server = Server::start(BEFORE..BEFORE + 1, Duration::ZERO, EVIL);
    assert_own_responses(&server.lines(BEFORE + 20, "40/s", 1).await);
    let used = server.used();
    let (before, after) = used.split_at(BEFORE);
    assert!(distinct(before) < BEFORE / 2, "the connections of a quiet host are used again: {before:?}");
    assert_each_used_once(after);
    assert!(after[1..].iter().all(|connection| !before.contains(connection)), "{used:?}");
}

#[tokio::test]
async fn late_bytes_of_a_quiet_host_are_not_a_response() {
    for millis in [0, 1, 20] {
        let (pause, wait) = (Duration::from_millis(60), Duration::from_millis(millis));
        let server = Server::slow(pause, 40..usize::MAX, wait, EVIL);
        assert_own_responses(&server.lines(80, "unlimited", 4).await);
        assert!(distinct(&server.used()[..40]) < 20, "they are used again: {:?}", server.used());
    }
}

#[tokio::test]
async fn connections_of_a_quiet_host_are_used_again() {
    for (lines, rate, in_flight) in [(60, "100/s", 1), (1000, "unlimited", 1), (2000, "unlimited", 8)] {
        let server = Server::start(0..0, Duration::ZERO, "");
        assert_own_responses(&server.lines(lines, rate, in_flight).await);
        let used = server.used();
        let later = distinct(&used[lines * 2 / 3..]);
        assert!(later <= 2 * in_flight + 4, "{later} connections: {used:?}");
    }
}
