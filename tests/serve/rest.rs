//! Runs of jobs over the REST API.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testing::{Api, JobFile, Scene};

use crate::runs::ALLOW;
use crate::server::Server;

/// Sends a request with the first key of the server.
pub(crate) async fn send(
    server: &Server,
    method: Method,
    path: &str,
    body: &str,
    key: Option<&str>,
) -> reqwest::Response {
    let origin = server.link.split("/sign-in").next().unwrap();
    let request = reqwest::Client::new().request(method, format!("{origin}/api/v1{path}"));
    let request =
        request.header("authorization", format!("Bearer {}:{}", server.client.id, server.client.secret));
    let request = match key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    };
    request.body(body.to_owned()).send().await.unwrap()
}

pub(crate) async fn json_of(server: &Server, path: &str) -> Value {
    serde_json::from_str(&send(server, Method::GET, path, "", None).await.text().await.unwrap()).unwrap()
}

/// A page of the console.
pub(crate) async fn page(server: &Server, path: &str) -> String {
    let origin = server.link.split("/sign-in").next().unwrap();
    let request = reqwest::Client::new().get(format!("{origin}{path}"));
    let key = format!("Bearer {}:{}", server.client.id, server.client.secret);
    request.header("authorization", key).send().await.unwrap().text().await.unwrap()
}

/// Starts a run, and returns its id.
async fn start(server: &Server, file: &str, body: &str, key: Option<&str>) -> String {
    start_job(server, "places", file, body, key).await
}

/// Starts a run of a job, and returns its id.
pub(crate) async fn start_job(
    server: &Server,
    job: &str,
    file: &str,
    body: &str,
    key: Option<&str>,
) -> String {
    let response = send(server, Method::POST, &format!("/jobs/{job}/runs?file={file}"), body, key).await;
    let status = response.status();
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    let shown: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(status, StatusCode::ACCEPTED, "{shown}");
    let run = shown["run"].as_str().unwrap().to_owned();
    assert_eq!(location.unwrap(), format!("/api/v1/runs/{run}"));
    run
}

/// Waits until a run has ended.
pub(crate) async fn ended(server: &Server, run: &str) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let shown = json_of(server, &format!("/runs/{run}")).await;
        if !matches!(shown["status"].as_str(), Some("queued" | "running")) {
            return shown;
        }
        assert!(begun.elapsed() < testing::DEADLINE, "never ended: {shown}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn server(job: &JobFile) -> Server {
    let scene = Scene::new("", "in.csv", "");
    scene.write("serve.toml", ALLOW);
    let server = Server::in_folder(scene);
    let put = send(&server, Method::PUT, "/jobs/places", &job.to_string(), None).await;
    assert_eq!(put.status(), StatusCode::NO_CONTENT);
    server
}

#[tokio::test]
async fn a_body_is_a_run_once_for_each_idempotency_key_and_its_outputs_are_fetched() {
    let api = Api::start();
    let job = JobFile::get(api.url("/flaky/{{ line }}")).unlimited(api.host()).column("twice", "$.twice");
    let server = server(&job).await;
    api.set_broken(true);
    let run = start(&server, "in.txt", "1\n2\n", Some("first")).await;
    let shown = ended(&server, &run).await;
    assert_eq!(
        json!([shown["job"], shown["file"], shown["status"]]),
        json!(["places", "in.txt", "succeeded"])
    );
    assert_eq!(json_of(&server, &format!("/runs/{run}/report")).await["failed"], 2);
    let failed = send(&server, Method::GET, &format!("/runs/{run}/failed"), "", None).await;
    assert_eq!(failed.text().await.unwrap(), "1\n2\n");

    let server = server.killed_and_started_again();
    assert_eq!(start(&server, "in.txt", "1\n2\n", Some("first")).await, run, "the same key is the same run");
    let other = send(&server, Method::POST, "/jobs/places/runs?file=b.txt", "1\n", Some("first")).await;
    assert_eq!(other.status(), StatusCode::CONFLICT);
    assert_eq!(json_of(&server, "/jobs/places/runs").await["runs"].as_array().unwrap().len(), 1);

    api.set_broken(false);
    let redrive = send(&server, Method::POST, &format!("/runs/{run}/redrive"), "", None).await;
    assert_eq!(redrive.status(), StatusCode::ACCEPTED);
    let redrive: Value = serde_json::from_str(&redrive.text().await.unwrap()).unwrap();
    let redrive = redrive["run"].as_str().unwrap();
    assert_eq!(ended(&server, redrive).await["status"], "succeeded");
    let output = send(&server, Method::GET, &format!("/runs/{redrive}/output"), "", None).await;
    assert_eq!(output.text().await.unwrap(), "line,twice,error,error_detail\n1,11,,\n2,22,,\n");
    let replaced = send(&server, Method::GET, &format!("/runs/{run}/output"), "", None).await;
    assert_eq!(replaced.status(), StatusCode::NOT_FOUND, "the redrive has replaced it");
    let again = send(&server, Method::POST, &format!("/runs/{redrive}/redrive"), "", None).await;
    assert_eq!(again.status(), StatusCode::CONFLICT, "every line has succeeded");
    let audit = page(&server, "/audit").await;
    for recorded in ["SetJob", "StartRun", "jobs/places/input/in.txt", "RedriveRun", "Conflict"] {
        assert!(audit.contains(recorded), "{recorded}: {audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_stopped_and_keeps_what_it_has_and_the_next_one_waits_for_it() {
    let api = Api::start();
    let job =
        JobFile::get(api.url("/ok/{{ line }}")).limit(api.host(), "rate = \"unlimited\"\nin_flight = 1");
    let server = server(&job).await;
    api.respond_only(1);
    let run = start(&server, "a.txt", "1\n2\n3\n", None).await;
    let next = start(&server, "b.txt", "4\n", None).await;
    assert_eq!(json_of(&server, &format!("/runs/{next}")).await["status"], "queued");
    let listed = json_of(&server, "/runs").await;
    let names: Vec<&str> =
        listed["runs"].as_array().unwrap().iter().map(|run| run["file"].as_str().unwrap()).collect();
    assert!(names.contains(&"a.txt") && names.contains(&"b.txt") && names.len() == 2, "{listed}");
    let early = send(&server, Method::POST, &format!("/runs/{next}/stop"), "", None).await;
    assert_eq!(early.status(), StatusCode::NOT_FOUND, "it has not begun");
    tokio::task::block_in_place(|| testing::wait_until("two requests were sent", || api.count() == 2));
    let stopped = send(&server, Method::POST, &format!("/runs/{run}/stop"), "", None).await;
    assert_eq!(stopped.status(), StatusCode::ACCEPTED);
    api.respond_more(1);
    let shown = ended(&server, &run).await;
    assert_eq!(shown["status"], "failed", "{shown}");
    let report = json_of(&server, &format!("/runs/{run}/report")).await;
    assert!(report["ok"].as_u64().unwrap() >= 1, "{report}");
    api.respond_all();
    assert_eq!(ended(&server, &next).await["status"], "succeeded");
    let late = send(&server, Method::POST, &format!("/runs/{run}/stop"), "", None).await;
    assert_eq!(late.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn wrong_jobs_names_and_keys_are_refused() {
    let api = Api::start();
    let server = server(&JobFile::get(api.url("/ok/{{ line }}"))).await;
    let wrong = send(&server, Method::PUT, "/jobs/places", "[request]\nurl = 1\n", None).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let said = wrong.text().await.unwrap();
    assert!(said.contains("jobs/places/job.toml:2"), "{said}");
    let private = "[request]\nurl = \"http://10.0.0.1/\"\nallow = [\"10.0.0.1\"]\n";
    let check = send(&server, Method::POST, "/jobs/places/check", private, None).await.text().await.unwrap();
    assert!(check.contains("\"ok\":false") && check.contains("request.allow"), "{check}");
    for path in [
        "/jobs/places/runs?file=.a",
        "/jobs/places/runs?file=a%2Fb",
        "/jobs/places/runs?file=",
        "/jobs/places/runs",
        "/jobs/.a/runs?file=b",
    ] {
        let refused = send(&server, Method::POST, path, "1\n", None).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{path}");
    }
    let none = send(&server, Method::GET, "/runs/none", "", None).await;
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
    let origin = server.link.split("/sign-in").next().unwrap();
    let nobody = reqwest::Client::new().get(format!("{origin}/api/v1/runs")).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(api.count(), 0);
}
