//! OAuth2 tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use testing::{HttpServer, JobFile, Scene, column, response, response_with, wait_until};

use super::{SECRET, assert_hidden, run, with_secret};

/// An authorization server and its API. A token is valid for some requests or some time.
struct Provider {
    tokens: HttpServer,
    api: HttpServer,
}

#[derive(Clone, Copy)]
struct Valid {
    uses: usize,
    seconds: u64,
}

const FOR_EVER: Valid = Valid { uses: usize::MAX, seconds: 3600 };

impl Provider {
    fn start(valid: Valid) -> Self {
        let issued: Arc<Mutex<HashMap<String, (Instant, usize)>>> = Arc::default();
        let known = issued.clone();
        let tokens = HttpServer::start(move |n, _| {
            let token = format!("t0ken-number-{n}-of-the-server");
            known.lock().unwrap().insert(token.clone(), (Instant::now(), 0));
            let seconds = valid.seconds;
            response(
                200,
                &format!(r#"{{"access_token": "{token}", "token_type": "Bearer", "expires_in": {seconds}}}"#),
            )
        });
        let api = HttpServer::start(move |_, request| {
            let token = request.header("authorization").unwrap_or_default().trim_start_matches("Bearer ");
            let mut issued = issued.lock().unwrap();
            let Some((since, uses)) = issued.get_mut(token) else { return response(401, "no such token") };
            *uses += 1;
            let is_valid = *uses <= valid.uses && since.elapsed() <= Duration::from_secs(valid.seconds);
            if is_valid {
                response(200, &format!(r#"{{"said": "{token}"}}"#))
            } else {
                response(401, "the token has expired")
            }
        });
        Self { tokens, api }
    }

    fn job(&self, oauth2: &str) -> JobFile {
        JobFile::get(self.api.url("/{{ id }}")).column("said", "$.said").tables(format!(
            "[auth.oauth2]\ntoken_url = \"{}\"\nclient_id = \"me\"\n{oauth2}",
            self.tokens.url("/token")
        ))
    }
}

fn lines(count: usize) -> String {
    std::iter::once("id\n".to_owned()).chain((1..=count).map(|n| format!("{n}\n"))).collect()
}

const CLIENT: &str = "client_secret = \"{{ secret.KEY }}\"\nscope = \"read write\"";

#[test]
fn one_token_serves_all_requests_and_is_never_written() {
    let provider = Provider::start(FOR_EVER);
    let job = provider.job(CLIENT).limit(provider.api.host(), "rate = \"unlimited\"\nin_flight = 50");
    let scene = Scene::new(job, "in.csv", lines(300));
    let output = run(&scene, 0);
    assert_eq!((provider.tokens.count(), provider.api.count()), (1, 300));
    let asked = &provider.tokens.requests()[0];
    assert_eq!(asked.method, "POST");
    assert_eq!(asked.body, "grant_type=client_credentials&scope=read+write");
    // me:pl4nted%2Fs3cr3t%2Bvalue
    assert_eq!(asked.header("authorization"), Some("Basic bWU6cGw0bnRlZCUyRnMzY3IzdCUyQnZhbHVl"));
    assert!(column(&scene.read("out.csv"), "said").iter().all(|said| said == "***"));
    assert_hidden(&scene, &output, &[SECRET, "t0ken-number"]);
}

#[test]
fn check_fetches_no_token_and_says_where_one_comes_from() {
    let provider = Provider::start(FOR_EVER);
    let scene = Scene::new(provider.job(CLIENT), "in.csv", lines(3));
    let shown = scene.run_with(&["check", "job.toml", "in.csv"], with_secret).expect(0).stdout;
    assert!(shown.contains(&format!("auth     a token from http://{}", provider.tokens.host())), "{shown}");
    assert_eq!((provider.tokens.count(), provider.api.count()), (0, 0));
}

#[test]
fn a_token_is_renewed_before_it_expires() {
    let provider = Provider::start(Valid { uses: usize::MAX, seconds: 3 });
    let job = provider.job(CLIENT).limit(provider.api.host(), "rate = \"20/s\"");
    let scene = Scene::new(job, "in.csv", lines(120));
    run(&scene, 0);
    assert!(provider.tokens.count() >= 2, "{}", provider.tokens.count());
}

#[test]
fn a_refused_token_is_renewed_and_its_request_sent_once_more() {
    let provider = Provider::start(Valid { uses: 40, seconds: 3600 });
    let post = |id: &str| JobFile::post(provider.api.url(id)).request("body = '{\"id\": {{ id }}}'");
    let oauth2 = format!(
        "[auth.oauth2]\ntoken_url = \"{}\"\nclient_id = \"me\"\n{CLIENT}",
        provider.tokens.url("/token")
    );
    let job =
        post("/{{ id }}").limit(provider.api.host(), "rate = \"unlimited\"\nin_flight = 4").tables(oauth2);
    let scene = Scene::new(job, "in.csv", lines(100));
    run(&scene, 0);
    assert!(provider.tokens.count() >= 3, "{}", provider.tokens.count());
    let accepted: Vec<_> = provider.api.hits().into_values().collect();
    assert!(accepted.iter().all(|hits| *hits <= 2), "{accepted:?}");
}

#[test]
fn a_token_without_the_right_is_renewed_once_and_ends_the_lane() {
    let tokens = HttpServer::start(|n, _| {
        response(200, &format!(r#"{{"access_token": "abcdefgh{n}", "token_type": "bearer"}}"#))
    });
    let api = HttpServer::start(|_, _| response(401, "no right"));
    let provider = Provider { tokens, api };
    let job = provider.job(CLIENT).limit(provider.api.host(), "rate = \"unlimited\"\nin_flight = 4");
    let scene = Scene::new(job, "in.csv", lines(300));
    run(&scene, 3);
    assert_eq!(provider.tokens.count(), 2);
    let errors = column(&scene.read("out.csv"), "error");
    assert!(errors.iter().all(|error| error == "http_401" || error == "stopped"), "{errors:?}");
}

#[test]
fn a_refused_client_fails_before_the_first_request() {
    let tokens = HttpServer::start(|_, request| {
        let body = format!(
            r#"{{"error": "invalid_client", "error_description": "bad {}"}}"#,
            request.body.replace('"', "")
        );
        response(401, &body)
    });
    let provider = Provider { tokens, api: HttpServer::start(|_, _| response(200, "{}")) };
    let job = provider.job(&format!("{CLIENT}\nclient_in = \"body\""));
    let scene = Scene::new(job, "in.csv", lines(3));
    let output = scene.run_with(&["run", "job.toml", "in.csv", "-o", "out.csv"], with_secret);
    assert_ne!(output.code, 0);
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains("no OAuth2 token from http://127.0.0.1"), "{said}");
    assert!(said.contains("invalid_client"), "{said}");
    assert_eq!(
        provider.tokens.requests()[0].body,
        "grant_type=client_credentials&scope=read+write&client_id=me&client_secret=pl4nted%2Fs3cr3t%2Bvalue"
    );
    assert_eq!(provider.api.count(), 0);
    assert_hidden(&scene, &output, &[SECRET, "pl4nted%2Fs3cr3t%2Bvalue"]);
}

#[test]
fn a_server_of_tokens_that_is_busy_is_asked_again() {
    let tokens = HttpServer::start(|n, _| match n {
        0 => response_with(429, &[("retry-after", "0")], ""),
        1 => response(503, "busy"),
        _ => response(200, r#"{"access_token": "abcdefgh", "token_type": "Bearer", "expires_in": "3600"}"#),
    });
    let provider = Provider { tokens, api: HttpServer::start(|_, _| response(200, "{}")) };
    let scene = Scene::new(provider.job(CLIENT).unlimited(provider.api.host()), "in.csv", lines(3));
    run(&scene, 0);
    assert_eq!((provider.tokens.count(), provider.api.count()), (3, 3));
}

#[test]
fn a_refresh_token_is_exchanged_and_its_successor_used_next() {
    let tokens = HttpServer::start(|n, _| {
        response(
            200,
            &format!(r#"{{"access_token": "access-{n}", "refresh_token": "refresh-{n}", "expires_in": 2}}"#),
        )
    });
    let provider = Provider { tokens, api: HttpServer::start(|_, _| response(200, "{}")) };
    let job =
        provider.job("refresh_token = \"{{ secret.KEY }}\"").limit(provider.api.host(), "rate = \"10/s\"");
    let scene = Scene::new(job, "in.csv", lines(40));
    let output = run(&scene, 0);
    let bodies: Vec<_> = provider.tokens.requests().into_iter().map(|request| request.body).collect();
    let grant = |token: &str| format!("grant_type=refresh_token&refresh_token={token}&client_id=me");
    assert_eq!(bodies[..2], [grant("pl4nted%2Fs3cr3t%2Bvalue"), grant("refresh-0")]);
    assert_hidden(&scene, &output, &[SECRET, "access-0", "refresh-0"]);
}

#[test]
fn an_interrupted_run_goes_on_with_a_new_token() {
    let provider = Provider::start(FOR_EVER);
    let job = provider.job(CLIENT).limit(provider.api.host(), "rate = \"20/s\"");
    let scene = Scene::new(job, "in.csv", lines(60));
    let args = ["run", "job.toml", "in.csv", "-o", "out.csv"];
    let running = scene.start_with(&args, with_secret);
    wait_until("some lines are sent", || provider.api.count() >= 10);
    running.kill();
    run(&scene, 0);
    assert_eq!(provider.tokens.count(), 2);
    let hits = provider.api.hits();
    assert_eq!(hits.len(), 60);
}
