//! Validation in AWS's words.

use engine::{ExecutionType, Severity, Validation, Verdict};
use serde_json::{Value, json};

use crate::machines::FUNCTION;

fn validate(definition: &Value) -> Validation {
    engine::validate(&definition.to_string(), ExecutionType::Standard)
}

/// The `[code, message, location]` of each error in a machine whose only state has these fields.
fn errors(fields: Value) -> Vec<Value> {
    answers(&json!({"StartAt": "A", "States": {"A": fields}}))
}

fn answers(definition: &Value) -> Vec<Value> {
    answers_as(definition, ExecutionType::Standard)
}

fn answers_as(definition: &Value, execution_type: ExecutionType) -> Vec<Value> {
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
    assert_eq!(answers(&json!({})), [schema("These fields are required: [States, StartAt]", "/")]);
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
    assert_eq!(answers(&definition), [] as [Value; 0]);
}

#[test]
fn faulty_names_of_variables_have_aws_messages() {
    let error = |code: &str, message: &str| json!([code, message, "/States/A/Assign"]);
    let reserved = error("RESERVED_VARIABLE_NAME", "Cannot assign to reserved variable '$states'.");
    assert_eq!(errors(pass(json!({"Assign": {"states": 1}}))), [reserved]);
    let invalid = error(
        "INVALID_VARIABLE_NAME",
        "Invalid variable name '1': the variable name contains invalid characters.",
    );
    assert_eq!(errors(pass(json!({"Assign": {"1": 1}}))), [invalid]);
}

#[test]
fn faulty_resources_have_aws_messages() {
    assert_eq!(
        errors(task(json!({"Resource": "f"}))),
        [schema("Value is not a valid resource ARN", "/States/A/Resource")]
    );
    for arn in [
        "dynamodb:query",
        "lambda:invoke.sync",
        "sqs:sendMessage.sync:2",
        "glue:startJobRun.waitForTaskToken",
        "aws-sdk:s3:getObject.sync",
    ] {
        let arn = format!("arn:aws:states:::{arn}");
        let message = format!(
            "The resource provided {arn} is not recognized. The value is not a valid resource ARN, or the resource is not available in this region."
        );
        assert_eq!(errors(task(json!({"Resource": arn}))), [schema(&message, "/States/A/Resource")]);
    }
    for arn in [
        "states:startExecution.sync:2",
        "ecs:runTask.waitForTaskToken",
        "glue:startJobRun.sync",
        "aws-sdk:s3:getObject",
        "unheard:of",
    ] {
        assert_eq!(
            errors(task(json!({"Resource": format!("arn:aws:states:::{arn}")}))),
            [] as [Value; 0],
            "{arn}"
        );
    }
}

#[test]
fn express_machine_cannot_wait_or_start_map_runs() {
    let found = |resource: &str| {
        let definition = json!({"StartAt": "A", "States": {"A": task(json!({"Resource": resource}))}});
        answers_as(&definition, ExecutionType::Express)
    };
    let refused = |message: &str| {
        [schema(&format!("Express state machine does not support {message}"), "/States/A/Resource")]
    };
    assert_eq!(
        found("arn:aws:states:::states:startExecution.sync:2"),
        refused("'.sync' service integration")
    );
    assert_eq!(
        found("arn:aws:states:::sqs:sendMessage.waitForTaskToken"),
        refused("'.waitForTaskToken' service integration ")
    );
    assert_eq!(found("arn:aws:states:eu-west-1:000000000000:activity:a"), refused("Activity ARN"));
    assert_eq!(found(FUNCTION), [] as [Value; 0]);
}

#[test]
fn faulty_transitions_have_aws_messages() {
    let missing = |message: &str, location: &str| json!(["MISSING_TRANSITION_TARGET", message, location]);
    let end = json!({"Type": "Pass", "End": true});
    let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "C"}, "B": end}});
    let expected = [
        missing("Missing 'Next' target: C", "/States/A/Next"),
        missing("State \"B\" is not reachable.", "/States/B"),
    ];
    assert_eq!(answers(&definition), expected);
    let refusal = validate(&definition).refusal().unwrap();
    let message = "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: C at /States/A/Next, \
                   MISSING_TRANSITION_TARGET: State \"B\" is not reachable. at /States/B'";
    assert_eq!((refusal.code, refusal.message.as_str()), ("InvalidDefinition", message));

    let definition = json!({"StartAt": "X", "States": {"A": end}});
    let expected = [
        missing("Missing 'Next' target: X", "/StartAt"),
        missing("State \"A\" is not reachable.", "/States/A"),
    ];
    assert_eq!(answers(&definition), expected);

    let choice = json!({"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": true, "Next": "X"}], "Default": "B"});
    let definition = json!({"StartAt": "A", "States": {"A": choice, "B": end}});
    assert_eq!(answers(&definition), [missing("Missing 'Next' target: X", "/States/A/Choices[0]/Next")]);
}

#[test]
fn machine_needs_a_terminal_state_and_a_branch_does_not() {
    let loops = json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}, "C": {"Type": "Pass", "Next": "A"}}});
    assert_eq!(answers(&loops), [json!(["MISSING_END_STATE", "Workflow has no terminal state", null])]);
    let message =
        "Invalid State Machine Definition: 'MISSING_END_STATE: Workflow has no terminal state at null'";
    assert_eq!(validate(&loops).refusal().unwrap().message, message);
    let branch = json!({"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "B"}}});
    assert_eq!(errors(json!({"Type": "Parallel", "Branches": [branch], "End": true})), [] as [Value; 0]);
}

#[test]
fn faulty_names_of_states_and_labels_have_aws_messages() {
    let name = "x".repeat(81);
    let long = json!({"StartAt": name, "States": {&name: {"Type": "Succeed"}}});
    assert_eq!(answers(&long)[0][0], "INVALID_STATE_NAME");
    let branch = |name: &str| json!({"StartAt": name, "States": {name: {"Type": "Succeed"}}});
    let twice = json!({"Type": "Parallel", "Branches": [branch("B"), branch("B")], "End": true});
    assert_eq!(
        errors(twice),
        [json!(["DUPLICATE_STATE_NAME", "Duplicate State name: B", "/States/A/Branches[1]/States/B"])]
    );
    let map = |name: &str, label: &str, next: Value| {
        let processor = merged(
            json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}),
            branch(name),
        );
        merged(json!({"Type": "Map", "Label": label, "ItemProcessor": processor}), next)
    };
    let maps = |label: &str| {
        answers(&json!({"StartAt": "A", "States": {
            "A": map("B", "same", json!({"Next": "C"})), "C": map("D", label, json!({"End": true}))
        }}))
    };
    assert_eq!(maps("same")[0][0], "DUPLICATE_LABEL_NAME");
    assert_eq!(maps("a b")[0][0], "INVALID_LABEL_NAME");
}

#[test]
fn names_are_unescaped_in_locations() {
    let definition = json!({"StartAt": "a/b", "States": {"a/b": {"Type": "Pass", "Next": "0"}, "0": {"Type": "Wait", "End": true, "Seconds": -1}}});
    assert_eq!(answers(&definition), [schema("Minimum value is 0", "/States/0/Seconds")]);
    let definition = json!({"StartAt": "a/b", "States": {"a/b": pass(json!({"InputPath": "x"}))}});
    assert_eq!(answers(&definition)[0][2], "/States/a/b/InputPath");
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
