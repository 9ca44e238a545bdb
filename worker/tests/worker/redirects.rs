//! Redirects are followed by hand: paced, guarded, and without secrets to others.

use serde_json::json;
use testing::{HttpServer, JobFile, response, response_with};

use crate::world::{Setup, codes};

fn job(url: &str, more: &str) -> String {
    JobFile::get(format!("{url}/{{{{ line }}}}")).request(more).unlimited("default").to_string()
}

#[tokio::test]
async fn redirects_are_followed_up_to_five() {
    let server = HttpServer::start(|_, seen| match seen.uri.as_str() {
        "/a" => response_with(301, &[("location", "/b")], ""),
        "/b" => response_with(307, &[("location", "c?x=1")], ""),
        "/loop" => response_with(302, &[("location", "/loop")], ""),
        "/bad" => response_with(302, &[("location", "gopher://x/")], ""),
        "/nowhere" => response_with(302, &[], "no location"),
        other => response(200, other),
    });
    let world = Setup::lines(&job(&server.url(""), ""), &["a", "loop", "bad", "nowhere"]).build().await;
    let lines = world.done().await;
    assert_eq!(codes(&lines), ["ok", "redirect_loop", "url", "http_302"]);
    assert_eq!((&lines[0].values[0], lines[0].tries), (&json!("/c?x=1"), 1), "hops are not tries");
    assert_eq!(server.requests().iter().filter(|seen| seen.uri == "/loop").count(), 6);
}

#[tokio::test]
async fn redirect_to_a_private_address_is_denied() {
    let inside = HttpServer::start(|_, _| response(200, "metadata"));
    let port = inside.port();
    let hosts = ["[::1]", "[::ffff:127.0.0.2]", "2130706434", "169.254.169.254"];
    let server = HttpServer::start(move |_, seen| {
        let host = hosts[seen.uri[1..].parse::<usize>().unwrap() - 1];
        response_with(302, &[("location", &format!("http://{host}:{port}/"))], "")
    });
    let world = Setup::numbered(&job(&server.url(""), ""), 4).build().await;
    assert_eq!(codes(&world.done().await), ["address_denied"; 4]);
    assert_eq!(inside.count(), 0);
}

#[tokio::test]
async fn secrets_are_not_redirected_to_another_origin() {
    let other = HttpServer::start(|_, _| response(200, ""));
    let target = other.url("/");
    let server = HttpServer::start(move |_, seen| {
        let location = if seen.uri == "/other" { target.clone() } else { "/stay".to_owned() };
        if seen.uri == "/stay" {
            response(200, "")
        } else {
            response_with(307, &[("location", &location)], "")
        }
    });
    let with_secret = job(&server.url(""), "headers = { authorization = \"Bearer {{ secret.KEY }}\" }");
    let lines = Setup::lines(&with_secret, &["other", "same"]).build().await.done().await;
    assert_eq!(codes(&lines), ["redirect_with_secret", "ok"]);
    assert_eq!(other.count(), 0);
    assert!(server.requests().iter().all(|seen| seen.header("authorization").is_some()));

    let plain = job(&server.url(""), "headers = { authorization = \"Basic dXNlcg==\" }");
    assert_eq!(codes(&Setup::lines(&plain, &["other"]).build().await.done().await), ["ok"]);
    assert_eq!(other.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn redirected_post_becomes_a_get() {
    let server = HttpServer::start(|n, seen| match (seen.uri.as_str(), n) {
        ("/1", _) => response_with(303, &[("location", "/result")], ""),
        (_, 1) => response(503, "later"),
        _ => response(200, &seen.method),
    });
    let world = Setup::lines(&job(&server.url(""), "method = \"POST\"\nbody = \"x\""), &["1"]).build().await;
    let lines = world.done().await;
    assert_eq!((codes(&lines), &lines[0].values[0]), (vec!["ok"], &json!("GET")));
    let posts = server.requests().iter().filter(|seen| seen.method == "POST").count();
    assert_eq!((posts, server.count()), (1, 3), "only the GET is repeated");
}

#[tokio::test]
async fn cookies_of_redirects_are_kept_if_the_job_asks() {
    let other = HttpServer::start(|_, seen| response(200, seen.header("cookie").unwrap_or("none")));
    // Another host, not only another port, because cookies do not distinguish ports.
    let elsewhere = format!("http://localhost:{}/", other.port());
    let server = HttpServer::start(move |_, seen| {
        match (seen.uri.as_str(), seen.header("cookie").unwrap_or_default()) {
            ("/away", _) => response_with(
                302,
                &[
                    ("location", &elsewhere),
                    ("set-cookie", "seen=1"),
                    ("set-cookie", "all=1; Domain=localhost"),
                ],
                "",
            ),
            (_, cookies) if cookies.contains("seen=yes; who=me") => response(200, cookies),
            (uri, _) => {
                let more = [
                    ("location", uri),
                    ("set-cookie", "seen=yes; Path=/; HttpOnly"),
                    ("set-cookie", "who=me"),
                    ("set-cookie", "other=1; Path=/other"),
                    ("set-cookie", "foreign=1; Domain=b.example"),
                ];
                response_with(302, &more, "")
            }
        }
    });
    let wanted = "headers = { cookie = \"own=1\" }\ncookies = true";
    let job_with =
        |more: &str| job(&server.url(""), more).replace("\"127.0.0.1\"", "\"127.0.0.1\", \"localhost\"");
    let lines = Setup::lines(&job_with(wanted), &["wall", "wall", "away"]).build().await.done().await;
    assert_eq!(codes(&lines), ["ok"; 3], "{lines:?}");
    assert_eq!(lines[0].values, [json!("own=1; seen=yes; who=me")]);
    assert_eq!(lines[2].values, [json!("none")]);
    // Each line begins without cookies.
    assert_eq!(server.requests().iter().filter(|seen| seen.header("cookie") == Some("own=1")).count(), 3);
    assert_eq!(codes(&Setup::lines(&job_with(""), &["wall"]).build().await.done().await), ["redirect_loop"]);
}
