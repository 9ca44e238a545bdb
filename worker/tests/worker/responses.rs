//! Lines that succeed: each has one result, with the values of its columns.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use testing::{HttpServer, JobFile, response, response_with};

use crate::world::Setup;

fn job(url: &str, more: &str) -> String {
    JobFile::get(format!("{url}?q={{{{ line }}}}"))
        .limit("default", "rate = \"unlimited\"\nin_flight = 16")
        .tables(more)
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_has_one_record() {
    let server = HttpServer::start(|_, seen| response(200, &seen.uri));
    let world = Setup::numbered(&job(&server.url("/a"), ""), 1000).build().await;
    let lines = world.done().await;
    assert_eq!(lines.len(), 1000);
    assert_eq!(server.count(), 1000);
    for (line, n) in lines.iter().zip(1..) {
        assert_eq!((line.n, &line.values[..]), (n, &[json!(format!("/a?q={n}"))][..]));
        assert_eq!((line.tries, line.status), (1, 200));
    }
    let user_agents: Vec<_> =
        server.requests().iter().map(|seen| seen.header("user-agent").unwrap().to_owned()).collect();
    assert!(user_agents.iter().all(|agent| agent == worker::USER_AGENT));
}

#[tokio::test]
async fn a_second_call_sends_nothing() {
    let server = HttpServer::start(|_, _| response(200, "x"));
    let world = Setup::numbered(&job(&server.url("/"), ""), 20).build().await;
    assert_eq!(world.done().await, world.done().await);
    assert_eq!(server.count(), 20);
}

#[tokio::test]
async fn columns_are_extracted() {
    let body = r#"{"a": {"b": 1}, "l": [1, 2]}"#;
    let server = HttpServer::start(move |_, _| response_with(200, &[("x-note", "hi")], body));
    let columns = r#"[output]
columns = { b = "$.a.b", l = "$.l[*]", none = "$.z", s = "status", u = "url", h = "header.X-Note" }"#;
    let world = Setup::lines(&job(&server.url("/"), columns), &["x"]).build().await;
    let expected =
        [json!(1), json!([1, 2]), json!(null), json!(200), json!(server.url("/?q=x")), json!("hi")];
    assert_eq!(world.done().await[0].values, expected);
}

#[tokio::test]
async fn bodies_are_decompressed_and_may_be_empty() {
    let server = HttpServer::start(|_, seen| {
        if seen.uri.ends_with("empty") {
            return response(204, "");
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, b"packed").unwrap();
        let body = axum::body::Body::from(gzip.finish().unwrap());
        axum::response::Response::builder().header("content-encoding", "gzip").body(body).unwrap()
    });
    let world = Setup::lines(&job(&server.url("/"), ""), &["empty", "x"]).build().await;
    let lines = world.done().await;
    assert_eq!((&lines[0].values[..], lines[0].error()), (&[json!(null)][..], "ok"));
    assert_eq!(lines[1].values, [json!("packed")]);
}

#[tokio::test]
async fn bodies_and_headers_are_rendered() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let job = format!(
        r#"[request]
method = "POST"
url = "{}"
headers = {{ x-line = "l {{{{ line }}}}", user-agent = "me" }}
body = '{{"q": {{{{ line }}}}}}'
idempotent = true
allow = ["127.0.0.1"]
[limits.default]
rate = "unlimited"
"#,
        server.url("/p")
    );
    let world = Setup::lines(&job, &["a\"b"]).build().await;
    world.done().await;
    let seen = server.requests();
    assert_eq!((seen[0].method.as_str(), seen[0].body.as_str()), ("POST", r#"{"q": "a\"b"}"#));
    assert_eq!((seen[0].header("x-line"), seen[0].header("user-agent")), (Some("l a\"b"), Some("me")));
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert_eq!(seen[0].header("idempotency-key"), Some(&blake3::hash(b"r/1").to_hex()[..32]));
}

#[tokio::test]
async fn large_responses_share_a_small_budget() {
    let server = HttpServer::start(|_, _| response(200, &"x".repeat(200_000)));
    let mut setup = Setup::numbered(&job(&server.url("/"), "[output]\ncolumns = { s = \"status\" }"), 60);
    setup.settings.response_budget = 64 << 10;
    assert!(setup.build().await.done().await.iter().all(|line| line.error() == "ok"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_stay_within_the_limit() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let held = gate.clone();
    let (most, now) = (std::sync::Arc::<AtomicUsize>::default(), std::sync::Arc::<AtomicUsize>::default());
    let (peak, current) = (most.clone(), now.clone());
    let app = axum::Router::new().fallback(move || {
        let (held, peak, current) = (held.clone(), peak.clone(), current.clone());
        async move {
            peak.fetch_max(current.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            held.acquire().await.unwrap().forget();
            current.fetch_sub(1, Ordering::SeqCst);
            "done"
        }
    });
    let server = HttpServer::router(app);
    let url = server.url("/");
    let world = Setup::numbered(&job(&url, ""), 200).build().await;
    let release = async {
        // All sixteen requests arrive before the first response; no more arrive until there is one.
        while now.load(Ordering::SeqCst) < 16 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(200);
    };
    let (lines, ()) = tokio::join!(world.done(), release);
    assert_eq!((lines.len(), most.load(Ordering::SeqCst)), (200, 16));
}

#[tokio::test]
async fn url_credentials_become_a_header() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let job = JobFile::get("{{ line }}").to_string();
    let world = Setup::lines(&job, &[&format!("http://me:p%40ss@{}/x", server.address())]).build().await;
    world.done().await;
    assert_eq!(server.requests()[0].header("authorization"), Some("Basic bWU6cEBzcw=="));
    assert_eq!(server.requests()[0].uri, "/x");
}
