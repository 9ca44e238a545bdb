//! JSONata as Step Functions defines it.

use serde_json::{Value, json};

use crate::fake::{Fake, run};
use crate::machines::{ended, jsonata, outcome};

fn output(expression: &str, input: Value) -> Value {
    outcome(&jsonata(json!({"Type": "Pass", "Output": format!("{{% {expression} %}}"), "End": true})), input)
}

fn failed(expression: &str, what: &str) -> Value {
    let cause = format!(
        "An error occurred while executing the state 'A' (entered at the event id #2). The JSONata expression '{expression}' specified for the field 'Output' {what}"
    );
    json!(["States.QueryEvaluationError", cause])
}

#[test]
fn expressions_refer_to_states_and_variables() {
    let input = json!({"a": {"b": [1, 2]}, "n": null});
    for (expression, expected) in [
        ("$states.input", input.clone()),
        ("$states.input.a.b", json!([1, 2])),
        ("$states.input.n", json!(null)),
        ("$sum($states.input.a.b)", json!(3)),
        ("$states.context.State.Name", json!("A")),
        ("$states.context.Execution.Input.a.b[1]", json!(2)),
        ("$keys($states)", json!(["input", "context"])),
        ("$count($states.*)", json!(2)),
    ] {
        assert_eq!(output(expression, input.clone()), expected, "{expression}");
    }
}

#[test]
fn undefined_result_is_an_error() {
    for expression in
        ["$none", "$states.input.none", "$states.input.a.none", "$states.result", "$uppercase($none)"]
    {
        assert_eq!(
            output(expression, json!({"a": 1})),
            failed(expression, "returned nothing (undefined)."),
            "{expression}"
        );
    }
}

#[test]
fn failed_evaluations_have_aws_messages() {
    for (expression, what) in [
        ("$nobody()", "threw an error during evaluation. T1006: Attempted to invoke a non-function"),
        ("$eval('1')", "threw an error during evaluation. T1006: Attempted to invoke a non-function"),
        ("function($x){$x}", "returned an unsupported result type."),
    ] {
        assert_eq!(output(expression, json!({})), failed(expression, what), "{expression}");
    }
    let endless = output("($f := function($n){1 + $f($n + 1)}; $f(0))", json!({}));
    assert_eq!(endless[0], "States.QueryEvaluationError");
}

#[test]
fn functions_of_step_functions_are_available() {
    for (expression, expected) in [
        ("$partition([1, 2, 3, 4, 5], 2)", json!([[1, 2], [3, 4], [5]])),
        ("$range(0, 10, 5)", json!([0, 5, 10])),
        ("$range(3, 1, -1)", json!([3, 2, 1])),
        ("$range(1, 1, 1)", json!(1)),
        ("$count($range(1, 200000, 1))", json!(200_000)),
        ("$range(1.9, 3.9, 1.9)", json!([1, 2, 3])),
        ("$partition([1, 2, 3], 2.9)", json!([[1, 2], [3]])),
        ("$hash('abc', 'MD5')", json!("900150983cd24fb0d6963f7d28e17f72")),
        ("$parse('{\"a\": [1]}')", json!({"a": [1]})),
        ("$random()", json!(0.5)),
        ("$random(7) = $random(7)", json!(true)),
        ("$now()", json!("2023-11-14T22:13:20.000Z")),
        ("$now('[Y0001]-[M01]-[D01]')", json!("2023-11-14")),
        ("$millis()", json!(1_700_000_000_000_i64)),
        ("$pad('x', -3, '#')", json!("##x")),
        ("$map(['1', '[2]'], $parse)", json!([1, [2]])),
        ("'[1]' ~> $parse", json!([1])),
        ("$uuid()", json!("00000000-0000-4000-8000-000000000000")),
    ] {
        assert_eq!(output(expression, json!({})), expected, "{expression}");
    }
    for expression in
        ["$parse('{')", "$range(1, 2, 0)", "$partition([1], 0)", "$pad('x', 1e12)", "$count([1..9999999])"]
    {
        assert_eq!(output(expression, json!({}))[0], "States.QueryEvaluationError", "{expression}");
    }
}

/// JSONata's numbers are those of JavaScript; a plain path does not change numbers.
#[test]
fn numbers_keep_their_values() {
    let input: Value = serde_json::from_str(r#"{"whole": 1.0, "long": 9007199254740993}"#).unwrap();
    for (expression, expected) in [
        ("$states.input.whole", "1.0"),
        ("$states.input.whole + 0", "1"),
        ("$states.input.long", "9007199254740993"),
        ("$states.input.long + 0", "9007199254740992"),
        ("1 / 3", "0.3333333333333333"),
    ] {
        assert_eq!(output(expression, input.clone()).to_string(), expected, "{expression}");
    }
}

#[test]
fn strings_without_delimiters_are_not_expressions() {
    let state = json!({"Type": "Pass", "Output": {"a": " {% 1 %}", "b.$": "$.x", "c": ["{% 1 %}", "1"]}, "End": true});
    assert_eq!(outcome(&jsonata(state), json!({})), json!({"a": " {% 1 %}", "b.$": "$.x", "c": [1, "1"]}));
}

#[test]
fn state_can_have_its_own_query_language() {
    let definition = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input.n + 1 %}", "Next": "B"},
        "B": {"Type": "Pass", "Parameters": {"m.$": "$"}, "End": true}
    }});
    assert_eq!(outcome(&definition.to_string(), json!({"n": 1})), json!({"m": 2}));
}

#[test]
fn tasks_have_arguments_result_and_error() {
    let task = |more: Value| {
        let mut state = json!({"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "Arguments": {"n": "{% $states.input.n %}"}, "End": true});
        state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jsonata(state)
    };
    assert_eq!(outcome(&task(json!({})), json!({"n": 1})), json!({"n": 1}));
    let output = json!({"Output": {"in": "{% $states.input.n %}", "out": "{% $states.result.n * 2 %}"}});
    assert_eq!(outcome(&task(output), json!({"n": 1})), json!({"in": 1, "out": 2}));
    let host = Fake::new(|_| Err(engine::TaskError::Error { error: "E".into(), cause: "why".into() }));
    let catch = json!({"Catch": [{
        "ErrorEquals": ["States.ALL"], "Next": "B", "Output": {"n": "{% $states.input.n %}", "error": "{% $states.errorOutput.Error %}"}
    }]});
    assert_eq!(ended(run(&task(catch), json!({"n": 1}), &host).unwrap()), json!({"n": 1, "error": "E"}));
    let whole = json!({"Catch": [{"ErrorEquals": ["E"], "Next": "B"}]});
    assert_eq!(
        ended(run(&task(whole), json!({"n": 1}), &host).unwrap()),
        json!({"Error": "E", "Cause": "why"})
    );
}

#[test]
fn each_choice_has_its_own_output() {
    let state = json!({
        "Type": "Choice",
        "Choices": [
            {"Condition": "{% $states.input.n > 2 %}", "Output": "many", "Next": "B"},
            {"Condition": "{% $states.input.n = 2 %}", "Next": "B"}
        ],
        "Output": "other", "Default": "B"
    });
    for (n, expected) in [(3, json!("many")), (2, json!({"n": 2})), (1, json!("other"))] {
        assert_eq!(outcome(&jsonata(state.clone()), json!({"n": n})), expected);
    }
    let wrong = json!({"Type": "Choice", "Choices": [{"Condition": "{% 1 %}", "Next": "B"}], "Default": "B"});
    let failed = outcome(&jsonata(wrong), json!({}));
    let what = "'Choices[0]/Condition' returned an unexpected result type. Expected 'boolean', but was 'number' for value: 1";
    assert!(failed[1].as_str().unwrap().ends_with(what), "{failed}");
}

#[test]
fn waits_and_failures_take_expressions() {
    let wait = |seconds: &str| jsonata(json!({"Type": "Wait", "Seconds": seconds, "End": true}));
    assert_eq!(outcome(&wait("{% $states.input.s * 2 %}"), json!({"s": 2})), json!({"s": 2}));
    assert_eq!(outcome(&wait("{% -1 %}"), json!({}))[0], "States.QueryEvaluationError");
    let timestamp = json!({"Type": "Wait", "Timestamp": "{% 'soon' %}", "End": true});
    let failed = outcome(&jsonata(timestamp), json!({}));
    assert!(
        failed[1]
            .as_str()
            .unwrap()
            .ends_with("cannot be parsed as an ISO-8601 extended offset date-time format string: soon")
    );
    let fail = json!({"Type": "Fail", "Error": "{% $states.input.e %}", "Cause": "{% 'be' & 'cause' %}"});
    assert_eq!(outcome(&jsonata(fail.clone()), json!({"e": "E"})), json!(["E", "because"]));
    let failed = outcome(&jsonata(fail), json!({"e": 1}));
    assert!(
        failed[1].as_str().unwrap().ends_with("Expected 'string', but was 'number' for value: 1"),
        "{failed}"
    );
}

#[test]
fn jsonata_maps_over_items() {
    let map = |items: Value| {
        let processor = json!({"StartAt": "I", "States": {"I": {"Type": "Pass", "Output": "{% $states.input.v * 10 %}", "End": true}}});
        let selector = json!({"v": "{% $states.context.Map.Item.Value + $states.context.Map.Item.Index %}"});
        jsonata(
            json!({"Type": "Map", "Items": items, "ItemSelector": selector, "ItemProcessor": processor, "End": true}),
        )
    };
    assert_eq!(outcome(&map(json!("{% $states.input.l %}")), json!({"l": [1, 2]})), json!([10, 30]));
    assert_eq!(outcome(&map(json!([5, "{% 1 + 1 %}"])), json!({})), json!([50, 30]));
    let failed = outcome(&map(json!("{% 'x' %}")), json!({}));
    assert!(
        failed[1].as_str().unwrap().ends_with("Expected 'array', but was 'string' for value: \"x\""),
        "{failed}"
    );
}
