//! `states run`: outcomes, and what ends an execution early.

use serde_json::{Value, json};
use testing::{Api, wait_until};

use super::{run, scene, task};

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
