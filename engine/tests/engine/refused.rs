//! Definitions that are refused, and the positions of their errors.

fn problems(definition: &str) -> Vec<String> {
    match engine::compile(definition) {
        Ok(_) => panic!("not refused: {definition}"),
        Err(problems) => problems.list().iter().map(|problem| problem.to_string()).collect(),
    }
}

fn state(body: &str) -> String {
    format!("{{\"StartAt\": \"A\", \"States\": {{\n\"A\": {{{body}}}}}}}")
}

/// Bodies of a state, each with a part of the message of its only error.
#[test]
fn each_error_has_its_position() {
    for (body, expected) in [
        (
            r#""Type": "Parallel", "Branches": [], "End": true"#,
            "line 2, column 39: /States/A/Branches: there must be a branch",
        ),
        (
            r#""Type": "Pass", "Assign": {"states": 1}, "End": true"#,
            "/States/A/Assign: the variable $states cannot be set",
        ),
        (r#""Type": "Pass", "Assign": {"1st": 1}, "End": true"#, "\"1st\" is not a name of a variable"),
        (
            r#""Type": "Pass", "Output": 1, "End": true"#,
            "/States/A/Output: there is no field Output in a state in JSONPath",
        ),
        (
            r#""Type": "Pass", "QueryLanguage": "JSONata", "InputPath": "$", "End": true"#,
            "there is no field InputPath in a state in JSONata",
        ),
        (r#""Type": "Pass", "QueryLanguage": "XPath", "End": true"#, "\"XPath\" is not a query language"),
        (
            r#""Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% ( %}", "End": true"#,
            "/States/A/Output: the JSONata expression \"{% ( %}\" cannot be parsed",
        ),
        (
            r#""Type": "Pass", "QueryLanguage": "JSONata", "Output": {"x": "{% $a ?? 1 %}"}, "End": true"#,
            "The symbol \"?\" cannot be used as a unary operator",
        ),
        (
            r#""Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $a ?: 1 %}", "End": true"#,
            "The symbol \":\" cannot be used as a unary operator",
        ),
        (
            r#""Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 1", "End": true"#,
            "begins with {% and ends with %}",
        ),
        (r#""Type": "Wait", "Seconds": "{% 1 %}", "End": true"#, "query language is not JSONata"),
        (r#""Type": "Pass""#, "either Next or End must be given"),
        (r#""Type": "Pass", "End": true, "Nxt": 1"#, "/States/A/Nxt: there is no field Nxt here"),
        (r#""Type": "Pass", "End": true, "InputPath": "$.a b""#, "/States/A/InputPath"),
        (r#""Type": "Pass", "End": true, "ResultPath": "$.a[*]""#, "is not a reference path"),
        (
            r#""Type": "Pass", "End": true, "Parameters": {"x.$": "States.Nothing()"}"#,
            "there is no intrinsic function States.Nothing",
        ),
        (
            r#""Type": "Pass", "End": true, "Parameters": {"x.$": "States.UUID(1)"}"#,
            "cannot be called with 1 arguments",
        ),
        (r#""Type": "Wait", "End": true"#, "exactly one of Seconds"),
        (r#""Type": "Wait", "Timestamp": "tomorrow", "End": true"#, "must be a timestamp"),
        (
            r#""Type": "Task", "Resource": "sns:publish", "End": true"#,
            "is not the ARN of a function, an activity or an action of a service",
        ),
        (
            r#""Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "TimeoutSeconds": 5, "HeartbeatSeconds": 5, "End": true"#,
            "HeartbeatSeconds must be less than TimeoutSeconds",
        ),
        (
            r#""Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "TimeoutSeconds": 0, "End": true"#,
            "TimeoutSeconds: must be a number from 1",
        ),
        (
            r#""Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true, "Retry": [{"ErrorEquals": ["States.ALL", "X"]}]"#,
            "/States/A/Retry/0/ErrorEquals: States.ALL must be alone",
        ),
        (
            r#""Type": "Map", "End": true, "ItemBatcher": {}, "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}"#,
            "there is no field ItemBatcher here",
        ),
    ] {
        let found = problems(&state(body));
        assert!(found.len() == 1 && found[0].contains(expected), "{body}\n{found:#?}\n{expected}");
    }
}

#[test]
fn faulty_comparisons_are_refused() {
    for (comparison, expected) in [
        (r#""StringEqual": """#, "there is no comparison StringEqual"),
        (r#""StringEquals": 1"#, "must be a string"),
    ] {
        let choice =
            format!(r#"{{"Type": "Choice", "Choices": [{{"Variable": "$", {comparison}, "Next": "B"}}]}}"#);
        let found = problems(&format!(
            r#"{{"StartAt": "A", "States": {{"A": {choice}, "B": {{"Type": "Succeed"}}}}}}"#
        ));
        assert!(found.len() == 1 && found[0].contains(expected), "{found:#?}");
    }
}

#[test]
fn all_errors_are_reported_in_the_order_of_the_text() {
    let found = problems(
        r#"{
  "StartAt": "Nowhere",
  "States": {
    "A": {"Type": "Pass", "Next": "B"},
    "C": {"Type": "Parallel"},
    "D": {"Type": "Wait", "Seconds": -1, "End": true}
  },
  "Extra": 1
}"#,
    );
    let places: Vec<&str> = found.iter().map(|problem| problem.split(": ").nth(1).unwrap()).collect();
    let expected = ["/StartAt", "/States/A/Next", "/States/C", "/States/C", "/States/D/Seconds", "/Extra"];
    assert_eq!(places, expected, "{found:#?}");
}

#[test]
fn text_that_is_not_json_is_refused() {
    let found = problems("{\n  \"StartAt\": }");
    assert!(found[0].starts_with("line 2, column 14"), "{found:?}");
    let found = problems("{\"StartAt\": \"A\", \"StartAt\": \"B\", \"States\": {}}");
    assert!(found[0].contains("twice"), "{found:?}");
}

#[test]
fn unreachable_state_is_refused() {
    let found =
        problems(r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}}}"#);
    assert!(found.len() == 1 && found[0].contains("/States/B: no state leads here"), "{found:?}");
}
