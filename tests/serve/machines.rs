//! State machines of a server: their services, children and activities.

use aws_sdk_s3::error::ProvideErrorMetadata;
use serde_json::{Value, json};

use crate::server::Server;

fn one(state: Value) -> Value {
    json!({"StartAt": "One", "States": {"One": state}})
}

#[tokio::test]
async fn machines_start_others_and_wait_for_them() {
    let server = Server::start();
    let child = server.machine("child", one(json!({"Type": "Pass", "Result": {"n": 1}, "End": true}))).await;
    let start = |resource: &str| {
        one(json!({
            "Type": "Task",
            "Resource": format!("arn:aws:states:::states:startExecution{resource}"),
            "Parameters": {"StateMachineArn": child, "Input": {"a": 1}},
            "End": true,
        }))
    };
    let parent = server.machine("parent", start(".sync:2")).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": parent})).await;
    let ended = server.ended(started["executionArn"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let output: Value = serde_json::from_str(ended["output"].as_str().unwrap()).unwrap();
    assert_eq!(output["Output"], json!({"n": 1}));
    let listed = server.ok("ListExecutions", json!({"stateMachineArn": child})).await;
    assert_eq!(
        listed["executions"][0]["executionArn"], output["ExecutionArn"],
        "the child is a real execution"
    );
    let missing =
        server.machine("missing", start("").to_string().replace(":child", ":nobody").parse().unwrap()).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": missing})).await;
    let ended = server.ended(started["executionArn"].as_str().unwrap()).await;
    assert_eq!(ended["error"], "StepFunctions.StateMachineDoesNotExistException");
}

#[tokio::test]
async fn stopping_a_machine_stops_the_child_that_it_waits_for() {
    let server = Server::start();
    let child = server.machine("child", one(json!({"Type": "Wait", "Seconds": 3600, "End": true}))).await;
    let task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync",
        "Parameters": {"StateMachineArn": child},
        "End": true,
    });
    let parent = server.machine("parent", one(task)).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": parent})).await;
    let listing = json!({"stateMachineArn": child});
    let running = server
        .client
        .until("the child runs", "ListExecutions", listing, |listed| {
            listed["executions"][0]["status"] == "RUNNING"
        })
        .await;
    let stop = json!({"executionArn": started["executionArn"], "error": "Enough", "cause": "of it"});
    server.ok("StopExecution", stop).await;
    let ended = server.ended(running["executions"][0]["executionArn"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "ABORTED");
    let parent = server.ended(started["executionArn"].as_str().unwrap()).await;
    assert_eq!(json!([parent["error"], parent["cause"]]), json!(["Enough", "of it"]));
}

#[tokio::test]
async fn workers_take_tasks_of_activities_and_send_outcomes() {
    let server = Server::start();
    let activity = server.ok("CreateActivity", json!({"name": "approve"})).await["activityArn"].clone();
    let machine = server.machine("m", one(json!({"Type": "Task", "Resource": activity, "End": true}))).await;
    let input = json!({"stateMachineArn": machine, "input": "{\"order\": 7}"});
    let started = server.ok("StartExecution", input).await;
    let task = server.ok("GetActivityTask", json!({"activityArn": activity, "workerName": "ann"})).await;
    assert_eq!(task["input"], "{\"order\":7}");
    server.ok("SendTaskHeartbeat", json!({"taskToken": task["taskToken"]})).await;
    let outcome = json!({"taskToken": task["taskToken"], "output": "{\"ok\": true}"});
    server.ok("SendTaskSuccess", outcome.clone()).await;
    let ended = server.ended(started["executionArn"].as_str().unwrap()).await;
    assert_eq!(ended["output"], "{\"ok\":true}");
    assert_eq!(server.refused("SendTaskSuccess", outcome).await.0, "TaskTimedOut");
    let forged = json!({"taskToken": "forged", "output": "{}"});
    assert_eq!(server.refused("SendTaskSuccess", forged).await.0, "InvalidToken");
    let missing = json!({"activityArn": activity.as_str().unwrap().replace("approve", "nobody")});
    assert_eq!(server.refused("GetActivityTask", missing).await.0, "ActivityDoesNotExist");
}

#[tokio::test]
async fn map_runs_can_be_described_while_they_run_and_afterwards() {
    let server = Server::start();
    let map = json!({
        "Type": "Map",
        "Label": "Items",
        "MaxConcurrency": 2,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "P",
            "States": {"P": {"Type": "Pass", "End": true}},
        },
        "End": true,
    });
    let machine = server.machine("m", one(map)).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": machine, "input": "[1,2,3]"})).await;
    let arn = started["executionArn"].as_str().unwrap();
    assert_eq!(server.ended(arn).await["status"], "SUCCEEDED");
    let server = server.killed_and_started_again();
    let listed = server.ok("ListMapRuns", json!({"executionArn": arn})).await;
    let run = server.ok("DescribeMapRun", json!({"mapRunArn": listed["mapRuns"][0]["mapRunArn"]})).await;
    assert_eq!(
        json!([run["status"], run["maxConcurrency"], run["executionArn"]]),
        json!(["SUCCEEDED", 2, arn])
    );
    assert_eq!(run["itemCounts"]["succeeded"], 3);
    assert!(run["stopDate"].as_f64() >= run["startDate"].as_f64());
}

#[tokio::test]
async fn the_limits_of_a_map_run_change_while_it_runs() {
    let server = Server::start();
    let activity = server.ok("CreateActivity", json!({"name": "work"})).await["activityArn"].clone();
    let map = json!({
        "Type": "Map",
        "Label": "Items",
        "MaxConcurrency": 1,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "T",
            "States": {"T": {"Type": "Task", "Resource": activity, "End": true}},
        },
        "End": true,
    });
    let machine = server.machine("m", one(map)).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": machine, "input": "[1,2]"})).await;
    let take = json!({"activityArn": activity});
    let first = server.ok("GetActivityTask", take.clone()).await["taskToken"].clone();
    let listed = server.ok("ListMapRuns", json!({"executionArn": started["executionArn"]})).await;
    let run = listed["mapRuns"][0]["mapRunArn"].clone();
    server
        .ok("UpdateMapRun", json!({"mapRunArn": run, "maxConcurrency": 2, "toleratedFailureCount": 1}))
        .await;
    let shown = server.ok("DescribeMapRun", json!({"mapRunArn": run})).await;
    assert_eq!(json!([shown["maxConcurrency"], shown["toleratedFailureCount"]]), json!([2, 1]));
    let second = server.ok("GetActivityTask", take).await["taskToken"].clone();
    assert!(second.is_string(), "a second child runs");
    for token in [first, second] {
        server.ok("SendTaskSuccess", json!({"taskToken": token, "output": "{}"})).await;
    }
    let arn = started["executionArn"].as_str().unwrap();
    assert_eq!(server.ended(arn).await["status"], "SUCCEEDED");
    let late = server.refused("UpdateMapRun", json!({"mapRunArn": run, "maxConcurrency": 3})).await;
    assert_eq!(late.0, "ValidationException");
}

#[tokio::test]
async fn the_store_is_at_the_same_port() {
    let server = Server::start();
    let copy = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
        "Parameters": {"Bucket": "throughline", "Key": "jobs/a/output/b.txt", "Body": "written by a machine"},
        "End": true,
    });
    let machine = server.machine("m", one(copy)).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": machine})).await;
    let ended = server.ended(started["executionArn"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let client = server.client.s3();
    let object = client.get_object().bucket("throughline").key("jobs/a/output/b.txt").send().await.unwrap();
    assert!(object.body.collect().await.unwrap().to_vec().windows(7).any(|part| part == b"written"));
}

#[tokio::test]
async fn name_that_no_bucket_can_have_is_refused_in_words() {
    let server = Server::start();
    for name in ["Upper-case", "ab", "under_score"] {
        let refused = server.client.s3().create_bucket().bucket(name).send().await.unwrap_err();
        let refused = refused.into_service_error();
        let message = refused.message().unwrap_or_default();
        assert_eq!(refused.code(), Some("InvalidBucketName"), "{refused:?}");
        assert!(message.contains(name) && message.contains("3 to 63 lower-case letters"), "{message}");
    }
}
