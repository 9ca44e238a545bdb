//! Uploads start runs of jobs, which nothing loses.

use aws_sdk_s3::primitives::ByteStream;
use serde_json::{Value, json};
use testing::{Api, JobFile, Scene, wait_until};

use crate::server::Server;

pub(crate) const ALLOW: &str = "allow = [\"127.0.0.1\"]\n";
const LINES: u32 = 60;

pub(crate) fn job(api: &Api) -> JobFile {
    JobFile::get(api.url("/{{ kind }}/{{ id }}"))
        .limit(api.host(), "rate = \"unlimited\"\nin_flight = 8")
        .column("twice", "$.twice")
        .tables("[failure]\ntolerated = \"50%\"")
}

pub(crate) fn input() -> String {
    let kind = |n: u32| if n.is_multiple_of(20) { ("status", 404) } else { ("ok", n) };
    let lines = (1..=LINES).map(kind).map(|(kind, id)| format!("{kind},{id}\n"));
    std::iter::once("kind,id\n".to_owned()).chain(lines).collect()
}

impl Server {
    pub(crate) async fn upload(&self, key: &str, body: impl Into<Vec<u8>>) {
        let body = ByteStream::from(body.into());
        self.client.s3().put_object().bucket("throughline").key(key).body(body).send().await.unwrap();
    }

    pub(crate) async fn find(&self, key: &str) -> Option<String> {
        let found = self.client.s3().get_object().bucket("throughline").key(key).send().await;
        match found {
            Ok(found) => Some(String::from_utf8(found.body.collect().await.unwrap().to_vec()).unwrap()),
            Err(error) => {
                assert!(error.as_service_error().unwrap().is_no_such_key(), "{error:?}");
                None
            }
        }
    }

    /// Waits for an object, and returns its content.
    pub(crate) async fn fetch(&self, key: &str) -> String {
        let begun = std::time::Instant::now();
        loop {
            if let Some(found) = self.find(key).await {
                return found;
            }
            assert!(begun.elapsed() < testing::DEADLINE, "never seen: {key}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Waits for the report of a file.
    pub(crate) async fn report(&self, job: &str, file: &str) -> Value {
        serde_json::from_str(&self.fetch(&format!("jobs/{job}/report/{file}.json")).await).unwrap()
    }

    /// The executions of the machine of jobs, newest first.
    pub(crate) async fn runs(&self) -> Vec<Value> {
        let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:throughline";
        let listed = self.ok("ListExecutions", json!({"stateMachineArn": machine})).await;
        listed["executions"].as_array().unwrap().clone()
    }
}

/// What `throughline run` makes of the job and the file: the output and the failed lines.
pub(crate) fn by_run(scene: &Scene) -> (String, String) {
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv", "--state", "local"]).expect(2);
    (scene.read("out.csv"), scene.read("out.failed.csv"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_gives_the_same_output_as_the_command() {
    let api = Api::start();
    let scene = Scene::new(job(&api), "in.csv", input());
    let expected = tokio::task::block_in_place(|| by_run(&scene));
    scene.write("serve.toml", ALLOW);
    let server = Server::in_folder(scene);
    server.upload("jobs/places/job.toml", server.scene.read("job.toml")).await;
    server.upload("jobs/places/input/in.csv", input()).await;
    let report = server.report("places", "in.csv").await;
    assert_eq!(
        json!([report["verdict"], report["lines"], report["failed"]]),
        json!(["some_failed", LINES, 3])
    );
    let outputs =
        (server.fetch("jobs/places/output/in.csv").await, server.fetch("jobs/places/failed/in.csv").await);
    assert_eq!(outputs, expected);
    let runs = server.runs().await;
    assert_eq!(runs.len(), 1);
    let arn = runs[0]["executionArn"].as_str().unwrap();
    assert_eq!(server.ended(arn).await["status"], "SUCCEEDED");
    assert!(server.events(arn).await.iter().any(|event| event["type"] == "MapRunStarted"));

    // The same content again is another upload, and so another run.
    api.forget();
    server.upload("jobs/places/input/in.csv", input()).await;
    wait_for(&server, "a second run has ended", |runs| runs.len() == 2 && runs[0]["status"] == "SUCCEEDED")
        .await;
    assert_eq!(server.fetch("jobs/places/output/in.csv").await, expected.0);
    assert!(api.count() >= LINES as usize);
}

async fn wait_for(server: &Server, what: &str, holds: impl Fn(&[Value]) -> bool) {
    let begun = std::time::Instant::now();
    loop {
        let runs = server.runs().await;
        if holds(&runs) {
            return;
        }
        assert!(begun.elapsed() < testing::DEADLINE, "never seen: {what}: {runs:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Kills the server when this number of responses has been sent, and starts it again.
async fn killed_after(responses: Option<usize>) {
    let api = Api::start();
    let scene = Scene::new(job(&api), "in.csv", input());
    let expected = tokio::task::block_in_place(|| by_run(&scene));
    api.forget();
    scene.write("serve.toml", ALLOW);
    let server = Server::in_folder(scene);
    server.upload("jobs/places/job.toml", server.scene.read("job.toml")).await;
    api.respond_only(responses.unwrap_or(0));
    server.upload("jobs/places/input/in.csv", input()).await;
    if let Some(responses) = responses {
        tokio::task::block_in_place(|| wait_until("the run waits", || api.count() > responses));
    }
    let server = server.killed_and_started_again();
    api.respond_all();
    let report = server.report("places", "in.csv").await;
    assert_eq!(report["lines"], LINES, "{report}");
    let outputs =
        (server.fetch("jobs/places/output/in.csv").await, server.fetch("jobs/places/failed/in.csv").await);
    assert_eq!(outputs, expected);
    assert_eq!(server.runs().await.len(), 1, "one upload is one run");
    assert!(api.hits().values().filter(|hits| **hits > 2).count() <= 1, "{:?}", api.hits());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_right_after_the_upload_loses_nothing() {
    killed_after(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_the_first_response_loses_nothing() {
    killed_after(Some(0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_loses_nothing() {
    killed_after(Some(25)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_near_the_end_loses_nothing() {
    killed_after(Some(52)).await;
}

#[tokio::test]
async fn runs_of_one_job_go_in_order_of_arrival_also_after_a_kill_and_other_jobs_go_beside_them() {
    let api = Api::start();
    let scene = Scene::new("", "in.csv", "");
    scene.write("serve.toml", ALLOW);
    let server = Server::in_folder(scene);
    let held = JobFile::get(api.url("/ok/{{ line }}")).unlimited(api.host());
    let free = JobFile::get(api.url("/numbers/{{ line }}")).unlimited("free");
    server.upload("jobs/held/job.toml", held.to_string()).await;
    server.upload("jobs/free/job.toml", free.to_string()).await;
    api.respond_only(0);
    for n in 1..=4 {
        server.upload(&format!("jobs/held/input/{n}.txt"), format!("{n}\n")).await;
    }
    server.upload("jobs/free/input/in.txt", "7\n").await;
    assert_eq!(server.report("free", "in.txt").await["ok"], 1);
    assert_eq!(server.find("jobs/held/report/1.txt.json").await, None);
    let server = server.killed_and_started_again();
    assert_eq!(server.runs().await.len(), 2, "three runs wait on disk");
    api.respond_all();
    assert_eq!(server.report("held", "4.txt").await["ok"], 1);
    let paths = api.requests().into_iter().map(|request| request.path().to_owned());
    let mut paths: Vec<String> = paths.filter(|path| path.starts_with("/ok/")).collect();
    // The first one was sent again after the kill.
    paths.dedup();
    assert_eq!(paths, ["/ok/1", "/ok/2", "/ok/3", "/ok/4"]);
    assert_eq!(server.runs().await.len(), 5);
}

#[tokio::test]
async fn an_upload_that_cannot_run_leaves_a_report_in_words() {
    let server = Server::start();
    let message = async |job: &str, file: &str| {
        let report = server.report(job, file).await;
        assert_eq!(report["verdict"], "not_started", "{report}");
        format!("{}: {}", report["error"].as_str().unwrap(), report["message"].as_str().unwrap())
    };
    server.upload("jobs/none/input/in.txt", "1\n").await;
    let said = message("none", "in.txt").await;
    assert!(said.contains("Job.NotFound") && said.contains("upload jobs/none/job.toml"), "{said}");
    server.upload("jobs/broken/job.toml", "[request]\nurl = 1\n").await;
    server.upload("jobs/broken/input/in.txt", "1\n").await;
    let said = message("broken", "in.txt").await;
    assert!(said.contains("Job.Invalid: jobs/broken/job.toml:2"), "{said}");
    server.upload("jobs/team/places/input/in.txt", "1\n").await;
    let said = message("team/places", "in.txt").await;
    assert!(said.contains("one folder between jobs/ and /input/"), "{said}");
    server.upload("jobs/private/job.toml", JobFile::get("http://127.0.0.1:1/{{ line }}").to_string()).await;
    server.upload("jobs/private/input/in.txt", "1\n").await;
    let said = message("private", "in.txt").await;
    assert!(said.contains("request.allow") && said.contains("allow = [\"127.0.0.1\"]"), "{said}");
    // Neither an empty file without an ending nor an output starts a run.
    server.upload("jobs/none/input/folder/", "").await;
    server.upload("jobs/none/output/in.txt", "1\n").await;
    assert_eq!(server.runs().await.len(), 4);
}

#[tokio::test]
async fn files_that_were_not_uploaded_to_the_server_run_only_when_it_is_told_so() {
    let api = Api::start();
    let scene = Scene::new("", "in.csv", "");
    scene.write("serve.toml", ALLOW);
    std::fs::create_dir_all(scene.path(".throughline/jobs/places/input")).unwrap();
    let job = JobFile::get(api.url("/ok/{{ line }}")).unlimited(api.host());
    scene.write(".throughline/jobs/places/job.toml", job.to_string());
    scene.write(".throughline/jobs/places/input/old.txt", "1\n2\n");
    let server = Server::in_folder(scene);
    server.upload("jobs/places/input/new.txt", "3\n").await;
    server.report("places", "new.txt").await;
    let server = Server::in_folder_with(server.killed(), &["--trigger-existing"], &[]);
    assert_eq!(server.report("places", "old.txt").await["lines"], 2);
    let server = Server::in_folder_with(server.killed(), &["--trigger-existing"], &[]);
    wait_for(&server, "both runs have ended", |runs| runs.iter().all(|run| run["status"] == "SUCCEEDED"))
        .await;
    assert_eq!(server.runs().await.len(), 2, "each file runs once");
}

#[tokio::test]
async fn a_rule_starts_a_machine_with_the_event_of_the_upload() {
    let rule = "[[rule]]\nprefix = \"incoming/\"\nsuffix = \".csv\"\nmachine = \"etl\"\n";
    let server = Server::start_with(rule);
    let machine =
        server.machine("etl", json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}})).await;
    server.upload("incoming/a.txt", "1").await;
    server.upload("incoming/a.csv", "12").await;
    let server = server.killed_and_started_again();
    let list = json!({"stateMachineArn": machine, "statusFilter": "SUCCEEDED"});
    let ended = |listed: &Value| !listed["executions"].as_array().unwrap().is_empty();
    let listed = server.client.until("the machine has run", "ListExecutions", list, ended).await;
    let executions = listed["executions"].as_array().unwrap();
    assert_eq!(executions.len(), 1, "{listed}");
    let shown = server.ok("DescribeExecution", json!({"executionArn": executions[0]["executionArn"]})).await;
    let event: Value = serde_json::from_str(shown["input"].as_str().unwrap()).unwrap();
    assert_eq!(json!([event["source"], event["detail-type"]]), json!(["aws.s3", "Object Created"]));
    let object = &event["detail"]["object"];
    assert_eq!(json!([object["key"], object["size"]]), json!(["incoming/a.csv", 2]));
    assert_eq!(event["detail"]["bucket"]["name"], "throughline");
}

#[tokio::test]
async fn the_machine_of_jobs_cannot_be_changed() {
    let server = Server::start();
    let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:throughline";
    let shown = server.ok("DescribeStateMachine", json!({"stateMachineArn": arn})).await;
    assert!(shown["definition"].as_str().unwrap().contains("Preprocess"));
    let pass = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}).to_string();
    let update =
        server.refused("UpdateStateMachine", json!({"stateMachineArn": arn, "definition": pass})).await;
    assert_eq!(update.0, "ConflictException");
    assert_eq!(
        server.refused("DeleteStateMachine", json!({"stateMachineArn": arn})).await.0,
        "ConflictException"
    );
    let other =
        json!({"detail": {"bucket": {"name": "other"}, "object": {"key": "jobs/a/input/b"}}}).to_string();
    let started = server.ok("StartExecution", json!({"stateMachineArn": arn, "input": other})).await;
    assert_eq!(server.ended(started["executionArn"].as_str().unwrap()).await["status"], "FAILED");
}
