//! Redirects are followed by hand: paced, guarded, and without secrets to others.

use serde_json::json;

use crate::server::{Server, answer, with};
use crate::world::{Setup, codes};

fn job(url: &str, more: &str) -> String {
    format!(
        "[request]\nurl = \"{url}/{{{{ line }}}}\"\nallow = [\"127.0.0.1\"]\n{more}\n[limits.default]\nrate = \"unlimited\""
    )
}

#[tokio::test]
async fn redirects_are_followed_up_to_five() {
    let server = Server::start(|_, seen| match seen.uri.as_str() {
        "/a" => with(301, &[("location", "/b")], ""),
        "/b" => with(307, &[("location", "c?x=1")], ""),
        "/loop" => with(302, &[("location", "/loop")], ""),
        "/bad" => with(302, &[("location", "gopher://x/")], ""),
        "/nowhere" => with(302, &[], "no location"),
        other => answer(200, other),
    })
    .await;
    let world = Setup::lines(&job(&server.url(""), ""), &["a", "loop", "bad", "nowhere"]).build().await;
    let lines = world.done().await;
    assert_eq!(codes(&lines), ["ok", "redirect_loop", "url", "http_302"]);
    assert_eq!((&lines[0].values[0], lines[0].tries), (&json!("/c?x=1"), 1), "hops are no tries");
    assert_eq!(server.seen().iter().filter(|seen| seen.uri == "/loop").count(), 6);
}

#[tokio::test]
async fn redirect_to_a_private_address_is_denied() {
    let inside = Server::start(|_, _| answer(200, "metadata")).await;
    let port = inside.address.port();
    let hosts = ["[::1]", "[::ffff:127.0.0.2]", "2130706434", "169.254.169.254"];
    let server = Server::start(move |_, seen| {
        let host = hosts[seen.uri[1..].parse::<usize>().unwrap() - 1];
        with(302, &[("location", &format!("http://{host}:{port}/"))], "")
    })
    .await;
    let world = Setup::numbered(&job(&server.url(""), ""), 4).build().await;
    assert_eq!(codes(&world.done().await), ["address_denied"; 4]);
    assert_eq!(inside.count(), 0);
}

#[tokio::test]
async fn secrets_are_not_redirected_to_another_origin() {
    let other = Server::start(|_, _| answer(200, "")).await;
    let target = other.url("/");
    let server = Server::start(move |_, seen| {
        let location = if seen.uri == "/other" { target.clone() } else { "/stay".to_owned() };
        if seen.uri == "/stay" { answer(200, "") } else { with(307, &[("location", &location)], "") }
    })
    .await;
    let with_secret = job(&server.url(""), "headers = { authorization = \"Bearer {{ secret.KEY }}\" }");
    let lines = Setup::lines(&with_secret, &["other", "same"]).build().await.done().await;
    assert_eq!(codes(&lines), ["redirect_with_secret", "ok"]);
    assert_eq!(other.count(), 0);
    assert!(server.seen().iter().all(|seen| seen.header("authorization").is_some()));

    let plain = job(&server.url(""), "headers = { authorization = \"Basic dXNlcg==\" }");
    assert_eq!(codes(&Setup::lines(&plain, &["other"]).build().await.done().await), ["ok"]);
    assert_eq!(other.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn redirected_post_becomes_a_get() {
    let server = Server::start(|n, seen| match (seen.uri.as_str(), n) {
        ("/1", _) => with(303, &[("location", "/result")], ""),
        (_, 1) => answer(503, "later"),
        _ => answer(200, &seen.method),
    })
    .await;
    let world = Setup::lines(&job(&server.url(""), "method = \"POST\"\nbody = \"x\""), &["1"]).build().await;
    let lines = world.done().await;
    assert_eq!((codes(&lines), &lines[0].values[0]), (vec!["ok"], &json!("GET")));
    let posts = server.seen().iter().filter(|seen| seen.method == "POST").count();
    assert_eq!((posts, server.count()), (1, 3), "only the GET is repeated");
}

#[tokio::test]
async fn cookies_of_redirects_are_kept_if_the_job_asks() {
    let other = Server::start(|_, seen| answer(200, seen.header("cookie").unwrap_or("none"))).await;
    // Another host, and not only another port: cookies do not tell ports apart.
    let elsewhere = format!("http://localhost:{}/", other.address.port());
    let server =
        Server::start(move |_, seen| match (seen.uri.as_str(), seen.header("cookie").unwrap_or_default()) {
            ("/away", _) => with(
                302,
                &[
                    ("location", &elsewhere),
                    ("set-cookie", "seen=1"),
                    ("set-cookie", "all=1; Domain=localhost"),
                ],
                "",
            ),
            (_, cookies) if cookies.contains("seen=yes; who=me") => answer(200, cookies),
            (uri, _) => {
                let more = [
                    ("location", uri),
                    ("set-cookie", "seen=yes; Path=/; HttpOnly"),
                    ("set-cookie", "who=me"),
                    ("set-cookie", "other=1; Path=/other"),
                    ("set-cookie", "foreign=1; Domain=b.example"),
                ];
                with(302, &more, "")
            }
        })
        .await;
    let wanted = "headers = { cookie = \"own=1\" }\ncookies = true";
    let job_with =
        |more: &str| job(&server.url(""), more).replace("\"127.0.0.1\"", "\"127.0.0.1\", \"localhost\"");
    let lines = Setup::lines(&job_with(wanted), &["wall", "wall", "away"]).build().await.done().await;
    assert_eq!(codes(&lines), ["ok"; 3], "{lines:?}");
    assert_eq!(lines[0].values, [json!("own=1; seen=yes; who=me")]);
    assert_eq!(lines[2].values, [json!("none")]);
    // Each line begins without.
    assert_eq!(server.seen().iter().filter(|seen| seen.header("cookie") == Some("own=1")).count(), 3);
    assert_eq!(codes(&Setup::lines(&job_with(""), &["wall"]).build().await.done().await), ["redirect_loop"]);
}
