//! Commands of this machine are functions of state machines.

use serde_json::{Value, json};

use crate::server::Server;

const SETTINGS: &str = r#"
[functions.double]
command = ["sh", "-c", "read line; echo \"{\\\"given\\\": $line, \\\"home\\\": \\\"$PWD\\\"}\""]
[functions.own]
command = ["sh", "-c", "echo '{\"errorType\": \"NoSuchOrder\", \"errorMessage\": \"order 7\"}'; exit 1"]
[functions.crash]
command = ["sh", "-c", "echo out of luck >&2; exit 3"]
[functions.text]
command = ["echo", "hello"]
[functions.slow]
command = ["sh", "-c", "sleep 600 & echo $! > slow.pid; wait"]
timeout = "1s"
[functions.missing]
command = ["/no/such/program"]
"#;

fn calling(function: &str) -> Value {
    let task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload.$": "$"},
        "OutputPath": "$.Payload",
        "End": true,
    });
    json!({"StartAt": "T", "States": {"T": task}})
}

async fn call(server: &Server, function: &str, called: &str) -> Value {
    let machine = server.machine(function, calling(called)).await;
    let started =
        server.ok("StartExecution", json!({"stateMachineArn": machine, "input": "{\"a\": 1.50}"})).await;
    server.ended(started["executionArn"].as_str().unwrap()).await
}

#[tokio::test]
async fn a_command_gets_json_and_returns_json_and_its_errors_are_those_of_lambda() {
    let server = Server::start_with(SETTINGS);
    for (name, called) in
        [("double", "double"), ("arn", "arn:aws:lambda:us-east-1:000000000000:function:double:LIVE")]
    {
        let ended = call(&server, name, called).await;
        assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        let output: Value = serde_json::from_str(ended["output"].as_str().unwrap()).unwrap();
        assert_eq!(output["given"], json!({"a": 1.5}));
    }
    for (function, error, cause) in [
        ("own", "NoSuchOrder", "order 7"),
        ("crash", "Runtime.ExitError", "exit status: 3: out of luck"),
        ("text", "Runtime.MarshalError", "not JSON"),
        ("slow", "Sandbox.Timedout", "timed out after 1.00 seconds"),
        ("missing", "Runtime.InvalidEntrypoint", "/no/such/program"),
        ("unknown", "States.Runtime", "no URL for functions"),
    ] {
        let ended = call(&server, function, function).await;
        assert_eq!(json!([ended["status"], ended["error"]]), json!(["FAILED", error]), "{ended}");
        assert!(ended["cause"].as_str().unwrap().contains(cause), "{ended}");
    }
    let id = server.scene.read("slow.pid");
    let gone = || !std::path::Path::new(&format!("/proc/{}/fd/0", id.trim())).exists();
    testing::wait_until("the processes of a call that took too long are killed", gone);
}

#[tokio::test]
async fn a_command_of_an_execution_that_is_stopped_is_killed() {
    let settings = SETTINGS.replace("timeout = \"1s\"", "timeout = \"1h\"");
    let server = Server::start_with(&settings);
    let machine = server.machine("slow", calling("slow")).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": machine})).await;
    testing::wait_until("the command runs", || {
        server.scene.exists("slow.pid") && !server.scene.read("slow.pid").is_empty()
    });
    let id = server.scene.read("slow.pid");
    server.ok("StopExecution", json!({"executionArn": started["executionArn"]})).await;
    let gone = || !std::path::Path::new(&format!("/proc/{}/fd/0", id.trim())).exists();
    testing::wait_until("the command is killed", gone);
}
