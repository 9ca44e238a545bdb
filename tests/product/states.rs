//! `throughline states run` with every kind of service that a task can call.

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parquet::data_type::Int64Type;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};
use testing::{Api, HttpServer, Scene, closed_port, wait_until};
use tokio::runtime::Runtime;

/// A folder with `machine.json`.
pub fn scene(definition: &Value) -> Scene {
    Scene::new("", "machine.json", definition.to_string())
}

/// A machine of one task.
pub fn task(resource: &str, parameters: &Value) -> Value {
    json!({ "StartAt": "Do", "States": { "Do": { "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true } } })
}

/// Runs it with `--json`.
fn run(scene: &Scene, args: &[&str], code: i32) -> Value {
    let ran = scene.run(&[&["states", "run", "machine.json", "--json"], args].concat()).expect(code);
    engine::json::from_str(&ran.stdout).unwrap()
}

/// Replaces other services: echoes the payload of a function, fails for the function `broken`, and returns what an AWS
/// JSON service was asked for.
pub struct Services {
    pub server: HttpServer,
}

impl Services {
    pub fn start() -> Self {
        let router = axum::Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            .route("/", post(service));
        Self { server: HttpServer::router(router) }
    }
}

async fn invoke(Path(name): Path<String>, body: String) -> Response {
    match name.as_str() {
        "broken" => (
            StatusCode::OK,
            [("x-amz-function-error", "Unhandled")],
            Json(json!({ "errorType": "Broken", "errorMessage": "so" })),
        )
            .into_response(),
        _ => body.into_response(),
    }
}

async fn service(headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    if body["TableName"] == "none" {
        let error = json!({ "__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "no table" });
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    }
    Json(json!({ "target": target, "asked": body })).into_response()
}

#[test]
fn states_run_prints_the_output_and_sets_the_exit_code() {
    let definition = json!({ "StartAt": "A", "States": {
        "A": { "Type": "Choice", "Choices": [{ "Variable": "$.ok", "BooleanEquals": true, "Next": "B" }], "Default": "C" },
        "B": { "Type": "Pass", "Parameters": { "said.$": "States.Format('{}!', $.word)" }, "End": true },
        "C": { "Type": "Fail", "Error": "No", "Cause": "not ok" }
    }});
    let scene = scene(&definition);
    let ended = run(&scene, &["--input", r#"{"ok": true, "word": "yes"}"#], 0);
    assert_eq!(
        ended,
        json!({ "status": "SUCCEEDED", "output": { "said": "yes!" }, "error": null, "cause": null })
    );
    scene.write("input.json", r#"{"ok": false}"#);
    let ended = run(&scene, &["-i", "input.json", "--history"], 3);
    assert_eq!(
        (&ended["status"], &ended["error"], &ended["cause"]),
        (&json!("FAILED"), &json!("No"), &json!("not ok"))
    );
    let kinds: Vec<&str> =
        ended["history"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "ExecutionStarted",
            "ChoiceStateEntered",
            "ChoiceStateExited",
            "FailStateEntered",
            "ExecutionFailed"
        ]
    );
    let ran = scene.run(&["states", "run", "machine.json", "-i", "{\"ok\": true, \"word\": 1}"]).expect(0);
    assert_eq!(ran.stdout, "SUCCEEDED\n{\n  \"said\": \"1!\"\n}\n");
    let wrong = scene.run(&["states", "run", "machine.json", "-i", "missing.json"]).expect(1);
    assert!(wrong.stderr.contains("missing.json"), "{}", wrong.stderr);
}

#[test]
fn tasks_without_a_handler_are_named_before_the_first_state() {
    let definition = json!({ "StartAt": "Store", "States": {
        "Store": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:putObject", "Parameters": { "Bucket": "throughline", "Key": "k", "Body": "x" }, "Next": "Call" },
        "Call": { "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "Next": "Publish" },
        "Publish": { "Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Parameters": { "TopicArn": "t", "Message": "m" }, "Next": "Query" },
        "Query": { "Type": "Task", "Resource": "arn:aws:states:::dynamodb:getItem", "Parameters": {}, "Next": "Wait" },
        "Wait": { "Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:a", "End": true }
    }});
    let scene = scene(&definition);
    let wrong = scene.run(&["states", "run", "machine.json"]).expect(1);
    for (state, what) in [
        ("Call", "--functions"),
        ("Publish", "--mocks"),
        ("Query", "--endpoint dynamodb=URL"),
        ("Wait", "--port"),
    ] {
        assert!(
            wrong.stderr.lines().any(|line| line.starts_with(state) && line.contains(what)),
            "{state}: {}",
            wrong.stderr
        );
    }
    assert!(!scene.exists(".throughline/k"));
}

#[test]
fn mocks_respond_attempt_by_attempt() {
    let mut definition = task(
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        &json!({ "MessageBody.$": "$$.Task.Token" }),
    );
    definition["States"]["Do"]["Retry"] =
        json!([{ "ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 2 }]);
    let scene = scene(&definition);
    scene.write(
        "mocks.json",
        json!({
            "StateMachines": { "m": { "TestCases": { "good": { "Do": "Second" }, "bad": { "Do": "Never" } } } },
            "MockedResponses": {
                "Second": { "0": { "Throw": { "Error": "Busy", "Cause": "wait" } }, "1-2": { "Return": { "MessageId": "7" } } },
                "Never": { "0": { "Throw": { "Error": "Gone" } } }
            }
        })
        .to_string(),
    );
    let ended = run(&scene, &["--mocks", "mocks.json", "--case", "m#good"], 0);
    assert_eq!(ended["output"], json!({ "MessageId": "7" }));
    assert_eq!(run(&scene, &["--mocks", "mocks.json", "--case", "m#bad"], 3)["error"], "Gone");
    let wrong = scene.run(&["states", "run", "machine.json", "--mocks", "mocks.json"]).expect(1);
    assert!(wrong.stderr.contains("m#bad, m#good"), "{}", wrong.stderr);
}

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
fn tasks_and_maps_share_the_store() {
    let sdk = |action: &str| format!("arn:aws:states:::aws-sdk:s3:{action}");
    let definition = json!({ "StartAt": "Make", "States": {
        "Make": { "Type": "Task", "Resource": sdk("createBucket"), "Parameters": { "Bucket": "data" }, "ResultPath": null, "Next": "Put" },
        "Put": { "Type": "Task", "Resource": sdk("putObject"), "Parameters": { "Bucket": "data", "Key": "in/rows.csv", "Body": "id,word\n1,one\n2,two\n" }, "ResultPath": null, "Next": "Copy" },
        "Copy": { "Type": "Task", "Resource": sdk("copyObject"), "Parameters": { "Bucket": "data", "Key": "in/again.csv", "CopySource": "data/in/rows.csv" }, "ResultPath": null, "Next": "List" },
        "List": { "Type": "Task", "Resource": sdk("listObjectsV2"), "Parameters": { "Bucket": "data", "Prefix": "in/" }, "ResultSelector": { "keys.$": "$.Contents[*].Key" }, "ResultPath": "$.listed", "Next": "Map" },
        "Map": {
            "Type": "Map",
            "ItemReader": { "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": { "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW" }, "Parameters": { "Bucket": "data", "Key": "in/rows.csv" } },
            "ItemProcessor": { "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" }, "StartAt": "Word", "States": { "Word": { "Type": "Pass", "OutputPath": "$.word", "End": true } } },
            "ResultPath": "$.words",
            "Next": "Get"
        },
        "Get": { "Type": "Task", "Resource": sdk("getObject"), "Parameters": { "Bucket": "data", "Key": "none" }, "Catch": [{ "ErrorEquals": ["S3.NoSuchKeyException"], "ResultPath": "$.missing", "Next": "Delete" }], "End": true },
        "Delete": { "Type": "Task", "Resource": sdk("deleteObject"), "Parameters": { "Bucket": "data", "Key": "in/again.csv" }, "ResultPath": null, "End": true }
    }});
    let scene = scene(&definition);
    let output = run(&scene, &["--store", "here"], 0)["output"].clone();
    assert_eq!(output["listed"]["keys"], json!(["in/again.csv", "in/rows.csv"]));
    assert_eq!(output["words"], json!(["one", "two"]));
    assert_eq!(output["missing"]["Error"], "S3.NoSuchKeyException");
    assert!(
        scene.exists("here/.s3/buckets/data/in/rows.csv")
            && !scene.exists("here/.s3/buckets/data/in/again.csv")
    );
}

#[test]
fn http_task_calls_an_api() {
    let api = Api::start();
    let mut definition = task(
        "arn:aws:states:::http:invoke",
        &json!({
            "ApiEndpoint.$": "$.url",
            "Method": "POST",
            "Headers": { "x-one": "1" },
            "QueryParameters": { "q": ["a b", 2] },
            "RequestBody": { "n": 1 },
            "Authentication": { "ConnectionArn": "arn:aws:events:us-east-1:123456789012:connection/c/1" }
        }),
    );
    definition["States"]["Do"]["Catch"] =
        json!([{ "ErrorEquals": ["States.Http.StatusCode.404"], "Next": "Gone" }]);
    definition["States"]["Gone"] = json!({ "Type": "Pass", "Result": "gone", "End": true });
    let scene = scene(&definition);
    let input = |path: &str| json!({ "url": api.url(path) }).to_string();
    let local = ["--allow", "127.0.0.1"];
    let output = run(&scene, &[&["--input", &input("/ok/7")], &local[..]].concat(), 0)["output"].clone();
    assert_eq!((&output["StatusCode"], &output["ResponseBody"]["twice"]), (&json!(200), &json!("77")));
    let seen = api.requests().pop().unwrap();
    assert_eq!(
        (seen.method.as_str(), seen.body.as_str(), seen.uri.as_str()),
        ("POST", "{\"n\":1}", "/ok/7?q=a+b&q=2")
    );
    assert_eq!(seen.headers["x-one"], "1");
    assert_eq!(run(&scene, &[&["--input", &input("/status/404")], &local[..]].concat(), 0)["output"], "gone");
    // As it went over the wire.
    let wire = input("/ok/7");
    let ran = scene
        .run(&[
            "states",
            "test",
            "machine.json",
            "--state",
            "Do",
            "--input",
            &wire,
            "--json",
            "--level",
            "trace",
            "--allow",
            "127.0.0.1",
        ])
        .expect(0);
    let seen = &serde_json::from_str::<Value>(&ran.stdout).unwrap()["inspectionData"];
    let (request, response) = (&seen["request"], &seen["response"]);
    assert_eq!(
        (&request["method"], &request["body"], &request["protocol"]),
        (&json!("POST"), &json!("{\"n\":1}"), &json!("http"))
    );
    assert_eq!(request["url"], api.url("/ok/7?q=a+b&q=2"));
    assert!(request["headers"].as_str().unwrap().starts_with("[x-one: 1, "), "{request}");
    assert_eq!((&response["statusCode"], &response["statusMessage"]), (&json!("200"), &json!("OK")));
    assert!(response["body"].as_str().unwrap().contains("\"77\""), "{response}");
}

/// Redirects to itself, responds without end, or echoes the form that it received.
async fn hostile(uri: axum::http::Uri, headers: HeaderMap, body: String) -> Response {
    match uri.path() {
        "/away" => (StatusCode::FOUND, [("location", "/secret")]).into_response(),
        "/endless" => axum::body::Body::from_stream(futures_util::stream::repeat_with(|| {
            Ok::<_, std::io::Error>(vec![b'x'; 65_536])
        }))
        .into_response(),
        "/private" => "{\"$serde_json::private::RawValue\": \"[1]\", \"$serde_json::private::Number\": 1}"
            .into_response(),
        _ => Json(
            json!({ "kind": headers.get("content-type").and_then(|kind| kind.to_str().ok()), "body": body }),
        )
        .into_response(),
    }
}

#[test]
fn http_task_refuses_private_addresses_and_endless_bodies() {
    let server = HttpServer::router(axum::Router::new().fallback(hostile));
    let port = server.port();
    let ask = |host: &str, path: &str, more: Value| {
        let mut parameters =
            json!({ "ApiEndpoint": format!("http://{host}:{port}{path}"), "Method": "POST" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        scene(&task("arn:aws:states:::http:invoke", &parameters))
    };
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "169.254.169.254"] {
        let failed = run(&ask(host, "/", json!({})), &[], 3);
        assert_eq!(failed["error"], "States.Http.Socket", "{host}: {failed}");
        assert!(failed["cause"].as_str().unwrap().contains("--allow"), "{host}: {failed}");
    }
    let local = ["--allow", "127.0.0.0/8"];
    assert_eq!(run(&ask("127.0.0.1", "/away", json!({})), &local, 3)["error"], "States.Http.StatusCode.302");
    assert_eq!(run(&ask("127.0.0.1", "/endless", json!({})), &local, 3)["error"], "States.DataLimitExceeded");
    for name in [
        "Host",
        "X-Amz-Target",
        "X-Forwarded-For",
        "Transfer-Encoding",
        "Content-Length",
        "Proxy-Authorization",
    ] {
        let failed = run(&ask("127.0.0.1", "/", json!({ "Headers": { name: "1" } })), &local, 3);
        assert_eq!(failed["error"], "States.Runtime", "{name}: {failed}");
        assert!(failed["cause"].as_str().unwrap().contains(name), "{name}: {failed}");
    }
    let wrong = run(&ask("127.0.0.1", "/", json!({ "Headers": { "x-a": "b\r\nHost: c" } })), &local, 3);
    assert_eq!(wrong["error"], "States.Runtime", "{wrong}");
    assert_eq!(
        run(&ask("127.0.0.1", "/private", json!({})), &local, 0)["output"]["ResponseBody"],
        json!({ "$serde_json::private::RawValue": "[1]", "$serde_json::private::Number": 1 })
    );
    for (format, body) in [
        (None, "array%5B0%5D=a&array%5B1%5D=b&o%5Bk%5D=1"),
        (Some("INDICES"), "array%5B0%5D=a&array%5B1%5D=b&o%5Bk%5D=1"),
        (Some("REPEAT"), "array=a&array=b&o%5Bk%5D=1"),
        (Some("COMMAS"), "array=a%2Cb&o%5Bk%5D=1"),
        (Some("BRACKETS"), "array%5B%5D=a&array%5B%5D=b&o%5Bk%5D=1"),
    ] {
        let mut transform = json!({ "RequestBodyEncoding": "URL_ENCODED" });
        if let Some(format) = format {
            transform["RequestEncodingOptions"] = json!({ "ArrayFormat": format });
        }
        let more = json!({ "RequestBody": { "array": ["a", "b"], "o": { "k": 1 } }, "Transform": transform });
        let sent = run(&ask("127.0.0.1", "/", more), &local, 0)["output"]["ResponseBody"].clone();
        assert_eq!(sent, json!({ "kind": "application/x-www-form-urlencoded", "body": body }), "{format:?}");
    }
}

/// With little memory, a definition that grows without limit fails with an error that it can catch.
#[test]
fn expression_that_grows_without_limit_fails() {
    let double = "$f := function($a, $n){$n = 0 ? $a : $f({'a': $a, 'b': $a}, $n - 1)}";
    let repeat = "$t := function($s, $n){$n = 0 ? $s : $t($s & $s, $n - 1)}";
    for expression in [
        format!("({double}; $f(1, 40))"),
        format!("({double}; $string($f(1, 40)))"),
        format!("({repeat}; $t('text', 60))"),
    ] {
        let state = json!({ "Type": "Pass", "Output": format!("{{% {expression} %}}"), "End": true });
        let scene = scene(&json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": { "A": state } }));
        let program = env!("CARGO_BIN_EXE_throughline");
        let script = format!("ulimit -v 2000000; exec {program} states run machine.json --json");
        let ran = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(scene.path(""))
            .output()
            .unwrap();
        let ended: Value =
            serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{expression}: {ran:?}"));
        assert_eq!(ended["error"], "States.QueryEvaluationError", "{expression}: {ended}");
    }
}

#[test]
fn an_interrupted_execution_is_aborted() {
    let api = Api::start();
    let parameters = json!({ "ApiEndpoint": api.url("/stall/1"), "Method": "GET" });
    let scene = scene(&task("arn:aws:states:::http:invoke", &parameters));
    let running =
        scene.start(&["states", "run", "machine.json", "--json", "--history", "--allow", "127.0.0.1"]);
    wait_until("it asks", || api.count() == 1);
    let ended: Value = serde_json::from_str(&running.interrupt().expect(130).stdout).unwrap();
    assert_eq!((&ended["status"], &ended["output"]), (&json!("ABORTED"), &Value::Null));
    let last = ended["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["type"], &last["id"]), (&json!("ExecutionAborted"), &json!(5)));
}

#[test]
fn a_map_reads_the_rows_of_a_parquet_file() {
    let schema = Arc::new(parse_message_type("message m { required int64 n; }").unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Default::default()).unwrap();
    for rows in [[1, 2], [3, 4]] {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&rows, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    let scene = scene(&json!({ "StartAt": "Each", "States": { "Each": {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": { "InputType": "PARQUET" },
            "Parameters": { "Bucket": "throughline", "Key": "rows.parquet" }
        },
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" },
            "StartAt": "N", "States": { "N": { "Type": "Pass", "OutputPath": "$.n", "End": true } }
        },
        "End": true
    } } }));
    std::fs::create_dir(scene.path("here")).unwrap();
    scene.write("here/rows.parquet", writer.into_inner().unwrap());
    assert_eq!(run(&scene, &["--store", "here"], 0)["output"], json!([1, 2, 3, 4]));
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
