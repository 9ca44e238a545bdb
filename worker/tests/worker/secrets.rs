//! Secrets go only to allowed hosts, and are never written to the store.

use std::time::Duration;

use job::ErrorName;
use testing::{HttpServer, JobFile, response};

use crate::world::{SECRET, Setup, codes};

const LIMIT: &str = "[limits.default]\nrate = \"unlimited\"";

#[tokio::test]
async fn secrets_are_never_written_to_the_store() {
    // A server that returns everything it receives, in successes and in failures.
    let server = HttpServer::start(|_, seen| {
        let echo = format!("{} {:?} {}", seen.uri, seen.header("x-key"), seen.body);
        response(if seen.uri.contains("fail") { 400 } else { 200 }, &echo)
    });
    let job = JobFile::post(format!("{}?l={{{{ line }}}}&k={{{{ secret.KEY }}}}", server.url("/")))
        .request("idempotent = true")
        .request("headers = { x-key = \"{{ secret.KEY }}\" }")
        .request("body = '{\"k\": {{ secret.KEY }}}'")
        .column("body", "body")
        .column("url", "url")
        .output(LIMIT)
        .to_string();
    let world = Setup::lines(&job, &["ok", "fail"]).build().await;
    let lines = world.done().await;
    assert_eq!(codes(&lines), ["ok", "http_400"]);
    assert!(server.requests().iter().all(|seen| seen.header("x-key") == Some(SECRET)));
    assert!(lines[1].detail.contains("***"), "{}", lines[1].detail);
    let all = world.everything();
    for form in [SECRET, "s3cr3t"] {
        assert!(!all.contains(form), "{form} in {all}");
    }
}

#[tokio::test]
async fn secrets_are_read_again_after_a_401() {
    let server = HttpServer::start(|_, seen| {
        let valid = seen.header("x-key") == Some(SECRET);
        response(if valid { 200 } else { 401 }, seen.header("x-key").unwrap())
    });
    let job = JobFile::post(server.url("/{{ line }}"))
        .request("headers = { x-key = \"{{ secret.ROTATED }}\" }")
        .column("body", "body")
        .output("[limits.default]\nrate = \"unlimited\"\nin_flight = 1")
        .to_string();
    let mut setup = Setup::numbered(&job, 5);
    setup.settings.read_secrets_every = Duration::ZERO;
    let world = setup.build().await;
    let lines = world.done().await;
    assert_eq!(codes(&lines), ["http_401", "ok", "ok", "ok", "ok"]);
    // The new value is masked as the old one was.
    let all = world.everything();
    assert!(!all.contains(SECRET) && !all.contains("outdated-secret"), "{all}");
}

#[tokio::test]
async fn secrets_go_only_to_allowed_hosts() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let job = format!(
        "[request]\nurl = \"{{{{ line }}}}\"\nheaders = {{ x-key = \"{{{{ secret.KEY }}}}\" }}\nsecret_hosts = [\"127.0.0.1:{}\"]\nallow = [\"127.0.0.0/8\"]\n{LIMIT}",
        server.port()
    );
    let other = HttpServer::start(|_, _| response(200, ""));
    let lines = [server.url("/"), other.url("/"), format!("http://127.0.0.1:{}@127.0.0.2/", server.port())];
    let world = Setup::lines(&job, &lines.each_ref().map(String::as_str)).build().await;
    assert_eq!(codes(&world.done().await), ["ok", "secret_denied", "secret_denied"]);
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn secrets_require_https_unless_the_job_allows_http() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let url = format!("http://localhost:{}/", server.port());
    // Only the address is allowed, not the name.
    for (entry, expected) in [("localhost", "secret_denied"), (&url[..url.len() - 1], "ok")] {
        let job = format!(
            "[request]\nurl = \"{{{{ line }}}}\"\nheaders = {{ x-key = \"{{{{ secret.KEY }}}}\" }}\nsecret_hosts = [{entry:?}]\nallow = [\"127.0.0.1\"]\n{LIMIT}"
        );
        let lines = Setup::lines(&job, &[&url]).build().await.done().await;
        assert_eq!(codes(&lines), [expected], "{entry}: {}", lines[0].detail);
        assert!(expected == "ok" || lines[0].detail.contains(&format!("http://localhost:{}", server.port())));
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn missing_secret_fails_the_step() {
    let job = format!(
        "[request]\nurl = \"http://a.example/\"\nheaders = {{ x = \"{{{{ secret.MISSING }}}}\" }}\n{LIMIT}"
    );
    let world = Setup::numbered(&job, 1).build().await;
    let error = world.work().await.unwrap_err();
    assert_eq!(error.name, ErrorName::JobInvalid);
    assert!(error.message.contains("MISSING") && error.message.contains("not set"), "{error}");
    // The other batches of the lane send nothing, and the report can give the reason.
    let again = world.work().await.unwrap_err();
    assert!(matches!(again.name, ErrorName::JobInvalid | ErrorName::LaneStopped), "{again}");
    assert!(world.everything().contains("the secret MISSING is not set"), "{}", world.everything());
}

#[tokio::test]
async fn encoded_secrets_are_never_written_to_the_store() {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let forms = [
        STANDARD.encode(format!("user:{SECRET}")),
        URL_SAFE_NO_PAD.encode(format!("me:{SECRET}")),
        SECRET.replace('/', "\\/"),
        SECRET.replace('/', "%2f").replace(' ', "%20"),
        SECRET.replace('/', "&#x2F;"),
        SECRET.replace('p', "\\u0070"),
    ];
    let body = forms.join(" , ");
    let json = format!("{{\"a\": \"{body}\", \"{SECRET}\": 1}}");
    let server = HttpServer::start(move |_, seen| {
        response(
            if seen.uri.contains("fail") { 400 } else { 200 },
            if seen.uri.contains("fail") { &body } else { &json },
        )
    });
    let job = JobFile::get(format!("{}?l={{{{ line }}}}", server.url("/")))
        .request("headers = { x-key = \"{{ secret.KEY }}\" }")
        .column("a", "$.a")
        .column("whole", "$")
        .column("body", "body")
        .output(LIMIT)
        .to_string();
    let world = Setup::lines(&job, &["ok", "fail"]).build().await;
    let lines = world.done().await;
    assert_eq!(codes(&lines), ["ok", "http_400"]);
    assert_eq!(lines[1].detail, ["***"; 6].join(" , "));
    assert_eq!(lines[0].values[0], ["***"; 6].join(" , "));
    let all = world.everything();
    for form in forms.iter().map(String::as_str).chain(["s3cr3t"]) {
        assert!(!all.contains(form), "{form} in {all}");
    }
}
