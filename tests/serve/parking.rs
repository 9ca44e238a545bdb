//! Executions that only wait: they are not in memory, and nothing of them is missing.

use serde_json::{Value, json};

use crate::server::Server;

const NUMBER: usize = 20;

fn waits_then_passes() -> Value {
    json!({"StartAt": "Wait", "States": {
        "Wait": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Done"},
        "Done": {"Type": "Pass", "Result": "done", "End": true},
    }})
}

fn input(machine: &str, name: &str, seconds: u32) -> Value {
    json!({"stateMachineArn": machine, "name": name, "input": json!({"seconds": seconds}).to_string()})
}

/// Waits until this number of executions only waits.
async fn parked(server: &Server, number: usize) {
    let line = format!("throughline_executions_parked {number}");
    let begun = std::time::Instant::now();
    loop {
        let metrics = server.get("/metrics").await;
        if metrics.lines().any(|found| found == line) {
            return;
        }
        assert!(begun.elapsed() < testing::DEADLINE, "not {number}: {metrics}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn executions_that_only_wait_are_found_listed_stopped_and_redriven_over_kills() {
    let server = Server::start();
    let machine = server.machine("m", waits_then_passes()).await;
    let mut arns = Vec::new();
    for i in 0..NUMBER {
        let started = server.ok("StartExecution", input(&machine, &format!("n{i}"), 3_600)).await;
        arns.push(started["executionArn"].as_str().unwrap().to_owned());
    }
    parked(&server, NUMBER).await;
    let server = server.killed_and_started_again();
    parked(&server, NUMBER).await;

    let shown = server.ok("DescribeExecution", json!({"executionArn": arns[3]})).await;
    assert_eq!(json!([shown["status"], shown["input"]]), json!(["RUNNING", "{\"seconds\":3600}"]));
    let kinds: Vec<Value> = server.events(&arns[3]).await.iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["ExecutionStarted", "WaitStateEntered"]);
    let mut listed = Vec::new();
    let mut page = json!({"stateMachineArn": machine, "statusFilter": "RUNNING", "maxResults": 7});
    loop {
        let found = server.ok("ListExecutions", page.clone()).await;
        let names = found["executions"].as_array().unwrap().iter();
        listed.extend(names.map(|execution| execution["executionArn"].as_str().unwrap().to_owned()));
        let Some(token) = found.get("nextToken") else { break };
        page["nextToken"] = token.clone();
    }
    assert_eq!(listed, arns.iter().rev().cloned().collect::<Vec<_>>(), "newest first");
    parked(&server, NUMBER).await;

    let again = server.ok("StartExecution", input(&machine, "n5", 3_600)).await;
    assert_eq!(again["executionArn"], arns[5], "the same name and input are the same execution");
    let other = server.refused("StartExecution", input(&machine, "n5", 1)).await;
    assert_eq!(other.0, "ExecutionAlreadyExists");
    parked(&server, NUMBER).await;

    server.ok("StopExecution", json!({"executionArn": arns[7], "error": "E"})).await;
    let server = server.killed_and_started_again();
    parked(&server, NUMBER - 1).await;
    let stopped = server.ended(&arns[7]).await;
    assert_eq!(json!([stopped["status"], stopped["error"]]), json!(["ABORTED", "E"]));
    server.ok("RedriveExecution", json!({"executionArn": arns[7]})).await;
    parked(&server, NUMBER).await;
    let server = server.ended_and_started_again();
    parked(&server, NUMBER).await;

    server.ok("DeleteStateMachine", json!({"stateMachineArn": machine})).await;
    for arn in &arns {
        assert_eq!(server.ended(arn).await["status"], "ABORTED");
    }
    parked(&server, 0).await;
}

#[tokio::test]
async fn a_waiting_execution_of_another_machine_waits_for_it() {
    let server = Server::start();
    let child = server.machine("child", waits_then_passes()).await;
    let parent = json!({"StartAt": "Call", "States": {"Call": {
        "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": true,
        "Parameters": {"StateMachineArn": child, "Name": "c", "Input": {"seconds": 3_600}},
    }}});
    let parent = server.machine("parent", parent).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": parent, "name": "p"})).await;
    parked(&server, 1).await;
    let arn = "arn:aws:states:us-east-1:000000000000:execution:child:c";
    server.ok("StopExecution", json!({"executionArn": arn})).await;
    let ended = server.ended(started["executionArn"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "FAILED", "the one who waits for it is told: {ended}");
}

#[tokio::test]
#[ignore = "an execution is parked when it waits for more than a minute"]
async fn an_execution_goes_on_when_it_has_waited_long_enough() {
    let server = Server::start();
    let machine = server.machine("m", waits_then_passes()).await;
    let started = server.ok("StartExecution", input(&machine, "a", 64)).await;
    parked(&server, 1).await;
    let server = server.killed_and_started_again();
    let begun = std::time::Instant::now();
    let arn = started["executionArn"].as_str().unwrap();
    loop {
        let shown = server.ok("DescribeExecution", json!({"executionArn": arn})).await;
        if shown["status"] != "RUNNING" {
            assert_eq!(json!([shown["status"], shown["output"]]), json!(["SUCCEEDED", "\"done\""]));
            return;
        }
        assert!(begun.elapsed().as_secs() < 120, "{shown}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}
