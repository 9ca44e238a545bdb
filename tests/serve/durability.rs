//! What was answered with success is there after a kill, and what was not answered is done once at most.

use serde_json::{Value, json};
use testing::Scene;

use crate::server::{Client, Server};

fn wait_then_pass() -> Value {
    json!({"StartAt": "Wait", "States": {
        "Wait": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Done"},
        "Done": {"Type": "Pass", "Result": "done", "End": true},
    }})
}

fn input(machine: &str, name: &str, seconds: u32) -> Value {
    json!({"stateMachineArn": machine, "name": name, "input": json!({"seconds": seconds}).to_string()})
}

#[tokio::test]
async fn executions_go_on_after_a_kill() {
    let server = Server::start();
    let machine = server.machine("m", wait_then_pass()).await;
    let started = server.ok("StartExecution", input(&machine, "a", 1)).await;
    let waiting = server.ok("StartExecution", input(&machine, "b", 3600)).await;
    let again = server.ok("StartExecution", input(&machine, "b", 3600)).await;
    assert_eq!(again, waiting, "the same name and input are the same execution");
    let server = server.killed_and_started_again();
    let arn = started["executionArn"].as_str().unwrap();
    let ended = server.ended(arn).await;
    assert_eq!(json!([ended["status"], ended["output"]]), json!(["SUCCEEDED", "\"done\""]));
    assert_eq!(ended["startDate"], started["startDate"]);
    let kinds: Vec<Value> = server.events(arn).await.iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds.first().unwrap(), "ExecutionStarted");
    assert_eq!(kinds.last().unwrap(), "ExecutionSucceeded");
    assert_eq!(kinds.iter().filter(|kind| *kind == "PassStateExited").count(), 1);
    assert_eq!(server.ok("StartExecution", input(&machine, "b", 3600)).await, waiting);
    for (name, seconds) in [("b", 3599), ("a", 1)] {
        let refused = server.refused("StartExecution", input(&machine, name, seconds)).await;
        assert_eq!(refused.0, "ExecutionAlreadyExists", "{name}");
    }
}

#[tokio::test]
async fn executions_go_on_after_a_stop_of_the_server() {
    let server = Server::start();
    let machine = server.machine("m", wait_then_pass()).await;
    let started = server.ok("StartExecution", input(&machine, "a", 1)).await;
    let server = server.ended_and_started_again();
    let arn = started["executionArn"].as_str().unwrap();
    assert_eq!(server.ended(arn).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn a_stopped_execution_stays_stopped() {
    let server = Server::start();
    let machine = server.machine("m", wait_then_pass()).await;
    let started = server.ok("StartExecution", input(&machine, "a", 3600)).await;
    let arn = started["executionArn"].as_str().unwrap();
    let entered = |history: &Value| history["events"][1]["type"] == "WaitStateEntered";
    let history = json!({"executionArn": arn});
    server.client.until("the machine waits", "GetExecutionHistory", history, entered).await;
    let stopped = server.ok("StopExecution", json!({"executionArn": arn, "error": "E", "cause": "C"})).await;
    let server = server.killed_and_started_again();
    let ended = server.ended(arn).await;
    assert_eq!(
        json!([ended["status"], ended["error"], ended["cause"], ended["stopDate"]]),
        json!(["ABORTED", "E", "C", stopped["stopDate"]])
    );
    let events = server.events(arn).await;
    let last = events.last().unwrap();
    assert_eq!(last["executionAbortedEventDetails"], json!({"error": "E", "cause": "C"}));
    assert_eq!(json!([last["id"], last["previousEventId"]]), json!([3, 0]));
    let again = server.ok("StopExecution", json!({"executionArn": arn})).await;
    assert_eq!(again, stopped, "the first end counts");
}

#[tokio::test]
async fn an_outcome_that_was_sent_is_there_after_a_kill() {
    let server = Server::start();
    let activity = server.ok("CreateActivity", json!({"name": "approve"})).await["activityArn"].clone();
    let state = json!({"Type": "Task", "Resource": activity, "End": true});
    let machine = server.machine("m", json!({"StartAt": "T", "States": {"T": state}})).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": machine})).await;
    let task = server.ok("GetActivityTask", json!({"activityArn": activity})).await;
    server
        .ok("SendTaskSuccess", json!({"taskToken": task["taskToken"], "output": "{\"by\": \"ann\"}"}))
        .await;
    let server = server.killed_and_started_again();
    let ended = server.ended(started["executionArn"].as_str().unwrap()).await;
    assert_eq!(json!([ended["status"], ended["output"]]), json!(["SUCCEEDED", "{\"by\":\"ann\"}"]));
}

#[tokio::test]
async fn every_start_that_was_answered_is_there_after_a_kill() {
    let server = Server::start();
    let machine =
        server.machine("m", json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}})).await;
    let client = server.client.clone();
    let starting: Vec<_> = (0..40)
        .map(|i| {
            let (client, machine) = (client.clone(), machine.clone());
            tokio::spawn(async move {
                let input = json!({"stateMachineArn": machine, "name": format!("n{i}")});
                client.ok("StartExecution", input).await["executionArn"].as_str().unwrap().to_owned()
            })
        })
        .collect();
    let mut arns = Vec::new();
    for started in starting {
        arns.push(started.await.unwrap());
    }
    let server = server.killed_and_started_again();
    for arn in &arns {
        assert_eq!(server.ended(arn).await["status"], "SUCCEEDED");
    }
    let mut listed = Vec::new();
    let mut page = json!({"stateMachineArn": machine, "maxResults": 7});
    loop {
        let found = server.ok("ListExecutions", page.clone()).await;
        let executions = found["executions"].as_array().unwrap();
        listed.extend(
            executions.iter().map(|execution| execution["executionArn"].as_str().unwrap().to_owned()),
        );
        let Some(token) = found.get("nextToken") else { break };
        page["nextToken"] = token.clone();
    }
    listed.sort();
    arns.sort();
    assert_eq!(listed, arns, "each is listed once");
}

#[tokio::test]
async fn machines_versions_and_aliases_are_there_after_a_kill() {
    let server = Server::start();
    let machine = server.machine("m", wait_then_pass()).await;
    let published = server.ok("PublishStateMachineVersion", json!({"stateMachineArn": machine})).await;
    let version = published["stateMachineVersionArn"].clone();
    let alias =
        json!({"name": "live", "routingConfiguration": [{"stateMachineVersionArn": version, "weight": 100}]});
    let alias = server.ok("CreateStateMachineAlias", alias).await["stateMachineAliasArn"].clone();
    let before = server.ok("DescribeStateMachineAlias", json!({"stateMachineAliasArn": alias})).await;
    let server = server.killed_and_started_again();
    let after = server.ok("DescribeStateMachineAlias", json!({"stateMachineAliasArn": alias})).await;
    assert_eq!(after, before);
    let started = server.ok("StartExecution", input(alias.as_str().unwrap(), "a", 0)).await;
    let ended = server.ended(started["executionArn"].as_str().unwrap()).await;
    assert_eq!(
        json!([ended["stateMachineVersionArn"], ended["stateMachineAliasArn"]]),
        json!([version, alias])
    );
    server.ok("DeleteStateMachine", json!({"stateMachineArn": machine})).await;
    let server = server.killed_and_started_again();
    let gone = server.refused("DescribeStateMachine", json!({"stateMachineArn": machine})).await;
    assert_eq!(gone.0, "StateMachineDoesNotExist");
}

#[tokio::test]
async fn a_second_server_a_busy_port_and_wrong_settings_are_refused_with_a_sentence() {
    let server = Server::start();
    let second = server.scene.run(&["serve", "--api", "127.0.0.1:0", "--console", "127.0.0.1:0"]).expect(4);
    let id = server.running.id();
    assert!(
        second.stderr.contains(&format!("is in use by process {id} (`throughline serve`")),
        "{}",
        second.stderr
    );
    let other = Scene::new("", "in.txt", "");
    let address = server.client.address.to_string();
    let busy = other.run(&["serve", "--api", &address]).expect(1).stderr;
    assert!(busy.contains(&address) && busy.contains("--api takes another address"), "{busy}");
    other.write("serve.toml", "regoin = \"eu-west-1\"\n");
    let wrong = other.run(&["serve", "--config", "serve.toml"]).expect(1).stderr;
    assert!(wrong.contains("serve.toml") && wrong.contains("line 1") && wrong.contains("regoin"), "{wrong}");
    let public = other.run(&["serve", "--api", "0.0.0.0:4650"]).expect(1).stderr;
    assert!(public.contains("not on loopback"), "{public}");
    let fresh = Scene::new("", "in.txt", "");
    let no_key = fresh.run(&["serve", "env"]).expect(1).stderr;
    assert!(no_key.contains("start `throughline serve`"), "{no_key}");
    // The first server is not disturbed.
    Client::of(&server.scene, server.client.address).ok("ListStateMachines", json!({})).await;
}

/// A machine that passes once, asks an activity, and passes again.
async fn asking(server: &Server) -> (Value, String) {
    let activity = server.ok("CreateActivity", json!({"name": "approve"})).await["activityArn"].clone();
    let machine = server.machine(
        "m",
        json!({"StartAt": "First", "States": {
            "First": {"Type": "Pass", "Next": "Ask"},
            "Ask": {"Type": "Task", "Resource": activity, "Next": "Last"},
            "Last": {"Type": "Pass", "End": true},
        }}),
    );
    (activity.clone(), machine.await)
}

async fn fail(server: &Server, activity: &Value) {
    let task = server.ok("GetActivityTask", json!({"activityArn": activity})).await;
    server.ok("SendTaskFailure", json!({"taskToken": task["taskToken"], "error": "No"})).await;
}

async fn kinds(server: &Server, arn: &str) -> Vec<String> {
    let events = server.events(arn).await;
    events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_execution_that_failed_is_redriven_from_there_over_kills() {
    let server = Server::start();
    let (activity, machine) = asking(&server).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": machine, "name": "a"})).await;
    let arn = started["executionArn"].as_str().unwrap();
    let named = json!({"executionArn": arn, "clientToken": "once"});
    let running = server.refused("RedriveExecution", named.clone()).await;
    assert_eq!(running.0, "ExecutionNotRedrivable");
    fail(&server, &activity).await;
    assert_eq!(server.ended(arn).await["redriveStatus"], "REDRIVABLE");

    let server = server.killed_and_started_again();
    let redriven = server.ok("RedriveExecution", named.clone()).await;
    assert_eq!(server.ok("RedriveExecution", named).await, redriven, "the same client token");
    let server = server.killed_and_started_again();
    let shown = server.ok("DescribeExecution", json!({"executionArn": arn})).await;
    assert_eq!(
        json!([shown["status"], shown["redriveCount"], shown["redriveDate"], shown["startDate"]]),
        json!(["RUNNING", 1, redriven["redriveDate"], started["startDate"]])
    );
    let listed = server.ok("ListExecutions", json!({"stateMachineArn": machine})).await;
    assert_eq!(listed["executions"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["executions"][0]["status"], "RUNNING");

    let task = server.ok("GetActivityTask", json!({"activityArn": activity})).await;
    server.ok("SendTaskSuccess", json!({"taskToken": task["taskToken"], "output": "{}"})).await;
    let ended = server.ended(arn).await;
    assert_eq!(json!([ended["status"], ended["redriveCount"]]), json!(["SUCCEEDED", 1]));
    let kinds = kinds(&server, arn).await;
    let count = |kind: &str| kinds.iter().filter(|found| *found == kind).count();
    assert_eq!(
        (count("ExecutionFailed"), count("ExecutionRedriven"), count("ExecutionSucceeded")),
        (1, 1, 1)
    );
    assert_eq!(kinds.iter().filter(|kind| *kind == "PassStateExited").count(), 2, "{kinds:?}");
    let refused = server.refused("RedriveExecution", json!({"executionArn": arn})).await;
    assert_eq!(
        refused,
        ("ExecutionNotRedrivable".into(), "Execution is SUCCEEDED and cannot be redriven".into())
    );
}

#[tokio::test]
async fn an_execution_is_redriven_as_often_as_it_fails() {
    let server = Server::start();
    let (activity, machine) = asking(&server).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": machine})).await;
    let arn = started["executionArn"].as_str().unwrap();
    for redrives in 0..3 {
        fail(&server, &activity).await;
        let ended = server.ended(arn).await;
        assert_eq!(json!([ended["status"], ended["redriveCount"]]), json!(["FAILED", redrives]));
        server.ok("RedriveExecution", json!({"executionArn": arn})).await;
    }
    server.ok("StopExecution", json!({"executionArn": arn})).await;
    assert_eq!(server.ended(arn).await["status"], "ABORTED");
    server.ok("RedriveExecution", json!({"executionArn": arn})).await;
    server.ok("DeleteStateMachine", json!({"stateMachineArn": machine})).await;
    assert_eq!(server.ended(arn).await["status"], "ABORTED");
    let refused = server.refused("RedriveExecution", json!({"executionArn": arn})).await;
    assert_eq!(refused.1, "State machine is in DELETING status");
}
