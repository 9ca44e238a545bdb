//! Who is told of runs that have ended or failed, and of approvals that are waited for.

use serde_json::{Value, json};
use testing::{Api, HttpServer, JobFile, Scene, response, wait_until};

use crate::rest::{ended, send, start_job};
use crate::runs::ALLOW;
use crate::server::Server;

fn settings(more: &str) -> Scene {
    let scene = Scene::new("", "in.txt", "");
    scene.write("serve.toml", format!("{ALLOW}{more}"));
    scene
}

fn notes(hook: &HttpServer) -> Vec<Value> {
    hook.requests().iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect()
}

fn until_told(hook: &HttpServer, number: usize) -> Vec<Value> {
    tokio::task::block_in_place(|| wait_until("the notes came", || hook.count() >= number));
    notes(hook)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_told_of_runs_failures_and_approvals_until_it_takes_them() {
    // The first note is refused once.
    let hook = HttpServer::start(|n, _| response(if n == 0 { 500 } else { 204 }, ""));
    let api = Api::start();
    let server = Server::in_folder(settings(&format!(
        "[notify]\nurl = \"{}\"\nconsole = \"https://console.example/\"\n",
        hook.url("/hook?secret=1")
    )));
    let job = JobFile::get(api.url("/flaky/{{ line }}")).unlimited(api.host());
    send(&server, reqwest::Method::PUT, "/jobs/places", &job.to_string(), None).await;
    let run = start_job(&server, "places", "in.txt", "1\n2\n", None).await;
    ended(&server, &run).await;
    let told = until_told(&hook, 2);
    assert_eq!(told[0], told[1], "it is sent again until it is taken");
    let link = format!("https://console.example/executions/throughline/{run}");
    assert_eq!(
        json!([told[0]["event"], told[0]["job"], told[0]["file"], told[0]["run"], told[0]["link"]]),
        json!(["run.succeeded", "places", "in.txt", run, link])
    );
    assert!(told[0]["text"].as_str().unwrap().ends_with(&format!("has succeeded. {link}")), "{}", told[0]);

    api.set_broken(true);
    let run = start_job(&server, "places", "in.txt", "3\n", None).await;
    ended(&server, &run).await;
    let told = until_told(&hook, 3);
    assert_eq!(json!([told[2]["event"], told[2]["failed"]]), json!(["run.some_failed", 1]), "{}", told[2]);

    let fails = json!({"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "Too.Bad", "Cause": "It is Monday."}}});
    let machine = server.machine("billing", fails).await;
    server.ok("StartExecution", json!({"stateMachineArn": machine, "name": "one"})).await;
    let told = until_told(&hook, 4);
    assert_eq!(
        json!([told[3]["event"], told[3]["error"], told[3]["cause"]]),
        json!(["execution.failed", "Too.Bad", "It is Monday"]),
        "{}",
        told[3]
    );

    let activity = server.ok("CreateActivity", json!({"name": "approve"})).await["activityArn"].clone();
    let waits = json!({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": activity, "End": true}}});
    let machine = server.machine("approvals", waits).await;
    let input = json!({"approval": {"title": "Invoice 7", "text": "Pay?"}}).to_string();
    server.ok("StartExecution", json!({"stateMachineArn": machine, "input": input})).await;
    let told = until_told(&hook, 5);
    assert_eq!(told[4]["event"], "approval.waiting", "{}", told[4]);
    let form = told[4]["link"].as_str().unwrap().strip_prefix("https://console.example").unwrap();
    let page = reqwest::Client::new()
        .get(format!("{}{form}", server.link.split("/sign-in").next().unwrap()))
        .header("authorization", format!("Bearer {}:{}", server.client.id, server.client.secret));
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Invoice 7") && page.contains("<form"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_nobody_has_taken_is_there_after_a_kill_and_a_command_gets_it_too() {
    let hook = HttpServer::start(|_, _| response(503, ""));
    let command = "[\"sh\", \"-c\", \"cat >> notes.jsonl; echo >> notes.jsonl\"]";
    let to = |url: &str| format!("[notify]\nurl = \"{url}\"\ncommand = {command}\n");
    let server = Server::in_folder(settings(&to(&hook.url("/"))));
    let fails = json!({"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "Too.Bad"}}});
    let machine = server.machine("m", fails).await;
    server.ok("StartExecution", json!({"stateMachineArn": machine, "name": "one"})).await;
    until_told(&hook, 1);
    let written = |scene: &Scene| scene.exists("notes.jsonl") && scene.read("notes.jsonl").ends_with("}\n");
    tokio::task::block_in_place(|| wait_until("the command has it", || written(&server.scene)));
    let scene = server.killed();
    let up = HttpServer::start(|_, _| response(200, ""));
    scene.write("serve.toml", format!("{ALLOW}{}", to(&up.url("/"))));
    let server = Server::in_folder(scene);
    let told = until_told(&up, 1);
    assert_eq!(told[0]["execution"], "one");
    let note: Value = serde_json::from_str(server.scene.read("notes.jsonl").lines().next().unwrap()).unwrap();
    assert_eq!(note, told[0], "one form for both");
}
