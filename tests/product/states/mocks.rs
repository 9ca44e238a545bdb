//! Mocked responses, in the format of Step Functions Local.

use serde_json::{Value, json};
use testing::Scene;

use super::{run, scene, task};

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

/// Asks again until the work is running.
fn polling(responses: &Value) -> Scene {
    let definition = json!({ "StartAt": "Ask", "States": {
        "Ask": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": { "FunctionName": "f" }, "Next": "Done?" },
        "Done?": { "Type": "Choice", "Choices": [{ "Variable": "$.S", "StringEquals": "running", "Next": "End" }], "Default": "Wait" },
        "Wait": { "Type": "Wait", "Seconds": 0, "Next": "Ask" },
        "End": { "Type": "Succeed" }
    }});
    let scene = scene(&definition);
    let file = json!({
        "StateMachines": { "m": { "TestCases": { "c": { "Ask": "Answers" } } } },
        "MockedResponses": { "Answers": responses, "Unused": { "x-": { "Retrun": 1 } } }
    });
    scene.write("mocks.json", file.to_string());
    scene
}

const MOCKS: [&str; 2] = ["--mocks", "mocks.json"];

#[test]
fn mocks_are_counted_by_state_and_execution() {
    let pending = json!({ "Return": { "S": "pending" } });
    let scene = polling(&json!({ "0": pending, "1": { "Return": { "S": "running" } } }));
    let ended = run(&scene, &[&MOCKS[..], &["--history"]].concat(), 0);
    let visits = ended["history"].as_array().unwrap().iter();
    let visits = visits.filter(|event| event["stateEnteredEventDetails"]["name"] == "Ask").count();
    assert_eq!((&ended["output"], visits), (&json!({ "S": "running" }), 2));
    let scene = polling(&json!({ "0-3": pending, "4": { "Return": { "S": "running" } } }));
    run(&scene, &MOCKS, 0);
}

#[test]
fn call_without_a_mocked_response_fails_the_state() {
    let pending = json!({ "Return": { "S": "pending" } });
    for (responses, call) in [
        (json!({ "0": pending }), 1),
        (json!({ "0": pending, "2": pending }), 1),
        (json!({}), 0),
        (json!({ "0": pending, "1": {} }), 1),
        (json!({ "0": pending, "1": { "Throw": 1 } }), 1),
        (json!({ "zero": pending }), 0),
        (Value::Null, 0),
    ] {
        let failed = run(&polling(&responses), &MOCKS, 3);
        assert_eq!(failed["error"], "States.Runtime", "{responses}: {failed}");
        let cause = failed["cause"].as_str().unwrap();
        assert!(cause.contains(&format!("call {call} of the state 'Ask'")), "{responses}: {failed}");
    }
    // What is not called for may be wrong.
    let scene = polling(&json!({ "0": { "Return": { "S": "running" } }, "1": {}, "two": 3 }));
    run(&scene, &MOCKS, 0);
}
