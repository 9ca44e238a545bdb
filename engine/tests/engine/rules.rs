//! One small machine per rule.

use std::sync::atomic::Ordering;

use engine::{Outcome, TaskError};
use serde_json::{Value, json};
use time::Duration;

use crate::fake::{Fake, run};
use crate::machines::{FUNCTION, check, one, output, pass};

#[test]
fn pass_states_shape_their_data() {
    let input = json!({"a": {"b": 1}});
    check([
        (pass(json!({})), input.clone(), input.clone()),
        (pass(json!({"InputPath": "$.a"})), input.clone(), json!({"b": 1})),
        (pass(json!({"InputPath": null})), input.clone(), json!({})),
        (pass(json!({"OutputPath": "$.a.b"})), input.clone(), json!(1)),
        (pass(json!({"OutputPath": null})), input.clone(), json!({})),
        (pass(json!({"Result": [1], "ResultPath": "$.c"})), input.clone(), json!({"a": {"b": 1}, "c": [1]})),
        (pass(json!({"Result": [1], "ResultPath": null})), input.clone(), input.clone()),
        (
            pass(json!({"Parameters": {"x.$": "$.a.b", "y": {"z.$": "$$.State.Name"}}})),
            input.clone(),
            json!({"x": 1, "y": {"z": "A"}}),
        ),
        (
            pass(json!({"Parameters": {"x.$": "$.none"}})),
            json!({}),
            json!([
                "States.Runtime",
                "An error occurred while executing the state 'A' (entered at the event id #2). The JSONPath '$.none' specified for the field 'x.$' could not be found in the input '{}'"
            ]),
        ),
        (
            pass(json!({"InputPath": "$.no.such"})),
            json!({}),
            json!([
                "States.Runtime",
                "An error occurred while executing the state 'A' (entered at the event id #2). Invalid path '$.no.such' : Missing property in path $['no']"
            ]),
        ),
    ]);
}

#[test]
fn intrinsic_functions_give_their_values() {
    let input = json!({"a": [1, 2, 2, 3], "s": "x,y;z", "o": {"k": 1, "l": 2}});
    for (expression, expected) in [
        ("States.Format('{}-{}', $.s, $.a[0])", json!("x,y;z-1")),
        (r"States.Format('\{\} it\'s {}', 1)", json!("{} it's 1")),
        ("States.Array(1, 'a', null, $.a[0])", json!([1, "a", null, 1])),
        ("States.ArrayPartition($.a, 3)", json!([[1, 2, 2], [3]])),
        ("States.ArrayContains($.a, 3)", json!(true)),
        ("States.ArrayRange(1, 9, 4)", json!([1, 5, 9])),
        ("States.ArrayRange(3, 1, -1)", json!([3, 2, 1])),
        ("States.ArrayGetItem($.a, 1)", json!(2)),
        ("States.ArrayLength($.a)", json!(4)),
        ("States.ArrayUnique($.a)", json!([1, 2, 3])),
        ("States.Base64Encode('Hello')", json!("SGVsbG8=")),
        ("States.Base64Decode('SGVsbG8=')", json!("Hello")),
        ("States.Hash('abc', 'MD5')", json!("900150983cd24fb0d6963f7d28e17f72")),
        ("States.Hash('abc', 'SHA-1')", json!("a9993e364706816aba3e25717850c26c9cd0d89d")),
        ("States.JsonMerge($.o, States.StringToJson('{\"k\": 9}'), false)", json!({"k": 9, "l": 2})),
        ("States.JsonToString($.o)", json!("{\"k\":1,\"l\":2}")),
        ("States.MathAdd(1, -5)", json!(-4)),
        ("States.MathRandom(0, 10)", json!(5)),
        ("States.StringSplit($.s, ',;')", json!(["x", "y", "z"])),
        ("States.UUID()", json!("00000000-0000-4000-8000-000000000000")),
    ] {
        assert_eq!(
            output(pass(json!({"Parameters": {"r.$": expression}})), input.clone()),
            json!({"r": expected}),
            "{expression}"
        );
    }
    let failed = output(pass(json!({"Parameters": {"r.$": "States.Format('{}')"}})), json!({}));
    assert_eq!(failed[0], "States.Runtime");
    assert!(failed[1].as_str().unwrap().ends_with(
        "The function 'States.Format('{}')' had the following error: Invalid arguments in States.Format"
    ));
    for refused in [
        "States.ArrayPartition($.l, 0.6)",
        "States.MathRandom(1, 2)",
        "States.StringToJson('{')",
        "States.MathAdd(1, 'a')",
    ] {
        assert_eq!(
            output(pass(json!({"Parameters": {"r.$": refused}})), json!({"l": [1]}))[0],
            "States.Runtime",
            "{refused}"
        );
    }
    let reordered = json!({"l": [{"a": 1, "b": 2}], "o": {"b": 2, "a": 1}});
    let contains = pass(json!({"Parameters": {"r.$": "States.ArrayContains($.l, $.o)"}}));
    assert_eq!(output(contains, reordered), json!({"r": false}));
}

/// Comparison, operand, a value for which it is true, and one for which it is false.
#[test]
fn comparisons_compare_values() {
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T02:00:00+01:00");
    for (comparison, operand, holds, fails) in [
        ("StringEquals", json!("b"), json!("b"), json!(1)),
        ("StringLessThan", json!("b"), json!("a"), json!("b")),
        ("StringGreaterThan", json!("b"), json!("c"), json!("b")),
        ("StringLessThanEquals", json!("b"), json!("b"), json!("c")),
        ("StringGreaterThanEquals", json!("b"), json!("b"), json!("a")),
        ("StringEqualsPath", json!("$.two"), json!(2), json!("2")),
        ("StringMatches", json!("a*z"), json!("a to z"), json!("a")),
        ("NumericEquals", json!(2), json!(2.0), json!("2")),
        ("NumericLessThan", json!(2), json!(1.5), json!(2)),
        ("NumericGreaterThan", json!(2), json!(3), json!(2)),
        ("NumericLessThanEquals", json!(2), json!(2), json!(3)),
        ("NumericGreaterThanEquals", json!(2), json!(2), json!(1)),
        ("NumericEqualsPath", json!("$.two"), json!(2), json!(3)),
        ("TimestampEquals", json!(early), json!(early), json!(late)),
        ("TimestampLessThan", json!(late), json!(early), json!(late)),
        ("TimestampGreaterThanEquals", json!(early), json!(late), json!("now")),
        ("BooleanEquals", json!(true), json!(true), json!("true")),
        ("IsNull", json!(true), json!(null), json!(0)),
        ("IsNumeric", json!(true), json!(0), json!("0")),
        ("IsString", json!(false), json!(0), json!("0")),
        ("IsBoolean", json!(true), json!(false), json!(0)),
        ("IsTimestamp", json!(true), json!(early), json!("early")),
        ("IsPresent", json!(true), json!(null), Value::Null),
    ] {
        let holds_of = |value: Option<&Value>| {
            let mut input = json!({"two": 2});
            if let Some(value) = value {
                input["v"] = value.clone();
            }
            let state =
                json!({"Type": "Choice", "Choices": [{"Variable": "$.v", comparison: operand, "Next": "B"}]});
            output(state, input.clone()) == input
        };
        match comparison {
            // A number is not a string, whatever it is compared with.
            "StringEqualsPath" => assert!(!holds_of(Some(&holds))),
            "IsPresent" => assert!(holds_of(Some(&holds)) && !holds_of(None)),
            _ => assert!(holds_of(Some(&holds)), "{comparison} {holds}"),
        }
        if comparison != "IsPresent" {
            assert!(!holds_of(Some(&fails)), "{comparison} {fails}");
        }
    }
}

#[test]
fn conditions_are_combined() {
    let is = |value: i64| json!({"Variable": "$", "NumericEquals": value});
    for (mut rule, input, holds) in [
        (json!({"And": [is(1), is(2)]}), 1, false),
        (json!({"Or": [is(1), is(2)]}), 2, true),
        (json!({"Not": is(1)}), 2, true),
        (json!({"Not": {"Or": [is(1), is(2)]}}), 2, false),
    ] {
        rule["Next"] = "B".into();
        let found = output(json!({"Type": "Choice", "Choices": [rule]}), json!(input));
        assert_eq!(found == json!(input), holds, "{found}");
        if !holds {
            assert_eq!(found[0], "States.Runtime");
            assert!(found[1].as_str().unwrap().ends_with(
                "Failed to transition out of the state. The state does not point to a next state."
            ));
        }
    }
}

#[test]
fn waits_end_at_their_times() {
    for (field, value, seconds) in [
        ("Seconds", json!(90), 90),
        ("SecondsPath", json!("$.seconds"), 7),
        ("Timestamp", json!("2023-11-14T22:13:30Z"), 10),
        ("TimestampPath", json!("$.until"), 20),
    ] {
        let host = Fake::echo();
        let begun = engine::Host::now(&*host);
        let input = json!({"seconds": 7, "until": "2023-11-14T23:13:40+01:00"});
        let outcome =
            run(&one(json!({"Type": "Wait", field: value, "End": true})), input.clone(), &host).unwrap();
        assert_eq!(outcome, Outcome::Succeeded(input));
        assert_eq!(*host.sleeps.lock().unwrap(), [begun + Duration::seconds(seconds)], "{field}");
    }
    let negative = output(json!({"Type": "Wait", "SecondsPath": "$.s", "End": true}), json!({"s": -1}));
    assert!(
        negative[1]
            .as_str()
            .unwrap()
            .ends_with("The SecondsPath parameter references a negative value: $.s == -1")
    );
}

#[test]
fn fail_states_fail_with_error_and_cause() {
    check([
        (json!({"Type": "Fail", "Error": "E", "Cause": "C"}), json!({}), json!(["E", "C"])),
        (
            json!({"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('{}!', $.e)"}),
            json!({"e": "E"}),
            json!(["E", "E!"]),
        ),
    ]);
}

#[test]
fn lambda_invoke_has_the_response_of_the_api() {
    let host = Fake::echo();
    let state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": FUNCTION, "Payload": {"n.$": "$.n"}}, "End": true
    });
    let Outcome::Succeeded(output) = run(&one(state), json!({"n": 1}), &host).unwrap() else {
        panic!("failed")
    };
    assert_eq!(
        (&output["Payload"], &output["StatusCode"], &output["ExecutedVersion"]),
        (&json!({"n": 1}), &json!(200), &json!("$LATEST"))
    );
    assert_eq!(output["SdkHttpMetadata"]["HttpStatusCode"], 200);
    assert_eq!(host.calls.lock().unwrap()[0].function(), FUNCTION);
}

fn failing(times: usize, error: &'static str) -> std::sync::Arc<Fake> {
    let left = std::sync::atomic::AtomicUsize::new(times);
    Fake::new(move |call| {
        let failed =
            left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if failed {
            Err(TaskError::Error { error: error.into(), cause: "why".into() })
        } else {
            Ok(call.payload().clone())
        }
    })
}

#[test]
fn delays_between_retries_grow() {
    let state =
        |retry: Value| one(json!({"Type": "Task", "Resource": FUNCTION, "Retry": retry, "End": true}));
    for (retry, times, delays, succeeds) in [
        (
            json!([{"ErrorEquals": ["E"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 4, "MaxDelaySeconds": 10}]),
            4,
            vec![2, 6, 10, 10],
            true,
        ),
        (json!([{"ErrorEquals": ["E"]}]), 4, vec![1, 2, 4], false),
        (json!([{"ErrorEquals": ["E"], "MaxAttempts": 0}]), 1, vec![], false),
        (json!([{"ErrorEquals": ["F"]}]), 1, vec![], false),
        (
            json!([{"ErrorEquals": ["E"], "MaxAttempts": 1}, {"ErrorEquals": ["States.ALL"]}]),
            2,
            vec![1],
            false,
        ),
        (
            json!([{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 8, "JitterStrategy": "FULL"}]),
            1,
            vec![4],
            true,
        ),
    ] {
        let host = failing(times, "E");
        let begun = engine::Host::now(&*host);
        let outcome = run(&state(retry.clone()), json!(1), &host).unwrap();
        assert_eq!(matches!(outcome, Outcome::Succeeded(_)), succeeds, "{retry}");
        let mut at = begun;
        let sleeps = host.sleeps.lock().unwrap();
        let waited: Vec<i64> = sleeps
            .iter()
            .map(|until| {
                let waited = *until - at;
                at = *until;
                waited.whole_seconds()
            })
            .collect();
        assert_eq!(waited, delays, "{retry}");
    }
}

#[test]
fn catchers_match_errors() {
    for (error, catch, expected) in [
        ("E", json!([{"ErrorEquals": ["States.ALL"], "Next": "B"}]), json!({"Error": "E", "Cause": "why"})),
        (
            "E",
            json!([{"ErrorEquals": ["E"], "ResultPath": "$.e", "Next": "B"}]),
            json!({"in": 1, "e": {"Error": "E", "Cause": "why"}}),
        ),
        ("E", json!([{"ErrorEquals": ["E"], "ResultPath": null, "Next": "B"}]), json!({"in": 1})),
        (
            "States.Timeout",
            json!([{"ErrorEquals": ["States.TaskFailed"], "Next": "B"}]),
            json!(["States.Timeout", "why"]),
        ),
        (
            "States.DataLimitExceeded",
            json!([{"ErrorEquals": ["States.TaskFailed"], "Next": "B"}]),
            json!(["States.DataLimitExceeded", "why"]),
        ),
        (
            "States.DataLimitExceeded",
            json!([{"ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "B"}]),
            json!({"in": 1}),
        ),
        (
            "States.DataLimitExceeded",
            json!([{"ErrorEquals": ["States.DataLimitExceeded"], "ResultPath": null, "Next": "B"}]),
            json!({"in": 1}),
        ),
    ] {
        let state = one(json!({"Type": "Task", "Resource": FUNCTION, "Catch": catch, "End": true}));
        let outcome = match run(&state, json!({"in": 1}), &failing(1, error)).unwrap() {
            Outcome::Succeeded(output) => output,
            Outcome::Failed { error, cause } => json!([error, cause]),
            other => panic!("{other:?}"),
        };
        assert_eq!(outcome, expected, "{error} {catch}");
    }
}

#[test]
fn data_over_256_kib_fails_the_state() {
    let host = Fake::new(|_| Ok(json!("x".repeat(262_143))));
    let state =
        |catch: Value| one(json!({"Type": "Task", "Resource": FUNCTION, "Catch": catch, "End": true}));
    let outcome =
        run(&state(json!([{"ErrorEquals": ["States.TaskFailed"], "Next": "B"}])), json!({}), &host).unwrap();
    let cause = format!(
        "The state/task '{FUNCTION}' returned a result with a size exceeding the maximum number of bytes service limit."
    );
    assert_eq!(outcome, Outcome::Failed { error: "States.DataLimitExceeded".into(), cause });
}

fn map(fields: Value, config: Value, inner: Value) -> String {
    let mut state = json!({
        "Type": "Map", "End": true,
        "ItemProcessor": {"ProcessorConfig": config, "StartAt": "I", "States": {"I": inner}}
    });
    state.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    one(state)
}

fn inline() -> Value {
    json!({"Mode": "INLINE"})
}

fn distributed() -> Value {
    json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"})
}

fn task() -> Value {
    json!({"Type": "Task", "Resource": FUNCTION, "End": true})
}

#[test]
fn maps_select_their_items_in_both_modes() {
    for config in [inline(), distributed()] {
        let fields = json!({
            "ItemsPath": "$.list", "ResultPath": "$.out", "MaxConcurrency": 2,
            "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k.$": "$.k"}
        });
        let host = Fake::echo();
        let input = json!({"list": ["a", "b", "c"], "k": 0});
        let outcome = run(&map(fields, config, task()), input.clone(), &host).unwrap();
        let mut expected = input;
        expected["out"] =
            json!([{"i": 0, "v": "a", "k": 0}, {"i": 1, "v": "b", "k": 0}, {"i": 2, "v": "c", "k": 0}]);
        assert_eq!(outcome, Outcome::Succeeded(expected));
        assert_eq!(host.most_running.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn failed_iteration_fails_an_inline_map() {
    let host = Fake::new(|call| {
        if *call.payload() == json!(2) {
            Err(TaskError::Error { error: "E".into(), cause: "two".into() })
        } else {
            Ok(call.payload().clone())
        }
    });
    let outcome = run(&map(json!({}), inline(), task()), json!([1, 2, 3]), &host).unwrap();
    assert_eq!(outcome, Outcome::Failed { error: "E".into(), cause: "two".into() });
}

/// A map with ten children, of which these fail.
#[test]
fn distributed_map_keeps_its_tolerance() {
    for (fields, failing, succeeds) in [
        (json!({}), 0, true),
        (json!({}), 1, false),
        (json!({"ToleratedFailureCount": 2}), 2, true),
        (json!({"ToleratedFailureCount": 2}), 3, false),
        (json!({"ToleratedFailurePercentage": 20}), 2, true),
        (json!({"ToleratedFailurePercentage": 20}), 3, false),
        (json!({"ToleratedFailurePercentage": 100}), 10, true),
        (json!({"ToleratedFailurePercentagePath": "$[9]"}), 1, false),
        (json!({"ToleratedFailurePercentage": 100, "ToleratedFailureCount": 1}), 2, false),
    ] {
        let host = Fake::new(move |call| {
            if call.payload().as_i64().unwrap() < failing {
                Err(TaskError::Error { error: "E".into(), cause: String::new() })
            } else {
                Ok(call.payload().clone())
            }
        });
        let input: Value = (0..10).map(Value::from).collect();
        let outcome = run(&map(fields.clone(), distributed(), task()), input, &host).unwrap();
        match outcome {
            Outcome::Succeeded(outputs) => {
                assert!(succeeds, "{fields} {failing}");
                assert_eq!(outputs, (failing..10).map(Value::from).collect::<Value>());
            }
            Outcome::Failed { error, cause } => {
                assert!(!succeeds, "{fields} {failing} {cause}");
                assert_eq!(error, "States.ExceedToleratedFailureThreshold");
                assert_eq!(cause, "The specified tolerated failure threshold was exceeded");
            }
            other => panic!("{other:?}"),
        }
    }
}

fn reading(fields: Value) -> Value {
    let mut all = json!({
        "Label": "L",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket": "b", "Key.$": "$.key"}
        },
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "out"}}
    });
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    all
}

#[test]
fn results_are_written_with_a_manifest() {
    let host = Fake::new(|call| {
        if call.payload()["n"] == 2 {
            Err(TaskError::Error { error: "E".into(), cause: "two".into() })
        } else {
            Ok(json!({"was": call.payload()["n"]}))
        }
    });
    host.put("b", "items", r#"[{"n": 1}, {"n": 2}, {"n": 3}]"#);
    let definition = map(reading(json!({"ToleratedFailureCount": 1})), distributed(), task());
    let outcome = run(&definition, json!({"key": "items"}), &host).unwrap();
    let run = "00000000-0000-4000-8000-000000000000";
    let arn = format!("arn:aws:states:eu-west-1:000000000000:mapRun:machine/L:{run}");
    let key = format!("out/{run}/manifest.json");
    assert_eq!(
        outcome,
        Outcome::Succeeded(json!({"MapRunArn": arn, "ResultWriterDetails": {"Bucket": "b", "Key": key}}))
    );
    let manifest = host.json(&format!("b/{key}"));
    assert_eq!((&manifest["DestinationBucket"], &manifest["MapRunArn"]), (&json!("b"), &json!(arn)));
    assert_eq!(manifest["ResultFiles"]["PENDING"], json!([]));
    let file = |kind: &str| {
        let key = manifest["ResultFiles"][kind][0]["Key"].as_str().unwrap();
        assert_eq!(key, format!("out/{run}/{kind}_0.json"));
        host.json(&format!("b/{key}"))
    };
    let (succeeded, failed) = (file("SUCCEEDED"), file("FAILED"));
    assert_eq!((succeeded.as_array().unwrap().len(), failed.as_array().unwrap().len()), (2, 1));
    assert_eq!(
        (&succeeded[1]["Input"], &succeeded[1]["Output"]),
        (&json!("{\"n\":3}"), &json!("{\"was\":3}"))
    );
    assert_eq!(
        (&failed[0]["Error"], &failed[0]["Cause"], &failed[0]["Status"]),
        (&json!("E"), &json!("two"), &json!("FAILED"))
    );
    let names: Vec<&String> = succeeded[0].as_object().unwrap().keys().collect();
    assert!(names.is_sorted(), "{names:?}");
    let calls = host.calls.lock().unwrap();
    assert!(calls.iter().any(|call| succeeded[0]["ExecutionArn"] == call.execution));
}

#[test]
fn run_over_its_tolerance_lists_aborted_and_pending_children() {
    let host = Fake::new(|_| Err(TaskError::Error { error: "E".into(), cause: String::new() }));
    let items: Vec<u32> = (0..50).collect();
    host.put("b", "items", json!(items).to_string());
    let definition = map(reading(json!({"MaxConcurrency": 4})), distributed(), task());
    let outcome = run(&definition, json!({"key": "items"}), &host).unwrap();
    assert!(
        matches!(outcome, Outcome::Failed { error, .. } if error == "States.ExceedToleratedFailureThreshold")
    );
    let folder = "b/out/00000000-0000-4000-8000-000000000000";
    let files =
        [host.json(&format!("{folder}/FAILED_0.json")), host.json(&format!("{folder}/PENDING_0.json"))];
    let mut inputs: Vec<u32> = files
        .iter()
        .flat_map(|file| file.as_array().unwrap())
        .map(|r| r["Input"].as_str().unwrap().parse().unwrap())
        .collect();
    inputs.sort_unstable();
    assert_eq!(inputs, items);
    assert!(files[1].as_array().unwrap().len() >= 45);
}

#[test]
fn faulty_readers_fail_the_state() {
    for (body, cause) in [
        (Some("1"), "Attempting to map over non-iterable node."),
        (Some("[1, 2"), "the file ends within its array"),
        (None, "no object items"),
    ] {
        let host = Fake::echo();
        if let Some(body) = body {
            host.put("b", "items", body);
        }
        let outcome =
            run(&map(reading(json!({})), distributed(), task()), json!({"key": "items"}), &host).unwrap();
        assert_eq!(outcome, Outcome::Failed { error: "States.ItemReaderFailed".into(), cause: cause.into() });
    }
}

#[test]
fn empty_distributed_map_succeeds() {
    let host = Fake::echo();
    host.put("b", "items", "[]");
    let outcome = run(
        &map(reading(json!({"ToleratedFailurePercentage": 5})), distributed(), task()),
        json!({"key": "items"}),
        &host,
    );
    assert!(matches!(outcome.unwrap(), Outcome::Succeeded(_)));
}

#[test]
fn child_has_its_own_context_object() {
    let inner = json!({"Type": "Pass", "Parameters": {"input.$": "$$.Execution.Input", "machine.$": "$$.StateMachine.Name"}, "End": true});
    let definition = map(json!({"Label": "L"}), distributed(), inner);
    let outcome = run(&definition, json!([7]), &Fake::echo()).unwrap();
    assert_eq!(outcome, Outcome::Succeeded(json!([{"input": 7, "machine": "machine/L"}])));
}
