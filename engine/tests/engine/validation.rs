//! Validation in AWS's words.

mod names;

use engine::{ExecutionType, Severity, Validation, Verdict};
use serde_json::{Value, json};

use crate::machines::FUNCTION;

fn validate(definition: &Value) -> Validation {
    engine::validate(&definition.to_string(), ExecutionType::Standard)
}

/// The `[code, message, location]` of each error in a machine whose only state has these fields.
fn errors(fields: Value) -> Vec<Value> {
    diagnostics(&json!({"StartAt": "A", "States": {"A": fields}}))
}

fn diagnostics(definition: &Value) -> Vec<Value> {
    diagnostics_as(definition, ExecutionType::Standard)
}

fn diagnostics_as(definition: &Value, execution_type: ExecutionType) -> Vec<Value> {
    let answer = engine::validate(&definition.to_string(), execution_type).to_json(Severity::Error, 0);
    let diagnostics = answer["diagnostics"].as_array().unwrap();
    diagnostics.iter().map(|found| json!([found["code"], found["message"], found["location"]])).collect()
}

fn schema(message: &str, location: &str) -> Value {
    json!(["SCHEMA_VALIDATION_FAILED", message, location])
}

fn merged(mut state: Value, fields: Value) -> Value {
    state.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    state
}

fn pass(fields: Value) -> Value {
    merged(json!({"Type": "Pass", "End": true}), fields)
}

fn task(fields: Value) -> Value {
    merged(json!({"Type": "Task", "Resource": FUNCTION, "End": true}), fields)
}

fn jsonata(fields: Value) -> Value {
    pass(merged(json!({"QueryLanguage": "JSONata"}), fields))
}

#[test]
fn faulty_fields_of_states_have_aws_messages() {
    for (state, message, location) in [
        (
            json!({"Type": "Nap", "End": true}),
            "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]",
            "/States/A/Type",
        ),
        (pass(json!({"Catch": []})), "Field 'Catch' is not supported", "/States/A"),
        (
            json!({"Type": "Pass"}),
            "This object should have only one of the following fields: [Next, End]",
            "/States/A",
        ),
        (
            pass(json!({"Next": "A"})),
            "There should only be one of the following fields: [Next, End]",
            "/States/A",
        ),
        (
            pass(json!({"Output": 1})),
            "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage",
            "/States/A",
        ),
        (
            jsonata(json!({"InputPath": "$"})),
            "The QueryLanguage is set to 'JSONata', but field 'InputPath' is only supported for the 'JSONPath' QueryLanguage",
            "/States/A",
        ),
        (
            pass(json!({"QueryLanguage": "SQL"})),
            "Value should be one of the following: [JSONPath, JSONata]",
            "/States/A/QueryLanguage",
        ),
        (json!({"Type": "Task", "End": true}), "These fields are required: [Resource]", "/States/A"),
        (
            task(json!({"Credentials": {}})),
            "The field 'RoleArn' is required but was missing",
            "/States/A/Credentials",
        ),
        (task(json!({"TimeoutSeconds": 0})), "Minimum value is 1", "/States/A/TimeoutSeconds"),
        (
            task(json!({"TimeoutSeconds": 100_000_000})),
            "Maximum value is 99999999",
            "/States/A/TimeoutSeconds",
        ),
        (task(json!({"TimeoutSeconds": "1"})), "Expected value of type Integer", "/States/A/TimeoutSeconds"),
        (
            task(json!({"TimeoutSeconds": 1, "TimeoutSecondsPath": "$"})),
            "There should only be one of the following fields: [TimeoutSeconds, TimeoutSecondsPath]",
            "/States/A",
        ),
        (
            task(json!({"Retry": [{"ErrorEquals": []}]})),
            "Value cannot be empty",
            "/States/A/Retry[0]/ErrorEquals",
        ),
        (task(json!({"Retry": [{}]})), "These fields are required: [ErrorEquals]", "/States/A/Retry[0]"),
        (
            task(json!({"Retry": [{"ErrorEquals": ["States.ALL", "E"]}]})),
            "States.ALL must appear alone and at end of list",
            "/States/A/Retry[0]/ErrorEquals",
        ),
        (
            task(json!({"Retry": [{"ErrorEquals": ["E"], "JitterStrategy": "SOME"}]})),
            "Value should be one of the following: [NONE, FULL]",
            "/States/A/Retry[0]/JitterStrategy",
        ),
        (
            json!({"Type": "Wait", "End": true}),
            "This object should have only one of the following fields: [SecondsPath, Seconds, TimestampPath, Timestamp]",
            "/States/A",
        ),
        (
            json!({"Type": "Wait", "Timestamp": "noon", "End": true}),
            "String does not match RFC3339 timestamp",
            "/States/A/Timestamp",
        ),
        (
            json!({"Type": "Parallel", "Branches": [], "End": true}),
            "Value cannot be empty",
            "/States/A/Branches",
        ),
    ] {
        assert_eq!(errors(state.clone()), [schema(message, location)], "{state}");
    }
}

#[test]
fn missing_fields_are_named_together() {
    assert_eq!(diagnostics(&json!({})), [schema("These fields are required: [States, StartAt]", "/")]);
}

#[test]
fn faulty_paths_and_templates_have_aws_messages() {
    for (state, message, location) in [
        (pass(json!({"InputPath": "a"})), "Value must be a valid JSONPath.", "/States/A/InputPath"),
        (
            pass(json!({"Parameters": {"x.$": "a"}})),
            "The value for the field 'x.$' must be a valid JSONPath or a valid intrinsic function call",
            "/States/A/Parameters",
        ),
        (
            pass(json!({"Parameters": {"x.$": r#"States.Format('\"')"#}})),
            "The value for the field 'x.$' must be a valid JSONPath or a valid intrinsic function call",
            "/States/A/Parameters",
        ),
        (
            jsonata(json!({"Output": "{% 1"})),
            "JSONata string must start with {% and end with %}",
            "/States/A/Output",
        ),
    ] {
        assert_eq!(errors(state.clone()), [schema(message, location)], "{state}");
    }
    let message = errors(pass(json!({"ResultPath": "$.a[*]"})))[0][1].clone();
    assert!(message.as_str().unwrap().starts_with("Value is not a Reference Path: "), "{message}");
}

#[test]
fn faulty_jsonata_has_the_message_of_its_parser() {
    let error = |code: &str, message: &str| json!([code, message, "/States/A/Output/x"]);
    let found = |text: &str| errors(jsonata(json!({"Output": {"x": format!("{{% {text} %}}")}})));
    assert_eq!(found("1 +"), [error("INVALID_JSONATA_EXPRESSION", "Unexpected end of expression")]);
    let unsupported = |message: &str| [error("UNSUPPORTED_JSONATA_EXPRESSION", message)];
    assert_eq!(found("phone"), unsupported("Reference to 'phone' at the top level is not supported."));
    assert_eq!(
        found("$sum(phone.number) + phone"),
        unsupported("Reference to 'phone' at the top level is not supported.")
    );
    assert_eq!(
        found("$map([1], function($v) { x })"),
        unsupported("Reference to 'x' at the top level is not supported.")
    );
    assert_eq!(found("$$"), unsupported("Reference to '$$' is not supported."));
    assert_eq!(found("$states.errorOutput"), unsupported("Field '$states.errorOutput' does not exist."));
    for supported in [
        "$states.input.a.b[c = 1]^(d){e: f}",
        "$states.input.(a & b)",
        "$states.input.a.[b, c]",
        "($x := {'a': 1}; $x.a)",
        "[1, 2][$ > 1]",
        "$states.input ~> |a|{'b': c}|",
        "$states.input.a@$i.b[c = $i.d]",
        "$filter($states.input.a, function($v) { $v.b })",
    ] {
        assert_eq!(found(supported), [] as [Value; 0], "{supported}");
    }
    let catch = json!([{"ErrorEquals": ["E"], "Output": "{% $states.errorOutput.Cause %}", "Next": "B"}]);
    let caught = task(json!({"QueryLanguage": "JSONata", "Catch": catch}));
    let definition = json!({"StartAt": "A", "States": {"A": caught, "B": {"Type": "Succeed"}}});
    assert_eq!(diagnostics(&definition), [] as [Value; 0]);
}

#[test]
fn text_that_is_not_a_definition_has_aws_messages() {
    let answer = |text: &str| {
        engine::validate(text, ExecutionType::Standard).to_json(Severity::Error, 0)["diagnostics"][0].clone()
    };
    let none = json!({"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": "Definition must be a valid JSON object"});
    assert_eq!((answer(" "), answer("[]")), (none.clone(), none));
    let source = "[Source: (String)\"{\n nix}\"; line: 2, column: 5]";
    let message = format!(
        "Unrecognized token 'nix': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at {source}"
    );
    let broken = json!({"severity": "ERROR", "code": "INVALID_JSON_DESCRIPTION", "message": message, "location": source});
    assert_eq!(answer("{\n nix}"), broken);
    let deep = format!("{{\"StartAt\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(answer(&deep)["code"], "TOO_DEEPLY_NESTED");
}

#[test]
fn definition_that_is_too_long_is_not_parsed() {
    let long = engine::validate(&" ".repeat(1_048_577), ExecutionType::Standard);
    assert!(long.diagnostics.len() == 1 && long.diagnostics[0].message.contains("1048577 bytes long"));
}

#[test]
fn warnings_do_not_refuse_a_definition() {
    let validation = validate(&json!({"StartAt": "A", "States": {"A": pass(json!({"Result": "$.x"}))}}));
    assert_eq!((validation.result, validation.refusal()), (Verdict::Ok, None));
    assert_eq!(
        validation.to_json(Severity::Error, 0),
        json!({"result": "OK", "diagnostics": [], "truncated": false})
    );
    let found = |fields: Value| {
        let answer =
            validate(&json!({"StartAt": "A", "States": {"A": fields}})).to_json(Severity::Warning, 0);
        let warning = answer["diagnostics"][0].clone();
        (warning["severity"].clone(), warning["code"].clone(), warning["location"].clone())
    };
    let warning = |code: &str, location: &str| (json!("WARNING"), json!(code), json!(location));
    assert_eq!(
        found(pass(json!({"Result": {"y": "$.x"}}))),
        warning("PASS_RESULT_IS_STATIC", "/States/A/Result/y")
    );
    assert_eq!(
        found(pass(json!({"Parameters": {"y": "$.x"}}))),
        warning("NO_DOLLAR", "/States/A/Parameters/y")
    );
    assert_eq!(
        found(pass(json!({"Parameters": {"y": "States.UUID()"}}))),
        warning("NO_DOLLAR", "/States/A/Parameters/y")
    );
    assert_eq!(found(json!({"Type": "Fail", "Cause": "$.x"})), warning("NO_PATH", "/States/A/Cause"));
}

#[test]
fn response_limits_the_number_of_diagnostics() {
    let states: serde_json::Map<String, Value> =
        (0..150).map(|i| (format!("S{i}"), json!({"Type": "Pass"}))).collect();
    let validation = validate(&json!({"StartAt": "S0", "States": states}));
    assert_eq!(validation.diagnostics.len(), 150);
    for (asked, given) in [(0, 100), (7, 7), (1000, 100)] {
        let answer = validation.to_json(Severity::Error, asked);
        assert_eq!(
            (answer["diagnostics"].as_array().unwrap().len(), &answer["truncated"]),
            (given, &json!(true))
        );
    }
}

#[test]
fn diagnostic_has_both_messages() {
    let validation = engine::validate(
        "{\n\"StartAt\": \"A\",\n\"States\": {\"A\": {\"Type\": \"Pass\", \"Next\": \"B\"}}}",
        ExecutionType::Standard,
    );
    let problem = &validation.diagnostics[0].problem;
    assert_eq!(problem.to_string(), "line 3, column 42: /States/A/Next: there is no state \"B\" here");
}
