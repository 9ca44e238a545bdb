//! `run --functions`: the steps in another process, here in the test's, with the store over a real socket.

use std::collections::HashMap;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use job::run::WorkerRequest;
use job::{ErrorName, StepError};
use serde::Serialize;
use serde_json::{Value, json};
use testing::{Api, HttpServer, JobFile, Output, Running, Scene, closed_port, column, wait_until};
use tokio_util::sync::CancellationToken;
use worker::Silent;

const KEY: &str = "local";
const SECRET: &str = "any-secret";

/// Lambda's Invoke API as `cargo lambda watch` has it: an error is a response with status 500.
struct Functions {
    server: HttpServer,
    calls: Arc<AtomicUsize>,
    worked: Arc<Mutex<Vec<Option<ErrorName>>>>,
}

#[derive(Clone)]
struct Steps {
    preprocess: preprocess::Context,
    worker: Arc<worker::Context>,
    postprocess: postprocess::Context,
    calls: Arc<AtomicUsize>,
    /// The number of first calls of each step that have almost no time.
    hurried: [Arc<AtomicUsize>; 2],
    /// The errors of the calls of the worker that have ended, `None` for a call without one.
    worked: Arc<Mutex<Vec<Option<ErrorName>>>>,
    /// Post-process begins when this number of calls of the worker has ended.
    settled: usize,
}

impl Steps {
    /// The token that ends a call of `preprocess` or `postprocess`.
    fn pause(&self, step: usize) -> CancellationToken {
        let pause = CancellationToken::new();
        if self.hurried[step]
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok()
        {
            pause.cancel();
        }
        pause
    }
}

struct Ended;

#[async_trait::async_trait]
impl preprocess::Executions for Ended {
    async fn ended(&self, _execution: &str) -> Result<bool, StepError> {
        Ok(true)
    }
}

pub(crate) struct NoSecrets;

#[async_trait::async_trait]
impl worker::SecretSource for NoSecrets {
    async fn resolve(
        &self,
        _: &str,
        name: &str,
        _: &job::file::secrets::SecretRef,
    ) -> Result<job::file::secrets::Secret, worker::Unresolved> {
        Err(format!("there is no secret {name}").into())
    }
}

impl Functions {
    /// With the store at a port of loopback, signed with `secret`.
    fn start(s3_port: u16, secret: &str) -> Self {
        Self::hurried(s3_port, secret, 0)
    }

    fn hurried(s3_port: u16, secret: &str, calls: usize) -> Self {
        Self::start_with(s3_port, secret, calls, 0)
    }

    /// With a post-process that waits for calls of the worker, as the state `Settle` does on AWS.
    fn settling(s3_port: u16, settled: usize) -> Self {
        Self::start_with(s3_port, SECRET, 0, settled)
    }

    fn start_with(s3_port: u16, secret: &str, calls: usize, settled: usize) -> Self {
        let hurried = [(); 2].map(|()| Arc::new(AtomicUsize::new(calls)));
        let s3 = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(format!("http://127.0.0.1:{s3_port}"))
            .credentials_provider(Credentials::new(KEY, secret, None, None, "tests"));
        let s3 = aws_sdk_s3::Client::from_conf(s3.build());
        let stop = CancellationToken::new();
        let preprocess = preprocess::Context {
            s3: s3.clone(),
            executions: Arc::new(Ended),
            progress: Arc::new(|_, _| {}),
            now: Arc::new(throughline::local::now),
            lease_wait: Duration::from_secs(1),
            environment: job::Environment::Local,
            interactive: true,
            check: None,
            held: preprocess::HeldSplits::default(),
            stop: stop.clone(),
            pause: CancellationToken::new(),
        };
        let settings = worker::Settings::default();
        let worker = Arc::new(worker::Context::new(
            s3.clone(),
            Arc::new(NoSecrets),
            Arc::new(Silent),
            settings,
            stop.clone(),
        ));
        let postprocess = postprocess::Context {
            s3,
            settings: postprocess::Settings { piece: 64, ..postprocess::Settings::default() },
            stop,
            pause: CancellationToken::new(),
            progress: None,
            now: Arc::new(throughline::local::now),
        };
        let calls = Arc::new(AtomicUsize::new(0));
        let worked = Arc::<Mutex<_>>::default();
        let (counted, noted) = (calls.clone(), worked.clone());
        let steps =
            Steps { preprocess, worker, postprocess, calls: counted, hurried, worked: noted, settled };
        let router =
            Router::new().route("/2015-03-31/functions/{name}/invocations", post(invoke)).with_state(steps);
        Self { server: HttpServer::router(router), calls, worked }
    }
}

async fn invoke(
    State(steps): State<Steps>,
    Path(name): Path<String>,
    payload: String,
) -> (StatusCode, Json<Value>) {
    steps.calls.fetch_add(1, Ordering::SeqCst);
    let payload: Value = serde_json::from_str(&payload).unwrap();
    match name.as_str() {
        "preprocess" => {
            let context = preprocess::Context { pause: steps.pause(0), ..steps.preprocess.clone() };
            respond(preprocess::preprocess(&context, serde_json::from_value(payload).unwrap()).await)
        }
        "worker" => match serde_json::from_value(payload).unwrap() {
            WorkerRequest::Work(request) => {
                // A function does not end when nobody waits for its response any more.
                let worked = tokio::spawn(async move {
                    let worked = worker::work(&steps.worker, request).await;
                    steps.worked.lock().unwrap().push(worked.as_ref().err().map(|error| error.name));
                    worked
                });
                respond(worked.await.unwrap())
            }
            WorkerRequest::Stop(request) => respond(worker::stop(&steps.worker, request).await),
            WorkerRequest::EndLane(request) => respond(worker::end_lane(&steps.worker, request).await),
        },
        "postprocess" => {
            while steps.worked.lock().unwrap().len() < steps.settled {
                tokio::task::yield_now().await;
            }
            let context = postprocess::Context { pause: steps.pause(1), ..steps.postprocess.clone() };
            respond(postprocess::postprocess(&context, serde_json::from_value(payload).unwrap()).await)
        }
        _ => (StatusCode::NOT_FOUND, Json(json!({}))),
    }
}

fn respond(response: Result<impl Serialize, StepError>) -> (StatusCode, Json<Value>) {
    match response {
        Ok(response) => (StatusCode::OK, Json(serde_json::to_value(response).unwrap())),
        Err(error) => {
            let body = json!({ "errorType": error.name.as_str(), "errorMessage": error.message });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body))
        }
    }
}

fn scene(api: &Api) -> Scene {
    let job = JobFile::get("{{ url }}").column("twice", "$.twice").unlimited("default");
    let input = (1..=200).fold("url\n".to_owned(), |text, n| {
        let path = if n % 9 == 0 { "/status/404".to_owned() } else { format!("/ok/{n}") };
        text + &api.url(&path) + "\n"
    });
    Scene::new(job, "in.csv", input)
}

fn run(scene: &Scene, args: &[&str]) -> Output {
    start(scene, args).wait()
}

fn start(scene: &Scene, args: &[&str]) -> Running {
    scene.start_with(args, |command| {
        _ = command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET)
    })
}

#[test]
fn functions_in_other_processes_make_the_same_output() {
    let api = Api::start();
    let scene = scene(&api);
    scene.run(&["run", "job.toml", "in.csv", "-o", "here.csv"]).expect(2);
    let port = closed_port().port().to_string();
    let functions = Functions::start(port.parse().unwrap(), SECRET);
    let url = functions.server.url("");
    let args = [
        "run",
        "job.toml",
        "in.csv",
        "-o",
        "there.csv",
        "--state",
        "there",
        "--functions",
        &url,
        "--s3-port",
        &port,
    ];
    run(&scene, &args).expect(2);
    assert_eq!(scene.read("there.csv"), scene.read("here.csv"));
    assert_eq!(scene.read("there.failed.csv"), scene.read("here.failed.csv"));
    assert_eq!(
        column(&scene.read("there.csv"), "error").iter().filter(|error| *error == "http_404").count(),
        22
    );
    assert!(functions.calls.load(Ordering::SeqCst) >= 3);
}

#[test]
fn functions_that_run_out_of_time_continue_in_the_next_call() {
    let api = Api::start();
    let scene = scene(&api);
    scene.run(&["run", "job.toml", "in.csv", "-o", "here.csv"]).expect(2);
    let port = closed_port().port().to_string();
    let functions = Functions::hurried(port.parse().unwrap(), SECRET, 2);
    let url = functions.server.url("");
    let args = [
        "run",
        "job.toml",
        "in.csv",
        "-o",
        "there.csv",
        "--state",
        "there",
        "--functions",
        &url,
        "--s3-port",
        &port,
    ];
    run(&scene, &args).expect(2);
    assert_eq!(scene.read("there.csv"), scene.read("here.csv"));
    assert_eq!(scene.read("there.failed.csv"), scene.read("here.failed.csv"));
    assert!(functions.calls.load(Ordering::SeqCst) >= 7);
}

/// Two workers at a request every half second each. All lines of the first but one fail without a request; the
/// second outlives its lane as a function on AWS does.
#[test]
fn worker_of_a_lane_that_failed_stops_although_nobody_waits_for_it() {
    let api = Api::start();
    let job = JobFile::get(api.url("/ok/{{ id }}"))
        .limit(api.host(), "rate = \"4/s\"\nin_flight = 200")
        .tables("[failure]\ntolerated = \"1%\"");
    let input = (1..=240).map(|n| match n {
        2..=120 => "{\"other\": 1}\n".to_owned(),
        _ => format!("{{\"id\": {n}}}\n"),
    });
    let scene = Scene::new(job, "in.jsonl", input.collect::<String>());
    let port = closed_port().port().to_string();
    let functions = Functions::settling(port.parse().unwrap(), 2);
    let url = functions.server.url("");
    let args = ["run", "job.toml", "in.jsonl", "-o", "out.jsonl", "--functions", &url, "--s3-port", &port];
    // The first worker has its last response when the second one sends.
    api.respond_only(0);
    let running = start(&scene, &args);
    let of_second = |hits: &HashMap<String, usize>| hits.keys().any(|path| path != "/ok/1");
    wait_until("both send", || api.hits().contains_key("/ok/1") && of_second(&api.hits()));
    api.respond_all();
    let ended = running.wait().expect(3);
    assert!(ended.stdout.contains("more of its batches failed than the job tolerates"), "{}", ended.stdout);
    let worked = functions.worked.lock().unwrap().clone();
    assert_eq!(worked, [Some(ErrorName::TooManyFailures), Some(ErrorName::LaneStopped)]);
    assert!(api.count() < 120, "{} requests", api.count());
    let codes: Vec<String> = scene.read("out.jsonl").lines().map(code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "render").count(), 119);
    assert_eq!(codes.iter().filter(|code| code.is_empty()).count(), api.count(), "every response counts");
    assert!(codes.iter().any(|code| code == "stopped"), "{codes:?}");
}

fn code(line: &str) -> String {
    let row: Value = serde_json::from_str(line).unwrap();
    row["error"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn function_error_ends_the_run_with_its_name() {
    let scene = Scene::new("[request]\nurl = \"http://127.0.0.1/{{ nothing }}\"\n", "in.csv", "url\nx\n");
    let port = closed_port().port().to_string();
    let functions = Functions::start(port.parse().unwrap(), SECRET);
    let url = functions.server.url("");
    let ended =
        run(&scene, &["run", "job.toml", "in.csv", "--functions", &url, "--s3-port", &port]).expect(1);
    assert!(ended.stderr.contains("Job.Invalid") && ended.stderr.contains("nothing"), "{}", ended.stderr);
}

#[test]
fn served_store_requires_its_secret_key() {
    let api = Api::start();
    let scene = scene(&api);
    let port = closed_port().port().to_string();
    let functions = Functions::start(port.parse().unwrap(), "another-secret");
    let url = functions.server.url("");
    let ended = run(&scene, &["run", "job.toml", "in.csv", "--functions", &url, "--s3-port", &port]);
    assert!(
        ended.code != 0 && ended.stderr.contains("SignatureDoesNotMatch"),
        "{} {}",
        ended.code,
        ended.stderr
    );
    assert_eq!(api.count(), 0);
    // Without a key the store is not served.
    let refused = scene.start_with(&["run", "job.toml", "in.csv", "--functions", &url], |command| {
        _ = command.env_remove("AWS_ACCESS_KEY_ID")
    });
    let refused = refused.wait().expect(1);
    assert!(refused.stderr.contains("AWS_ACCESS_KEY_ID"), "{}", refused.stderr);
}

#[test]
#[ignore = "needs cargo-lambda on the PATH (pip install cargo-lambda), and builds the functions"]
fn functions_run_under_cargo_lambda_watch() {
    let api = Api::start();
    let scene = scene(&api);
    scene.run(&["run", "job.toml", "in.csv", "-o", "here.csv"]).expect(2);
    let (port, functions) = (closed_port().port().to_string(), closed_port());
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--features", "preprocess/lambda,worker/lambda,postprocess/lambda"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.unwrap().success(), "the functions build");
    let mut watch = Command::new(env!("CARGO"))
        .args(["lambda", "watch", "--concurrency", "4", "--ignore-changes", "--invoke-address", "127.0.0.1"])
        .args(["--invoke-port", &functions.port().to_string()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .envs([("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", "us-east-1")])
        .process_group(0)
        .spawn()
        .unwrap();
    wait_until("cargo lambda watch listens", || TcpStream::connect(functions).is_ok());
    let url = format!("http://{functions}");
    let args = [
        "run",
        "job.toml",
        "in.csv",
        "-o",
        "there.csv",
        "--state",
        "there",
        "--functions",
        &url,
        "--s3-port",
        &port,
    ];
    let ended = run(&scene, &args);
    // The process and all processes that it started.
    Command::new("kill").args(["-TERM", "--", &format!("-{}", watch.id())]).status().unwrap();
    watch.wait().unwrap();
    ended.expect(2);
    assert_eq!(scene.read("there.csv"), scene.read("here.csv"));
}
