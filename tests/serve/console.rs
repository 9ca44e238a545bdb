//! The console's port from outside: who gets in, and what is refused.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use crate::server::Server;

const PASS: &str = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}"#;

/// A browser without its own judgement: it keeps no cookies and follows no redirects.
struct Browser {
    http: reqwest::Client,
    origin: String,
    cookie: String,
}

impl Browser {
    /// Is not signed in.
    fn at(server: &Server) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let origin = server.link.split("/sign-in").next().unwrap().to_owned();
        Self { http, origin, cookie: String::new() }
    }

    async fn signed_in(server: &Server) -> Self {
        let browser = Self::at(server);
        let response = browser.http.get(&server.link).send().await.unwrap();
        assert_eq!(response.status(), 303);
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { cookie, ..browser }
    }

    async fn get(&self, path: &str, headers: &[(&'static str, &str)]) -> (u16, String) {
        let request = self.http.get(format!("{}{path}", self.origin)).header("cookie", &self.cookie);
        let response = request.headers(map(headers)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn post(&self, path: &str, form: &str, headers: &[(&'static str, &str)]) -> u16 {
        let request = self.http.post(format!("{}{path}", self.origin)).header("cookie", &self.cookie);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.headers(map(headers)).body(form.to_owned()).send().await.unwrap().status().as_u16()
    }
}

fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    headers.iter().map(pair).collect()
}

#[tokio::test]
async fn a_link_signs_in_once_and_the_session_survives_a_kill() {
    let server = Server::start();
    let browser = Browser::signed_in(&server).await;
    let again = Browser::at(&server).http.get(&server.link).send().await.unwrap();
    assert_eq!(again.status(), 403, "the link was used");
    assert!(browser.get("/api/v1/", &[]).await.1.contains("\"role\":\"admin\""));
    let printed = server.scene.run(&["serve", "link"]).expect(0).stdout;
    let path = printed.trim().split_once(":4651").unwrap().1.to_owned();
    let second = browser.http.get(format!("{}{path}", browser.origin)).send().await.unwrap();
    assert_eq!(second.status(), 303, "{printed}");
    let server = server.killed_and_started_again();
    // The cookie has the port in its name; a server of the next start has another one in this test only.
    let next = Browser::at(&server);
    let port = |origin: &str| origin.rsplit_once(':').unwrap().1.to_owned();
    let cookie = browser.cookie.replacen(&port(&browser.origin), &port(&next.origin), 1);
    let browser = Browser { cookie, ..next };
    assert_eq!(browser.get("/api/v1/", &[]).await.0, 200);
    assert_eq!(browser.get(&path, &[]).await.0, 403, "the link was used before the kill");
    assert_eq!(browser.post("/sign-out", "", &[("origin", &browser.origin)]).await, 303);
    assert_eq!(browser.get("/api/v1/", &[]).await.0, 401, "the session has ended");
}

#[tokio::test]
async fn keys_sign_in_by_form_and_header_and_workers_do_not() {
    let server = Server::start();
    let path = ".throughline/.serve/keys.toml";
    let worker = "\n[[key]]\nid = \"WORK\"\nsecret = \"0123456789abcdef0123\"\nrole = \"worker\"\n";
    server.scene.write(path, server.scene.read(path) + worker);
    let server = server.ended_and_started_again();
    let browser = Browser::at(&server);
    let (id, secret) = (server.client.id.clone(), server.client.secret.clone());
    let own = [("origin", browser.origin.as_str())];
    let sign_in = |id: &str, secret: &str| format!("id={id}&secret={secret}&next=%2F");
    assert_eq!(browser.post("/sign-in", &sign_in(&id, &secret), &own).await, 303);
    assert_eq!(browser.post("/sign-in", &sign_in(&id, "wrong-wrong-wrong"), &own).await, 403);
    assert_eq!(browser.post("/sign-in", &sign_in("WORK", "0123456789abcdef0123"), &own).await, 403);
    let bearer = |id: &str, secret: &str| format!("Bearer {id}:{secret}");
    assert_eq!(browser.get("/api/v1/", &[("authorization", &bearer(&id, &secret))]).await.0, 200);
    for wrong in [bearer(&id, "x"), bearer("NOBODY", &secret), bearer("WORK", "0123456789abcdef0123")] {
        assert_eq!(browser.get("/api/v1/", &[("authorization", &wrong)]).await.0, 401, "{wrong}");
    }
    let led = browser.http.get(format!("{}/metrics?a=b", browser.origin)).header("accept", "text/html");
    let led = led.send().await.unwrap();
    assert_eq!(
        (led.status().as_u16(), &led.headers()["location"]),
        (303, &HeaderValue::from_static("/sign-in?next=%2Fmetrics%3Fa%3Db"))
    );
}

#[tokio::test]
async fn requests_of_other_sites_are_refused() {
    let server = Server::start();
    let browser = Browser::signed_in(&server).await;
    let origin = browser.origin.clone();
    assert_eq!(browser.get("/api/v1/", &[("host", "evil.example")]).await.0, 421);
    assert_eq!(browser.get("/healthz", &[("host", "evil.example:4651")]).await.0, 421);
    let api = format!("http://{}", server.client.address);
    for forged in [
        vec![],
        vec![("origin", "http://evil.example")],
        vec![("origin", "null")],
        // A page of the other port of this server has the cookie.
        vec![("origin", api.as_str())],
        vec![("origin", origin.as_str()), ("sec-fetch-site", "same-site")],
    ] {
        assert_eq!(browser.post("/sign-out", "", &forged).await, 403, "{forged:?}");
    }
    let scripted = [("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")];
    assert_eq!(browser.get("/api/v1/", &scripted).await.0, 403);
    assert_eq!(browser.get("/api/v1/", &[]).await.0, 200, "the session is still there");
    let forged = Browser { cookie: browser.cookie.clone() + "0", ..Browser::at(&server) };
    assert_eq!(forged.get("/api/v1/", &[]).await.0, 401);
    let response = browser.http.get(format!("{origin}/sign-in")).send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn health_needs_no_key_and_metrics_count_what_happened() {
    let server = Server::start();
    let browser = Browser::signed_in(&server).await;
    let nobody = Browser::at(&server);
    assert_eq!(nobody.get("/healthz", &[]).await, (200, "ok\n".to_owned()));
    assert_eq!(nobody.get("/metrics", &[]).await.0, 401);
    let machine = server.machine("m", serde_json::from_str(PASS).unwrap()).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": machine})).await;
    server.ended(started["executionArn"].as_str().unwrap()).await;
    let (_, text) = browser.get("/metrics", &[]).await;
    for line in [
        "throughline_starts_total{machine=\"m\"} 1",
        "throughline_ends_total{machine=\"m\",status=\"SUCCEEDED\"} 1",
        "throughline_api_requests_total{operation=\"StartExecution\",error=\"\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}
