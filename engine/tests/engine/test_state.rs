//! Single states, as `TestState` runs them.

mod mocks;

use engine::{InspectionLevel, TaskError, TestError, TestRequest, test_state};
use serde_json::{Value, json};

use crate::fake::{Fake, block_on};
use crate::machines::FUNCTION;

/// The response at the level TRACE, or the code and message with which the request is refused.
fn tested(definition: &Value, name: Option<&str>, request: Value) -> Value {
    let host = Fake::new(|call| {
        if call.payload()["fails"] == true {
            Err(TaskError::Error { error: "E".into(), cause: "why".into() })
        } else {
            Ok(json!({"got": call.payload()}))
        }
    });
    let request: TestRequest = serde_json::from_value(request).unwrap();
    match block_on(test_state(&definition.to_string(), name, &request, host.clone())) {
        Ok(result) => parsed(result.to_json(InspectionLevel::Trace)),
        Err(TestError::Refused(refused)) => json!([refused.code, refused.message]),
        Err(TestError::Stopped(stop)) => panic!("{stop}"),
    }
}

fn alone(state: Value, request: Value) -> Value {
    tested(&state, None, request)
}

/// The response with its texts parsed.
fn parsed(response: Value) -> Value {
    match response {
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, parsed(value))).collect())
        }
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    }
}

fn mock(result: Value) -> Value {
    json!({"mock": {"result": result.to_string()}})
}

fn failing(error: &str) -> Value {
    json!({"mock": {"errorOutput": {"error": error, "cause": "why"}}})
}

fn merged(mut first: Value, more: Value) -> Value {
    first.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    first
}

fn task(fields: Value) -> Value {
    merged(json!({"Type": "Task", "Resource": FUNCTION, "End": true}), fields)
}

#[test]
fn all_intermediate_values_are_shown_in_jsonpath() {
    let state = task(json!({
        "InputPath": "$.in", "Parameters": {"p.$": "$.a"}, "ResultSelector": {"s.$": "$.got.p"}, "ResultPath": "$.r", "OutputPath": "$.r.s"
    }));
    let input = json!({"in": {"a": 1}});
    let expected = json!({
        "status": "SUCCEEDED", "output": 1,
        "inspectionData": {
            "input": input, "afterInputPath": {"a": 1}, "afterParameters": {"p": 1}, "result": {"got": {"p": 1}},
            "afterResultSelector": {"s": 1}, "afterResultPath": {"in": {"a": 1}, "r": {"s": 1}}
        }
    });
    assert_eq!(alone(state, json!({"input": input.to_string()})), expected);
}

#[test]
fn all_intermediate_values_are_shown_in_jsonata() {
    let state = task(json!({
        "QueryLanguage": "JSONata", "Arguments": {"p": "{% $states.input.a + $v %}"}, "Output": "{% $states.result.got.p %}",
        "Assign": {"w": "{% $v %}"}
    }));
    let expected = json!({
        "status": "SUCCEEDED", "output": 3,
        "inspectionData": {
            "input": {"a": 1}, "afterArguments": {"p": 3}, "result": {"got": {"p": 3}}, "variables": {"v": 2, "w": 2}
        }
    });
    assert_eq!(alone(state, json!({"input": "{\"a\": 1}", "variables": "{\"v\": 2}"})), expected);
}

#[test]
fn level_info_shows_only_the_outcome() {
    let state = json!({"Type": "Pass", "End": true}).to_string();
    let result = block_on(test_state(&state, None, &TestRequest::default(), Fake::echo())).unwrap();
    assert_eq!(result.to_json(InspectionLevel::Info), json!({"status": "SUCCEEDED", "output": "{}"}));
    assert_eq!(result.to_json(InspectionLevel::Debug)["inspectionData"]["afterInputPath"], "{}");
}

#[test]
fn state_of_a_machine_names_its_next_state() {
    let inner = json!({"StartAt": "I", "States": {"I": {"Type": "Pass", "Result": 7, "End": true}}});
    let machine = json!({"StartAt": "C", "States": {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": true, "Next": "M"}], "Default": "F"},
        "M": {"Type": "Map", "ItemProcessor": inner, "End": true},
        "F": {"Type": "Fail", "Error": "E"}
    }});
    assert_eq!(tested(&machine, Some("C"), json!({"input": "{\"x\": 1}"}))["nextState"], "M");
    assert_eq!(tested(&machine, Some("C"), json!({}))["nextState"], "F");
    assert_eq!(tested(&machine, Some("I"), json!({}))["output"], 7);
    let failed = tested(&machine, Some("F"), json!({}));
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("E")));
    assert_eq!(
        tested(&machine, Some("X"), json!({})),
        json!(["ValidationException", "State not found in definition"])
    );
}

#[test]
fn single_state_names_its_next_state() {
    let state = json!({"Type": "Pass", "Next": "Elsewhere"});
    assert_eq!(alone(state, json!({}))["nextState"], "Elsewhere");
    let choice = json!({"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": false, "Next": "A"}], "Default": "B"});
    assert_eq!(alone(choice, json!({}))["nextState"], "A");
    let message = "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Value cannot be empty at /States/StateName/Branches'";
    assert_eq!(
        alone(json!({"Type": "Parallel", "Branches": [], "End": true}), mock(json!([]))),
        json!(["InvalidDefinition", message])
    );
}

#[test]
fn single_state_cannot_smuggle_in_another() {
    let text = r#"{"Type": "Pass", "End": true}, "Other": {"Type": "Pass", "End": true}"#;
    let refused = block_on(test_state(text, None, &TestRequest::default(), Fake::echo())).unwrap_err();
    assert!(refused.to_string().contains("INVALID_JSON_DESCRIPTION"), "{refused}");
}

#[test]
fn wait_ends_at_once() {
    let host = Fake::echo();
    let state = json!({"Type": "Wait", "Seconds": 1000, "Next": "N"}).to_string();
    let result = block_on(test_state(&state, None, &TestRequest::default(), host.clone())).unwrap();
    assert_eq!((result.next_state.as_deref(), host.sleeps.lock().unwrap().len()), (Some("N"), 0));
    let wrong = alone(json!({"Type": "Wait", "SecondsPath": "$.x", "End": true}), json!({}));
    assert_eq!(wrong["error"], "States.Runtime");
}

#[test]
fn errors_are_retriable_as_long_as_there_are_attempts() {
    let retry = json!([{"ErrorEquals": ["X"]}, {"ErrorEquals": ["E"], "IntervalSeconds": 3, "MaxAttempts": 2, "BackoffRate": 2}]);
    let catch = json!([{"ErrorEquals": ["Y"], "Next": "A"}, {"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "B"}]);
    let state = task(json!({"Retry": retry, "Catch": catch}));
    let after = |retries: u64| {
        alone(
            state.clone(),
            merged(failing("E"), json!({"stateConfiguration": {"retrierRetryCount": retries}})),
        )
    };
    let retriable = after(1);
    assert_eq!(
        (&retriable["status"], &retriable["cause"], &retriable["output"]),
        (&json!("RETRIABLE"), &json!("why"), &Value::Null)
    );
    assert_eq!(
        retriable["inspectionData"]["errorDetails"],
        json!({"retryIndex": 1, "retryBackoffIntervalSeconds": 6})
    );
    let caught = after(2);
    assert_eq!((&caught["status"], &caught["nextState"]), (&json!("CAUGHT_ERROR"), &json!("B")));
    assert_eq!(caught["output"], json!({"e": {"Error": "E", "Cause": "why"}}));
    assert_eq!(caught["inspectionData"]["errorDetails"], json!({"retryIndex": 1, "catchIndex": 1}));
}

#[test]
fn task_without_a_mock_calls_the_host() {
    assert_eq!(alone(task(json!({})), json!({"input": "1"}))["output"], json!({"got": 1}));
    let failed = alone(task(json!({})), json!({"input": "{\"fails\": true}"}));
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("E")));
}

#[test]
fn given_context_object_is_used() {
    let state = json!({"Type": "Pass", "Parameters": {"c.$": "$$"}, "End": true});
    let given = json!({"Execution": {"Id": "x", "Input": 1}, "State": {"RetryCount": 2}});
    assert_eq!(alone(state.clone(), json!({"context": given.to_string()}))["output"], json!({"c": given}));
    let new = alone(state, json!({"input": "5", "roleArn": "role"}))["output"]["c"].clone();
    assert_eq!(
        (&new["Execution"]["Input"], &new["Execution"]["RoleArn"], &new["State"]["Name"]),
        (&json!(5), &json!("role"), &json!("StateName"))
    );
}

#[test]
fn impossible_context_objects_are_refused() {
    let not_waiting = "Context object contains 'Task' when state is not a Task state with a '.sync' or '.waitForTaskToken' service integration pattern";
    for (context, what) in [
        (json!({"Map": {}}), "'Map' field is not supported when mocking a Context object"),
        (json!({"Other": {}}), "Field 'Other' is not allowed"),
        (json!({"Execution": {"Other": 1}}), "Field 'Other' is not allowed"),
        (json!({"Execution": {"Id": 1}}), "Execution.Id must be a string"),
        (json!({"Task": {"Token": "t"}}), not_waiting),
    ] {
        let refused = alone(task(json!({})), json!({"context": context.to_string()}));
        assert_eq!(
            refused,
            json!(["ValidationException", format!("Invalid Context object provided: {what}")])
        );
    }
    let waits = task(
        json!({"Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Parameters": {"t.$": "$$.Task.Token"}}),
    );
    let request =
        merged(mock(json!(1)), json!({"context": "{\"Task\": {\"Token\": \"t\"}}", "mock": {"result": "1"}}));
    assert_eq!(alone(waits, request)["inspectionData"]["afterParameters"], json!({"t": "t"}));
}

#[test]
fn texts_that_are_not_json_are_refused() {
    let state = json!({"Type": "Pass", "End": true});
    assert_eq!(alone(state.clone(), json!({"input": "{"}))[0], "InvalidExecutionInput");
    assert_eq!(alone(state.clone(), json!({"variables": "[]"}))[0], "ValidationException");
    assert_eq!(alone(state, json!({"context": "[]"}))[0], "ValidationException");
}
