//! The services that tasks call: functions, state machines, AWS services at endpoints, and activities.

use axum::Json;
use serde_json::{Value, json};
use testing::{HttpServer, closed_port, wait_until};
use tokio::runtime::Runtime;

use super::{Services, run, scene, task};

#[test]
fn functions_are_called_at_their_endpoint() {
    let services = Services::start();
    let definition = json!({ "StartAt": "One", "States": {
        "One": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": { "FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:echo:1", "Payload.$": "$" }, "ResultSelector": { "was.$": "$.Payload", "status.$": "$.StatusCode" }, "Next": "Two" },
        "Two": { "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:broken", "Catch": [{ "ErrorEquals": ["Broken"], "ResultPath": "$.caught", "Next": "End" }], "End": true },
        "End": { "Type": "Succeed" }
    }});
    let scene = scene(&definition);
    let ended = run(&scene, &["--functions", &services.server.url(""), "--input", "{\"n\": 1}"], 0);
    assert_eq!(ended["output"]["was"], json!({ "n": 1 }));
    assert_eq!(ended["output"]["status"], 200);
    assert_eq!(ended["output"]["caught"]["Error"], "Broken");
}

#[test]
fn state_machine_starts_another_and_waits_for_it() {
    let start = |pattern: &str, machine: &str| {
        let arn = format!("arn:aws:states:us-east-1:123456789012:stateMachine:{machine}");
        task(
            &format!("arn:aws:states:::states:startExecution{pattern}"),
            &json!({ "StateMachineArn": arn, "Input": { "n.$": "$.n" } }),
        )
    };
    let scene = scene(&start(".sync:2", "child"));
    scene.write(
        "child.json",
        r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"was.$": "$.n"}, "End": true}}}"#,
    );
    scene.write("bad.json", r#"{"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "Bad"}}}"#);
    let args = ["--input", "{\"n\": 5}", "--machine", "child=child.json", "--machine", "bad=bad.json"];
    let output = run(&scene, &args, 0)["output"].clone();
    assert_eq!((&output["Status"], &output["Output"]), (&json!("SUCCEEDED"), &json!({ "was": 5 })));
    scene.write("machine.json", start(".sync", "child").to_string());
    assert_eq!(run(&scene, &args, 0)["output"]["Output"], "{\"was\":5}");
    scene.write("machine.json", start("", "child").to_string());
    assert!(run(&scene, &args, 0)["output"]["ExecutionArn"].as_str().unwrap().contains(":execution:child:"));
    scene.write("machine.json", start(".sync", "bad").to_string());
    let failed = run(&scene, &args, 3);
    assert_eq!(failed["error"], "States.TaskFailed");
    assert!(failed["cause"].as_str().unwrap().contains("\"Error\":\"Bad\""), "{failed}");
    scene.write("machine.json", start("", "other").to_string());
    assert_eq!(run(&scene, &args, 3)["error"], "StepFunctions.StateMachineDoesNotExistException");
}

#[test]
fn aws_service_is_called_at_its_named_endpoint() {
    let services = Services::start();
    let endpoint = format!("dynamodb={}", services.server.url(""));
    let mut definition = task(
        "arn:aws:states:::dynamodb:getItem",
        &json!({ "TableName.$": "$.table", "Key": { "id": { "S": "7" } } }),
    );
    let scene = scene(&definition);
    let output = run(&scene, &["--endpoint", &endpoint, "-i", "{\"table\": \"t\"}"], 0)["output"].clone();
    assert_eq!(
        output,
        json!({ "target": "DynamoDB_20120810.GetItem", "asked": { "TableName": "t", "Key": { "id": { "S": "7" } } } })
    );
    let failed = run(&scene, &["--endpoint", &endpoint, "-i", "{\"table\": \"none\"}"], 3);
    assert_eq!(failed["error"], "DynamoDB.ResourceNotFoundException");
    assert!(
        failed["cause"]
            .as_str()
            .unwrap()
            .starts_with("no table (Service: AmazonDynamoDBv2; Status Code: 400;")
    );
    definition["States"]["Do"]["Resource"] = "arn:aws:states:::aws-sdk:dynamodb:getItem".into();
    scene.write("machine.json", definition.to_string());
    let failed = run(&scene, &["--endpoint", &endpoint, "-i", "{\"table\": \"none\"}"], 3);
    assert_eq!(failed["error"], "DynamoDb.ResourceNotFoundException");
    // A service whose parameters begin with a small letter.
    definition = task("arn:aws:states:::aws-sdk:sfn:describeExecution", &json!({ "ExecutionArn": "arn" }));
    scene.write("machine.json", definition.to_string());
    let output =
        run(&scene, &["--endpoint", &format!("sfn={}", services.server.url(""))], 0)["output"].clone();
    assert_eq!(
        output,
        json!({ "Target": "AWSStepFunctions.DescribeExecution", "Asked": { "ExecutionArn": "arn" } })
    );
    let wrong =
        scene.run(&["states", "run", "machine.json", "--endpoint", "sns=http://127.0.0.1:1"]).expect(1);
    assert!(wrong.stderr.contains("sns") && wrong.stderr.contains("dynamodb"), "{}", wrong.stderr);
}

/// What a service responses: to the action that starts a job, and then to each look at it.
fn job_service(responses: Vec<Value>) -> HttpServer {
    HttpServer::start(move |n, _| Json(responses[n.min(responses.len() - 1)].clone()))
}

#[test]
fn task_ends_with_the_job_that_it_starts() {
    let query = |state: &str| json!({ "QueryExecution": { "Status": { "State": state } } });
    let build = |status: &str| json!({ "builds": [{ "id": "b", "buildStatus": status }] });
    let container = |status: &str, code: u32| json!({ "tasks": [{ "taskArn": "t", "lastStatus": status, "containers": [{ "exitCode": code }] }] });
    let glue = |state: &str| json!({ "JobRun": { "Id": "r", "JobRunState": state } });
    let ecs = json!({ "Cluster": "c", "TaskDefinition": "d" });
    let started = json!({ "tasks": [{ "taskArn": "t" }], "failures": [] });
    let cases = [
        (
            "athena:startQueryExecution",
            json!({}),
            json!({ "QueryExecutionId": "q" }),
            query("RUNNING"),
            query("SUCCEEDED"),
            Some(query("SUCCEEDED")),
        ),
        (
            "athena:startQueryExecution",
            json!({}),
            json!({ "QueryExecutionId": "q" }),
            query("QUEUED"),
            query("FAILED"),
            None,
        ),
        (
            "codebuild:startBuild",
            json!({ "ProjectName": "p" }),
            json!({ "build": { "id": "b" } }),
            build("IN_PROGRESS"),
            build("SUCCEEDED"),
            Some(json!({ "Build": { "Id": "b", "BuildStatus": "SUCCEEDED" } })),
        ),
        (
            "codebuild:startBuild",
            json!({ "ProjectName": "p" }),
            json!({ "build": { "id": "b" } }),
            build("IN_PROGRESS"),
            build("FAULT"),
            None,
        ),
        (
            "ecs:runTask",
            ecs.clone(),
            started.clone(),
            container("RUNNING", 0),
            container("STOPPED", 0),
            Some(json!({ "TaskArn": "t", "LastStatus": "STOPPED", "Containers": [{ "ExitCode": 0 }] })),
        ),
        ("ecs:runTask", ecs, started, container("PENDING", 0), container("STOPPED", 1), None),
        (
            "glue:startJobRun",
            json!({ "JobName": "j" }),
            json!({ "JobRunId": "r" }),
            glue("RUNNING"),
            glue("SUCCEEDED"),
            Some(json!({ "Id": "r", "JobRunState": "SUCCEEDED" })),
        ),
        (
            "glue:startJobRun",
            json!({ "JobName": "j" }),
            json!({ "JobRunId": "r" }),
            glue("STARTING"),
            glue("TIMEOUT"),
            None,
        ),
    ];
    for (action, parameters, started, under_way, ended, expected) in cases {
        let server = job_service(vec![started, under_way, ended]);
        let scene = scene(&task(&format!("arn:aws:states:::{action}.sync"), &parameters));
        let service = action.split(':').next().unwrap();
        let endpoint = format!("{service}={}", server.url(""));
        let ran = run(&scene, &["--endpoint", &endpoint, "-i", "{}"], if expected.is_some() { 0 } else { 3 });
        match expected {
            Some(expected) => assert_eq!(ran["output"], expected, "{action}"),
            None => assert_eq!(ran["error"], "States.TaskFailed", "{action}: {ran}"),
        }
        assert_eq!(server.count(), 3, "{action}: one start and two looks");
    }
}

#[test]
fn job_that_does_not_start_fails_its_task() {
    let failures = json!({ "tasks": [], "failures": [{ "reason": "RESOURCE:MEMORY" }] });
    let server = job_service(vec![failures]);
    let scene = scene(&task("arn:aws:states:::ecs:runTask.sync", &json!({ "TaskDefinition": "d" })));
    let ran = run(&scene, &["--endpoint", &format!("ecs={}", server.url("")), "-i", "{}"], 3);
    assert_eq!(ran["error"], "States.TaskFailed");
    assert!(ran["cause"].as_str().unwrap().contains("RESOURCE:MEMORY"), "{ran}");
}

#[test]
fn job_that_cannot_be_waited_for_is_refused_before_the_start() {
    let server = job_service(vec![json!({})]);
    let scene = scene(&task("arn:aws:states:::codebuild:startBuildBatch.sync", &json!({})));
    let endpoint = format!("codebuild={}", server.url(""));
    let refused =
        scene.run(&["states", "run", "machine.json", "--endpoint", &endpoint, "-i", "{}"]).expect(1);
    assert!(refused.stderr.contains("codebuild:startBuildBatch cannot be waited for"), "{}", refused.stderr);
    assert_eq!(server.count(), 0);
}

#[test]
fn activity_worker_takes_a_task_and_sends_its_outcome() {
    let arn = "arn:aws:states:us-east-1:123456789012:activity:review";
    let scene = scene(
        &json!({ "StartAt": "Do", "States": { "Do": { "Type": "Task", "Resource": arn, "HeartbeatSeconds": 60, "End": true } } }),
    );
    let port = closed_port();
    let running = scene.start(&[
        "states",
        "run",
        "machine.json",
        "--json",
        "--history",
        "-i",
        "{\"n\": 1}",
        "--port",
        &port.port().to_string(),
    ]);
    let runtime = Runtime::new().unwrap();
    let call = |action: &str, body: Value| {
        let target = format!("AWSStepFunctions.{action}");
        let request = reqwest::Client::new()
            .post(format!("http://{port}/"))
            .header("x-amz-target", target)
            .body(body.to_string());
        let response = runtime.block_on(async {
            Ok::<Value, reqwest::Error>(serde_json::from_str(&request.send().await?.text().await?).unwrap())
        });
        response.ok()
    };
    wait_until("the API is served", || call("Nothing", json!({})).is_some());
    let task = call("GetActivityTask", json!({ "activityArn": arn, "workerName": "me" })).unwrap();
    assert_eq!(task["input"], "{\"n\":1}");
    assert_eq!(call("SendTaskHeartbeat", json!({ "taskToken": task["taskToken"] })).unwrap(), json!({}));
    assert_eq!(
        call("SendTaskSuccess", json!({ "taskToken": "other", "output": "1" })).unwrap()["__type"],
        "InvalidToken"
    );
    assert_eq!(
        call("SendTaskSuccess", json!({ "taskToken": task["taskToken"], "output": "{\"ok\":true}" }))
            .unwrap(),
        json!({})
    );
    let ran = running.wait().expect(0);
    let ended: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(ended["output"], json!({ "ok": true }));
    let started =
        ended["history"].as_array().unwrap().iter().find(|event| event["type"] == "ActivityStarted").unwrap();
    assert_eq!(started["activityStartedEventDetails"]["workerName"], "me");
}
