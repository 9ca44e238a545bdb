//! HTTP on the wire: unusual heads, two kinds of framing, idle connections, and bytes that are not a response.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use testing::{HttpServer, JobFile, Raw, closed_port};

use crate::world::{Line, Setup, codes};

fn job(method: &str, more: &str) -> String {
    JobFile::with_method(method, "{{ line }}")
        .request("timeout = \"20s\"")
        .request(more)
        .tables("[retry]\nattempts = 2")
        .limit("default", "rate = \"unlimited\"\nin_flight = 1")
        .to_string()
}

async fn ask(method: &str, address: SocketAddr, more: &str) -> Line {
    Setup::lines(&job(method, more), &[&format!("http://{address}/")]).build().await.done().await.remove(0)
}

#[tokio::test]
async fn unusual_response_heads_are_accepted() {
    let cookies: String = (0..120).map(|n| format!("Set-Cookie: c{n}=v\r\n")).collect();
    let many: String = (0..900).map(|n| format!("X-H{n}: v\r\n")).collect();
    let large: String = (0..40).map(|n| format!("X-H{n}: {}\r\n", "v".repeat(7000))).collect();
    for head in [
        cookies.as_str(),
        &many,
        &large,
        "X-Powered-By : PHP\r\n",
        "X-Folded: one\r\n two\r\n",
        "no colon at all\r\n",
        "X(odd): name\r\n",
        "Set-Cookie: a=b\r\nSet-Cookie : c=d\r\n: nothing\r\n",
    ] {
        for end in ["\r\n", "\n"] {
            let text = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 2\r\n\r\nok").replace("\r\n", end);
            let line = ask("POST", HttpServer::raw(Raw::Write(text.into_bytes())).address(), "").await;
            assert_eq!(
                (line.error(), line.values.as_slice()),
                ("ok", &[json!("ok")][..]),
                "{} {:?}",
                line.detail,
                &head[..head.len().min(60)]
            );
        }
    }
}

#[tokio::test]
async fn unreadable_response_is_not_a_lost_connection() {
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X-H: v\r\n".repeat(100_000));
    for bytes in [
        "this is not HTTP\r\n\r\n",
        "HTTP/1.1 banana\r\n\r\n",
        "HTTP/7.3 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nab",
        &endless,
    ] {
        let server = HttpServer::raw(Raw::Write(bytes.to_owned().into_bytes()));
        let address = server.address();
        let line = ask("POST", address, "").await;
        assert_eq!(
            (line.error(), line.tries),
            ("bad_response", 1),
            "{} {:?}",
            line.detail,
            &bytes[..bytes.len().min(40)]
        );
        assert_eq!(ask("GET", address, "").await.tries, 2);
    }
}

#[tokio::test]
async fn redrive_does_not_repeat_a_post_that_got_a_response() {
    for (method, again) in [("POST", 1), ("GET", 3)] {
        let server = HttpServer::raw(Raw::Repeat(b"HTTP/1.1 banana\r\n\r\n".to_vec(), None));
        let mut world = Setup::lines(&job(method, ""), &[&server.url("/")]).build().await;
        world.done().await;
        let before = server.count();
        world.request.run.generation = 1;
        world.work().await.unwrap();
        let sent = server.count() - before;
        assert_eq!(sent, again - 1, "{method}");
    }
}

#[tokio::test]
async fn identity_transfer_coding_ends_at_content_length() {
    for head in [
        "Transfer-Encoding: identity\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: Identity\r\n",
        "Transfer-Encoding: identity, identity\r\nContent-Length: 4\r\n",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{head}\r\nBern");
        let server = HttpServer::raw(Raw::Repeat(text.into_bytes(), None));
        let url = server.url("/");
        let lines = Setup::lines(&job("POST", ""), &[&url, &url]).build().await.done().await;
        assert!(lines.iter().all(|line| line.values == [json!("Bern")]), "{lines:?}");
    }
    let refused = HttpServer::raw(Raw::Repeat(
        b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: identity\r\nContent-Length: 4\r\n\r\ngone".to_vec(),
        None,
    ));
    assert_eq!(ask("GET", refused.address(), "").await.detail, "gone");
    let server = HttpServer::raw(Raw::Write(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 9\r\n\r\nBern".to_vec(),
    ));
    let short = server.address();
    assert_eq!(ask("POST", short, "").await.error(), "body_cut");
}

/// Sends lines at this rate to a server that writes `reply` and closes a connection that is idle for
/// `patience`.
async fn resting(
    method: &str,
    rate: &str,
    lines: usize,
    reply: &'static str,
    patience: Duration,
) -> (Vec<Line>, HttpServer) {
    let server = HttpServer::raw(Raw::Repeat(reply.into(), Some(patience)));
    let job = job(method, "").replace("rate = \"unlimited\"", &format!("rate = \"{rate}\""));
    let url = server.url("/");
    let lines = Setup::lines(&job, &vec![url.as_str(); lines]).build().await.done().await;
    (lines, server)
}

#[tokio::test]
async fn posts_use_no_connection_that_may_be_closing() {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    // The server closes the connection just when the next request is due.
    let (lines, server) = resting("POST", "40/min", 3, OK, Duration::from_millis(1500)).await;
    assert_eq!(codes(&lines), ["ok"; 3]);
    assert_eq!(server.connection_count(), 3, "each on a separate connection");
    let (lines, server) = resting("POST", "100/s", 60, OK, Duration::from_secs(5)).await;
    assert_eq!(codes(&lines), ["ok"; 60]);
    let connections = server.connection_count();
    assert!(connections < 30, "after the first ones, one that was just used is used again: {connections}");
}

#[tokio::test]
async fn keep_alive_timeout_is_honoured() {
    const ONE: &str = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=100\r\nContent-Length: 2\r\n\r\nok";
    for method in ["GET", "POST"] {
        let (lines, server) = resting(method, "100/s", 5, ONE, Duration::from_secs(1)).await;
        assert_eq!(codes(&lines), ["ok"; 5]);
        assert!(server.connection_count() >= 4, "none rests for a part of a second");
    }
    const FIVE: &str = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok";
    let (_, server) = resting("POST", "100/s", 30, FIVE, Duration::from_secs(5)).await;
    let connections = server.connection_count();
    assert!(connections < 20, "after the first ones, one is used again: {connections}");
}

#[tokio::test]
async fn lost_connections_name_their_cause() {
    for (address, word) in [
        (closed_port().to_string(), "refused: "),
        ("no-such-host.invalid".to_owned(), "dns: "),
        (HttpServer::raw(Raw::Reset).address().to_string(), "reset: "),
        (HttpServer::raw(Raw::Write(Vec::new())).address().to_string(), "closed: "),
    ] {
        let line = Setup::lines(&job("POST", ""), &[&format!("http://{address}/")])
            .build()
            .await
            .done()
            .await
            .remove(0);
        assert_eq!(line.error(), "connect");
        assert!(line.detail.starts_with(word), "{word:?}: {}", line.detail);
    }
}
