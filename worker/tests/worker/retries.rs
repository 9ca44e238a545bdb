//! What is sent again, and how often.
use job::LineId;
use job::wire::{Origin, Origins};
use testing::{HttpServer, JobFile, Raw, closed_port, response, response_with};

use crate::world::{Setup, codes};

fn job(method: &str, url: &str, more: &str) -> String {
    let body = if method == "GET" { "" } else { "body = \"x\"" };
    JobFile::with_method(method, url)
        .request(body)
        .request("timeout = \"500ms\"")
        .request(more)
        .tables("[retry]\nattempts = 3")
        .unlimited("default")
        .to_string()
}

/// Requests that arrive when every response has this status.
async fn requests(method: &str, more: &str, status: u16, headers: &'static [(&str, &str)]) -> usize {
    let server = HttpServer::start(move |_, _| response_with(status, headers, ""));
    let world = Setup::numbered(&job(method, &server.url("/"), more), 1).build().await;
    let lines = world.done().await;
    assert_eq!(codes(&lines), [format!("http_{status}")]);
    assert_eq!(lines[0].tries as usize, server.count());
    server.count()
}

#[tokio::test]
async fn retries_depend_on_status_and_method() {
    for status in [408, 425, 500, 502, 503, 504, 599] {
        assert_eq!(requests("GET", "", status, &[]).await, 3, "{status}");
        assert_eq!(requests("PUT", "", status, &[]).await, 3, "{status}");
        assert_eq!(requests("DELETE", "", status, &[]).await, 3, "{status}");
        assert_eq!(requests("POST", "", status, &[]).await, 1, "{status}");
        assert_eq!(requests("PATCH", "", status, &[]).await, 1, "{status}");
        assert_eq!(requests("POST", "idempotent = true", status, &[]).await, 3, "{status}");
    }
    for status in [400, 401, 403, 404, 409, 422] {
        assert_eq!(requests("GET", "", status, &[]).await, 1, "{status}");
    }
}

#[tokio::test]
async fn throttles_are_not_counted_as_failures() {
    let server = HttpServer::start(|n, _| {
        if n < 4 { response_with(503, &[("retry-after", "0")], "") } else { response(200, "") }
    });
    for method in ["GET", "POST"] {
        let world = Setup::numbered(&job(method, &server.url("/"), ""), 1).build().await;
        assert_eq!(codes(&world.done().await), ["ok"]);
    }
    assert_eq!(server.count(), 6);
}

#[tokio::test]
async fn connection_faults_are_retried_by_method() {
    for (what, get, post) in [(Raw::Reset, 3, 1), (Raw::Stall(b"HTTP".to_vec()), 3, 1)] {
        let server = HttpServer::raw(what.clone());
        let address = server.address();
        for (method, tries) in [("GET", get), ("POST", post)] {
            let world = Setup::numbered(&job(method, &format!("http://{address}/"), ""), 1).build().await;
            assert_eq!(world.done().await[0].tries, tries, "{what:?} {method}");
        }
    }
    let address = closed_port();
    let world = Setup::numbered(&job("POST", &format!("http://{address}/"), ""), 1).build().await;
    assert_eq!(world.done().await[0].tries, 3, "refused: nothing can have happened");
}

#[tokio::test]
async fn transient_failure_is_retried() {
    let server = HttpServer::start(|n, _| response(if n % 2 == 0 { 502 } else { 200 }, ""));
    let world = Setup::numbered(&job("GET", &server.url("/"), ""), 3).build().await;
    assert!(codes(&world.done().await).iter().all(|code| *code == "ok" || *code == "http_502"));
}

#[tokio::test]
async fn idempotency_key_stays_the_same() {
    let server = HttpServer::start(|n, _| response(if n == 0 { 500 } else { 200 }, ""));
    let world = Setup::numbered(&job("POST", &server.url("/"), "idempotent = true"), 1).build().await;
    world.done().await;
    let seen = server.requests();
    assert_eq!(seen[0].header("idempotency-key").unwrap().len(), 32);
    assert_eq!(seen[0].header("idempotency-key"), seen[1].header("idempotency-key"));
}

#[tokio::test]
async fn a_line_that_an_earlier_run_may_have_sent_carries_the_key_that_it_had_there() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let url = format!("{}{{{{ line }}}}", server.url("/"));
    let world = Setup::numbered(&job("POST", &url, "idempotent = true"), 2).build().await;
    let origin = Origin { n: LineId::nth(2), run: "earlier".to_owned(), line: LineId::nth(7) };
    let origins = Origins { format: job::run::FORMAT, lines: vec![origin] };
    let key = world.request.run.keys().origins("lane", LineId::nth(1));
    world.objects.put(&key, serde_json::to_vec(&origins).unwrap()).await.unwrap();
    assert_eq!(codes(&world.done().await), ["ok", "ok"]);
    let parsed = job::Job::parse(&job("POST", &url, "idempotent = true"), "job.toml").unwrap();
    for (path, run, line) in [("/1", "r", 1), ("/2", "earlier", 7)] {
        let seen = server.requests().into_iter().find(|seen| seen.path() == path).unwrap();
        let expected = worker::request::idempotency_key(&parsed, [(run, LineId::nth(line))]);
        assert_eq!(seen.header("idempotency-key"), expected.as_deref(), "{path}");
    }
}
