//! `states test --suite`: files of cases.

use std::time::Instant;

use serde_json::{Value, json};
use testing::Scene;

use super::scene;

/// Pays for an order, waits if the bank is busy, and apologises if it refuses.
fn orders() -> Scene {
    let pay = "arn:aws:states:::lambda:invoke";
    scene(&json!({ "StartAt": "Large?", "States": {
        "Large?": { "Type": "Choice", "Choices": [{ "Variable": "$.total", "NumericGreaterThan": 100, "Next": "Review" }], "Default": "Pay" },
        "Review": { "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Parameters": { "QueueUrl": "${Queue}", "MessageBody.$": "$$.Task.Token" }, "ResultPath": "$.review", "Next": "Pause" },
        "Pause": { "Type": "Wait", "Seconds": 60, "Next": "Pay" },
        "Pay": {
            "Type": "Task", "Resource": pay, "Parameters": { "FunctionName": "${Pay}", "Payload.$": "$" }, "ResultPath": "$.paid",
            "Retry": [{ "ErrorEquals": ["Busy"], "IntervalSeconds": 10, "MaxAttempts": 2 }],
            "Catch": [{ "ErrorEquals": ["Refused"], "ResultPath": "$.error", "Next": "Sorry" }],
            "Next": "Items"
        },
        "Items": {
            "Type": "Map", "MaxConcurrency": 1, "ItemsPath": "$.items", "ResultPath": "$.sent",
            "ItemProcessor": { "StartAt": "Send", "States": { "Send": { "Type": "Task", "Resource": pay, "Parameters": { "FunctionName": "send" }, "OutputPath": "$.n", "End": true } } },
            "Next": "Done"
        },
        "Done": { "Type": "Succeed", "OutputPath": "$.sent" },
        "Sorry": { "Type": "Fail", "Error": "NotPaid", "Cause": "the bank refused" }
    }}))
}

const SUITE: &str = r#"
Comment: All ways through an order.
Cases:
  - Name: small order
    Input: { total: 1, items: [1, 2] }
    Mocks:
      Pay: { Return: ok }
      Send: [{ Return: { n: 1 } }, { Return: { n: 2.0 } }]
    Expect:
      Output: [1, 2]
      Path: ["Large?", Pay, Items, Done]
  - Name: large order, busy bank
    Input: { total: 1000, items: [] }
    Mocks:
      Review: { Return: { by: me } }
      Pay: { "0-1": { Throw: { Error: Busy } }, "2": { Return: ok } }
    Expect: { Output: [], Path: ["Large?", Review, Pause, Pay, Items, Done] }
  - Name: refused
    Input: { total: 1 }
    Mocks: { Pay: { Throw: { Error: Refused, Cause: "no & <never>" } } }
    Expect: { Error: NotPaid, Cause: refused }
  - Name: one state
    State: Pay
    Input: { total: 5 }
    Mocks: { Pay: { Return: ok } }
    Expect: { OutputIncludes: { paid: ok }, Next: Items }
"#;

#[test]
fn suite_runs_its_cases_and_says_what_they_reach() {
    let scene = orders();
    scene.write("suite.yaml", SUITE);
    let started = Instant::now();
    let ran = scene
        .run(&["states", "test", "machine.json", "--suite", "suite.yaml", "--junit", "out.xml"])
        .expect(0);
    assert!(started.elapsed().as_secs() < 20, "waits do not take their real time");
    for line in ["ok     small order", "4 passed, 0 failed", "reached: 8 of 8 states, 3 of 3 branches"] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    assert!(scene.read("out.xml").contains("<testcase classname=\"suite.yaml\" name=\"refused\""));
    assert!(!scene.exists(".throughline"));
}

#[test]
fn failed_cases_say_what_differs() {
    let scene = orders();
    let wrong = [
        ("Output: [1, 2]", "Output: [1, 3]"),
        ("Error: NotPaid", "Error: Paid"),
        ("Next: Items", "Next: Done"),
        ("Pause, Pay, Items", "Pay, Items"),
    ];
    let suite = wrong.iter().fold(SUITE.to_owned(), |suite, (right, wrong)| suite.replace(right, wrong));
    scene.write("suite.yaml", suite);
    let args = ["states", "test", "machine.json", "--suite", "suite.yaml", "--junit", "out.xml"];
    let shown = scene.run(&args).expect(3).stdout;
    for part in [
        "FAILED small order",
        "the output is [1,2.0], expected [1,3]",
        "the error is NotPaid, expected Paid",
        "the next state is Items, expected Done",
        "the path is Large?, Review, Pause, Pay, Items, Done, expected",
        "0 passed, 4 failed",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let xml = scene.read("out.xml");
    assert!(
        xml.contains("tests=\"4\" failures=\"4\"") && xml.contains("<failure message=\"the error is NotPaid"),
        "{xml}"
    );
    let json = scene.run(&[&args[..], &["--json"]].concat()).expect(3).stdout;
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["failed"], &report["cases"][3]["name"]), (&json!(4), &json!("one state")));
}

#[test]
fn states_and_branches_that_no_case_reaches_are_named() {
    let scene = orders();
    let suite = json!({ "Cases": [{ "Name": "a", "Input": { "total": 1, "items": [] }, "Mocks": { "Pay": { "Return": 1 } } }] });
    scene.write("suite.json", suite.to_string());
    let args = ["states", "test", "machine.json", "--suite", "suite.json"];
    let shown = scene.run(&args).expect(0).stdout;
    for line in [
        "reached: 4 of 8 states, 1 of 3 branches",
        "not reached: the state Review",
        "not reached: the branch Large? -> Review",
        "not reached: the branch Pay -> Sorry after an error",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let report: Value =
        serde_json::from_str(&scene.run(&[&args[..], &["--json"]].concat()).expect(0).stdout).unwrap();
    assert_eq!(report["coverage"]["branches"]["missed"].as_array().unwrap().len(), 2);
    // A task that nothing mocks fails its case; the others are run.
    scene.write("suite.json", json!({ "Cases": [{ "Name": "b", "Input": { "total": 1 } }, { "Name": "c", "State": "Done", "Input": { "sent": 1 }, "Expect": { "Output": 1 } }] }).to_string());
    let shown = scene.run(&args).expect(3).stdout;
    assert!(shown.contains("--set Pay=VALUE") && shown.contains("ok     c"), "{shown}");
}

#[test]
fn case_takes_its_mocks_from_a_mock_config_file() {
    let scene = orders();
    let mocks = json!({
        "StateMachines": { "m": { "TestCases": { "good": { "Pay": "Paid" } } } },
        "MockedResponses": { "Paid": { "0": { "Return": "ok" } } }
    });
    scene.write("mocks.json", mocks.to_string());
    scene.write("suite.json", json!({ "Cases": [{ "Name": "a", "Input": { "total": 1, "items": [] }, "MockCase": "m#good", "Expect": { "Output": [] } }] }).to_string());
    let args = ["states", "test", "machine.json", "--suite", "suite.json"];
    scene.run(&[&args[..], &["--mocks", "mocks.json"]].concat()).expect(0);
    assert!(scene.run(&args).expect(1).stderr.contains("--mocks"));
    for (suite, part) in [
        (json!({ "Cases": [{ "Name": "a", "Inptu": 1 }] }), "Inptu"),
        (json!({ "Cases": [] }), "no cases"),
        (json!({ "Cases": [{ "Name": "a" }, { "Name": "a" }] }), "\"a\""),
        (json!({ "Cases": [{ "Name": "a", "State": "None" }] }), "State not found"),
    ] {
        scene.write("suite.json", suite.to_string());
        let wrong = scene.run(&args).expect(1).stderr;
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
}

#[test]
fn example_suite_passes() {
    let root = env!("CARGO_MANIFEST_DIR");
    let (machine, suite) =
        (format!("{root}/examples/hello.asl.json"), format!("{root}/examples/hello.suite.yaml"));
    let shown = orders().run(&["states", "test", &machine, "--suite", &suite]).expect(0).stdout;
    assert!(shown.contains("2 passed, 0 failed") && shown.contains("3 of 3 states"), "{shown}");
}
