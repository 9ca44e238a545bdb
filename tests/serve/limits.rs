//! How many runs of jobs go at a time, what they share of a provider, and lanes that are changed while they go.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testing::{Api, HttpServer, JobFile, Scene, response, response_with};

use crate::rest::{ended, json_of, send, start_job};
use crate::runs::ALLOW;
use crate::server::Server;

/// A server with settings, and with this job under each of the names.
async fn server(settings: &str, jobs: &[(&str, &JobFile)]) -> Server {
    let scene = Scene::new("", "in.csv", "");
    scene.write("serve.toml", format!("{ALLOW}{settings}"));
    let server = Server::in_folder(scene);
    for (name, job) in jobs {
        let put = send(&server, Method::PUT, &format!("/jobs/{name}"), &job.to_string(), None).await;
        assert_eq!(put.status(), StatusCode::NO_CONTENT);
    }
    server
}

/// Waits until a run is shown as it should be.
async fn until(server: &Server, run: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let shown = json_of(server, &format!("/runs/{run}")).await;
        if holds(&shown) {
            return shown;
        }
        assert!(begun.elapsed() < testing::DEADLINE, "never seen: {shown}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    tokio::task::block_in_place(|| testing::wait_until(what, holds));
}

async fn change(server: &Server, run: &str, lane: &str, body: &str) -> (StatusCode, Value) {
    let response = send(server, Method::PATCH, &format!("/runs/{run}/lanes/{lane}"), body, None).await;
    (response.status(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_runs_go_as_the_settings_say_and_no_job_waits_for_all_files_of_another() {
    let api = Api::start();
    let job = JobFile::get(api.url("/ok/{{ line }}"));
    let server = server("runs = 1\n", &[("busy", &job), ("rare", &job)]).await;
    api.respond_only(0);
    let mut runs = vec![start_job(&server, "busy", "a", "busy-1\n", None).await];
    wait_until("the first run sends", || api.count() == 1);
    for (job, line) in [("busy", "busy-2"), ("busy", "busy-3"), ("rare", "rare-1")] {
        runs.push(start_job(&server, job, line, &format!("{line}\n"), None).await);
    }
    for run in &runs[1..] {
        assert_eq!(json_of(&server, &format!("/runs/{run}")).await["status"], "queued");
    }
    let server = server.killed_and_started_again();
    wait_until("the first run goes on", || api.count() == 2);
    api.respond_all();
    for run in &runs {
        assert_eq!(ended(&server, run).await["status"], "succeeded");
    }
    let order: Vec<String> = api.requests().iter().map(|request| request.path().to_owned()).collect();
    assert_eq!(order, ["busy-1", "busy-1", "rare-1", "busy-2", "busy-3"].map(|line| format!("/ok/{line}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_divide_a_ceiling_and_do_not_take_turns_for_it() {
    let api = Api::start();
    let job = JobFile::get(api.url("/ok/{{ line }}"))
        .request("timeout = \"10m\"")
        .limit(api.host(), "rate = \"unlimited\"\nin_flight = 2");
    let ceiling = format!("[limits.\"{}\"]\nin_flight = 3\n", api.host());
    let server = server(&ceiling, &[("a", &job), ("b", &job)]).await;
    api.respond_only(0);
    let lines = |name: &str| (1..=8).map(|n| format!("{name}-{n}\n")).collect::<String>();
    let runs = [
        start_job(&server, "a", "in.txt", &lines("a"), None).await,
        start_job(&server, "b", "in.txt", &lines("b"), None).await,
    ];
    let of = |name: &str| api.requests().iter().filter(|request| request.path().contains(name)).count();
    wait_until("both jobs send", || of("/a-") >= 1 && of("/b-") >= 1 && api.count() == 3);
    // Each answer makes room for one request, so a fourth one under way would show. A job that has sent its last line
    // leaves room that the other may not use, so only the first answers are counted.
    for answered in 1..=5 {
        api.respond_more(1);
        wait_until("an answer makes room for a request", || api.count() == 3 + answered);
    }
    api.respond_all();
    for run in &runs {
        assert_eq!(ended(&server, run).await["status"], "succeeded");
    }
    assert_eq!((of("/a-"), of("/b-")), (8, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_asks_to_wait_gets_no_requests_of_other_jobs_either() {
    let api = HttpServer::start(|_, _| response_with(429, &[("retry-after", "600")], ""));
    let job = JobFile::get(api.url("/{{ line }}")).tables("[retry]\nmax_wait = \"1h\"");
    let server = server("", &[("a", &job), ("b", &job)]).await;
    let held = |shown: &Value| shown["live"]["lanes"][0]["held_until"].is_string();
    let first = start_job(&server, "a", "in.txt", "1\n", None).await;
    let first = until(&server, &first, held).await;
    assert_eq!(first["live"]["lanes"][0]["throttled"], 1, "{first}");
    let second = start_job(&server, "b", "in.txt", "2\n", None).await;
    let second = until(&server, &second, held).await;
    assert_eq!(second["live"]["lanes"][0]["requests"], 0, "{second}");
    assert_eq!(api.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_gets_another_rate_and_is_paused_while_it_goes_and_after_a_restart() {
    let api = HttpServer::start(|_, _| response(200, "{}"));
    let job = JobFile::get(api.url("/{{ line }}")).limit(api.host(), "rate = \"1/h\"");
    let server = server("", &[("places", &job)]).await;
    let body: String = (1..=300).map(|n| format!("{n}\n")).collect();
    let run = start_job(&server, "places", "in.txt", &body, None).await;
    let lane = |shown: &Value| shown["live"]["lanes"][0].clone();
    let shown =
        until(&server, &run, |shown| lane(shown)["allowed"].as_f64().is_some_and(|rate| rate > 0.0)).await;
    let name = lane(&shown)["name"].as_str().unwrap().to_owned();
    assert_eq!(
        json!([lane(&shown)["limit"], lane(&shown)["lines"], lane(&shown)["done"], shown["live"]["phase"]]),
        json!([api.host(), 300, 0, "sending"])
    );
    let (status, _) = change(&server, &run, &name, "{\"rate\": \"100/s\"}").await;
    assert_eq!(status, StatusCode::OK);
    let sent = |shown: &Value| lane(shown)["requests"].as_u64().is_some_and(|sent| sent > 10);
    until(&server, &run, sent).await;
    let (status, shown) = change(&server, &run, &api.host(), "{\"paused\": true}").await;
    assert_eq!((status, &lane(&shown)["rate"]), (StatusCode::OK, &json!("100/s")), "{shown}");
    let metrics = crate::rest::page(&server, "/metrics").await;
    let of_lane = format!("throughline_lane{{job=\"places\",lane=\"{name}\",kind=\"lines\"}} 300");
    assert!(metrics.lines().any(|line| line == of_lane), "{metrics}");
    let shown = until(&server, &run, |shown| lane(shown)["allowed"] == 0.0).await;
    assert!(lane(&shown)["latency_p50"].is_number() && lane(&shown)["achieved"].is_number(), "{shown}");

    let server = server.killed_and_started_again();
    let shown = until(&server, &run, |shown| lane(shown)["paused"] == true).await;
    assert_eq!(lane(&shown)["rate"], "100/s");
    let before = api.count();
    for (body, said) in [
        ("{\"rate\": \"fast\"}", "fast"),
        ("{}", "changes nothing"),
        ("{\"rte\": 1}", "rte"),
        ("", "of the form"),
    ] {
        let (status, error) = change(&server, &run, &name, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{error}");
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
    }
    let (status, _) = change(&server, &run, "other", "{\"paused\": true}").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(api.count(), before, "a paused lane sends nothing");
    let (status, _) = change(&server, &run, &name, "{\"paused\": false, \"rate\": \"unlimited\"}").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(ended(&server, &run).await["status"], "succeeded");
    let (status, _) = change(&server, &run, &name, "{\"paused\": true}").await;
    assert_eq!(status, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_run_can_be_stopped() {
    let api = HttpServer::start(|_, _| response(200, "{}"));
    let job = JobFile::get(api.url("/{{ line }}")).limit(api.host(), "rate = \"1/h\"");
    let server = server("", &[("places", &job)]).await;
    let run = start_job(&server, "places", "in.txt", "1\n2\n", None).await;
    until(&server, &run, |shown| shown["live"]["lanes"][0]["name"].is_string()).await;
    let (status, _) = change(&server, &run, &api.host(), "{\"paused\": true}").await;
    assert_eq!(status, StatusCode::OK);
    let stopped = send(&server, Method::POST, &format!("/runs/{run}/stop"), "", None).await;
    assert_eq!(stopped.status(), StatusCode::ACCEPTED);
    assert_eq!(ended(&server, &run).await["status"], "failed");
    assert_eq!(api.count(), 0);
}
