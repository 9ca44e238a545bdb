//! The console's port from outside: who gets in, and what is refused.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use crate::server::Server;

const PASS: &str = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}"#;

/// A text that ends up in every page, and that runs if a page does not escape it.
pub(crate) const PLANTED: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";

/// A browser without its own judgement: it keeps no cookies and follows no redirects.
pub(crate) struct Browser {
    pub(crate) http: reqwest::Client,
    pub(crate) origin: String,
    pub(crate) cookie: String,
}

impl Browser {
    /// Is not signed in.
    fn at(server: &Server) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let origin = server.link.split("/sign-in").next().unwrap().to_owned();
        Self { http, origin, cookie: String::new() }
    }

    pub(crate) async fn signed_in(server: &Server) -> Self {
        let browser = Self::at(server);
        let response = browser.http.get(&server.link).send().await.unwrap();
        assert_eq!(response.status(), 303);
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { cookie, ..browser }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&'static str, &str)]) -> (u16, String) {
        let request = self.http.get(format!("{}{path}", self.origin)).header("cookie", &self.cookie);
        let response = request.headers(map(headers)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Signs in with a key by the form.
    pub(crate) async fn signed_in_with(server: &Server, id: &str, secret: &str) -> Self {
        let browser = Self::at(server);
        let form = format!("id={id}&secret={secret}&next=%2F");
        let response = browser.send("/sign-in", &form, &[("origin", &browser.origin)]).await;
        let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Self { cookie, ..browser }
    }

    pub(crate) async fn post(&self, path: &str, form: &str, headers: &[(&'static str, &str)]) -> u16 {
        self.send(path, form, headers).await.status().as_u16()
    }

    /// Posts a form that a page answers.
    pub(crate) async fn post_for_page(
        &self,
        path: &str,
        form: &str,
        headers: &[(&'static str, &str)],
    ) -> (u16, String) {
        let response = self.send(path, form, headers).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn send(&self, path: &str, form: &str, headers: &[(&'static str, &str)]) -> reqwest::Response {
        let request = self.http.post(format!("{}{path}", self.origin)).header("cookie", &self.cookie);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.headers(map(headers)).body(form.to_owned()).send().await.unwrap()
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
    assert!(browser.get("/api/v1/key", &[]).await.1.contains("\"role\":\"admin\""));
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
    assert_eq!(browser.get("/api/v1/key", &[]).await.0, 200);
    assert_eq!(browser.get(&path, &[]).await.0, 403, "the link was used before the kill");
    assert_eq!(browser.post("/sign-out", "", &[("origin", &browser.origin)]).await, 303);
    assert_eq!(browser.get("/api/v1/key", &[]).await.0, 401, "the session has ended");
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
    assert_eq!(browser.get("/api/v1/key", &[("authorization", &bearer(&id, &secret))]).await.0, 200);
    for wrong in [bearer(&id, "x"), bearer("NOBODY", &secret), bearer("WORK", "0123456789abcdef0123")] {
        assert_eq!(browser.get("/api/v1/key", &[("authorization", &wrong)]).await.0, 401, "{wrong}");
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
    assert_eq!(browser.get("/api/v1/key", &[("host", "evil.example")]).await.0, 421);
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
    assert_eq!(browser.get("/api/v1/key", &scripted).await.0, 403);
    assert_eq!(browser.get("/api/v1/key", &[]).await.0, 200, "the session is still there");
    let forged = Browser { cookie: browser.cookie.clone() + "0", ..Browser::at(&server) };
    assert_eq!(forged.get("/api/v1/key", &[]).await.0, 401);
    let response = browser.http.get(format!("{origin}/sign-in")).send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}

/// The paths that a page links to.
pub(crate) fn links(page: &str) -> Vec<String> {
    let found = page.split("href=\"/").skip(1).filter_map(|rest| rest.split('"').next());
    found.map(|path| format!("/{}", path.replace("&#38;", "&").replace("&amp;", "&"))).collect()
}

#[tokio::test]
async fn every_page_escapes_what_users_wrote_and_links_to_pages() {
    let server = Server::start();
    let browser = Browser::signed_in(&server).await;
    let activity = server.ok("CreateActivity", json!({"name": "approve"})).await["activityArn"].clone();
    let planted =
        json!({PLANTED: PLANTED, "approval": {"title": PLANTED, "text": PLANTED, "choices": [PLANTED]}});
    // The names of states, comments, inputs, errors and causes are free text.
    let failing = server
        .machine(
            "fails",
            json!({"StartAt": PLANTED, "States": {PLANTED: {
            "Type": "Fail", "Comment": PLANTED, "Error": PLANTED, "Cause": PLANTED}}}),
        )
        .await;
    let waiting = server
        .machine(
            "waits",
            json!({"StartAt": PLANTED, "States": {PLANTED: {
            "Type": "Task", "Resource": activity, "Comment": PLANTED, "End": true}}}),
        )
        .await;
    let start = async |machine: &str, name: &str| {
        let input = json!({"stateMachineArn": machine, "name": name, "input": planted.to_string()});
        server.ok("StartExecution", input).await["executionArn"].as_str().unwrap().to_owned()
    };
    let failed = start(&failing, "f").await;
    start(&waiting, "ä(w)").await;
    server.ended(&failed).await;
    let begun = std::time::Instant::now();
    while !browser.get("/api/v1/inbox", &[]).await.1.contains("approval") {
        assert!(begun.elapsed() < testing::DEADLINE, "the task is never in the inbox");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut paths = vec!["/".to_owned()];
    let mut seen = 0;
    while seen < paths.len() {
        let path = paths[seen].clone();
        seen += 1;
        let (status, page) = browser.get(&path, &[]).await;
        assert_eq!(status, 200, "{path}: {page}");
        assert!(!page.contains("<script>") && !page.contains("<img"), "{path}: {page}");
        if path.starts_with("/assets/") {
            continue;
        }
        assert_eq!(page.matches("<h1>").count(), 1, "{path}");
        for landmark in ["<html lang=\"en\">", "<header>", "<nav aria-label", "<main "] {
            assert!(page.contains(landmark), "{path}: {landmark}");
        }
        assert!(
            !page.contains("style=") && !page.contains("<style"),
            "{path}: the policy forbids inline style"
        );
        for link in links(&page) {
            let link = link.split('#').next().unwrap().to_owned();
            if !paths.contains(&link) {
                paths.push(link);
            }
        }
    }
    for expected in ["/machines/waits", "/executions/fails/f", "/executions/waits/%C3%A4%28w%29", "/audit"] {
        assert!(paths.iter().any(|path| path == expected), "{expected}: {paths:?}");
    }
    assert!(paths.iter().any(|path| path.starts_with("/inbox/")), "{paths:?}");
    for missing in ["/machines/none", "/executions/fails/none", "/inbox/none", "/none"] {
        assert_eq!(browser.get(missing, &[]).await.0, 404, "{missing}");
    }
}

#[tokio::test]
async fn forms_start_decide_stop_and_redrive_and_all_is_recorded() {
    let server = Server::start();
    let browser = Browser::signed_in(&server).await;
    let own = [("origin", browser.origin.as_str())];
    let activity = server.ok("CreateActivity", json!({"name": "approve"})).await["activityArn"].clone();
    let definition = json!({"StartAt": "Approve", "States": {"Approve": {
        "Type": "Task", "Resource": activity, "End": true}}});
    server.machine("m", definition).await;
    let input =
        "input=%7B%22approval%22%3A%7B%22title%22%3A%22Invoice+7%22%2C%22choices%22%3A%5B%22yes%22%5D%7D%7D";
    let arn = |name: &str| format!("arn:aws:states:us-east-1:000000000000:execution:m:{name}");
    let task = async || {
        let begun = std::time::Instant::now();
        loop {
            let page = browser.get("/inbox", &[]).await.1;
            if let Some(path) = links(&page).into_iter().find(|path| path.starts_with("/inbox/")) {
                return path;
            }
            assert!(begun.elapsed() < testing::DEADLINE, "never seen: {page}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    for name in ["approved", "rejected", "stopped"] {
        assert_eq!(browser.post("/machines/m/executions", &format!("{input}&name={name}"), &own).await, 303);
        let path = task().await;
        assert!(browser.get(&path, &[]).await.1.contains("Invoice 7"));
        let status = match name {
            "approved" => browser.post(&path, "choice=yes&comment=fine", &own).await,
            "rejected" => browser.post(&path, "comment=too+much&fail=1", &own).await,
            _ => browser.post("/executions/m/stopped/stop", "", &own).await,
        };
        assert_eq!(status, 303, "{name}");
        let ended = server.ended(&arn(name)).await;
        assert_eq!(browser.get(&path, &[]).await.0, 404, "{name}: it does not wait any more");
        match name {
            "approved" => {
                let output: serde_json::Value =
                    serde_json::from_str(ended["output"].as_str().unwrap()).unwrap();
                assert_eq!(output["choice"], "yes");
                assert_eq!(output["by"], server.client.id.as_str());
            }
            "rejected" => assert_eq!(
                (ended["error"].as_str(), ended["cause"].as_str()),
                (Some("Rejected"), Some("too much"))
            ),
            _ => assert_eq!(ended["status"], "ABORTED"),
        }
    }
    let answered = browser.get("/inbox", &[]).await.1;
    assert!(answered.contains("fine") && answered.contains("Rejected: too much"), "{answered}");
    assert_eq!(browser.post("/executions/m/rejected/redrive", "", &own).await, 303);
    let path = task().await;
    assert_eq!(browser.post(&path, "output=no+JSON", &own).await, 400);
    assert_eq!(browser.post(&path, "output=7", &own).await, 303);
    assert_eq!(server.ended(&arn("rejected")).await["output"], "7");
    let audit = browser.get("/audit", &[]).await.1;
    for operation in [
        "CreateActivity",
        "CreateStateMachine",
        "StartExecution",
        "SendTaskSuccess",
        "SendTaskFailure",
        "StopExecution",
        "RedriveExecution",
    ] {
        assert!(audit.contains(operation), "{operation}: {audit}");
    }
    assert_eq!(browser.post("/machines/none/executions", "input=%7B%7D&name=", &own).await, 404);
}

#[tokio::test]
async fn a_page_receives_what_changes() {
    let server = Server::start();
    let browser = Browser::signed_in(&server).await;
    let request = browser.http.get(format!("{}/live?page=%2Fmachines", browser.origin));
    let mut stream = request.header("cookie", &browser.cookie).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut until = async |text: &str| {
        let mut received = String::new();
        while !received.contains(text) {
            let chunk = tokio::time::timeout(testing::DEADLINE, stream.chunk()).await;
            received += &String::from_utf8_lossy(&chunk.expect(text).unwrap().expect(text));
        }
    };
    until("/machines/throughline").await;
    server.machine("appears", serde_json::from_str(PASS).unwrap()).await;
    until("appears").await;
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
