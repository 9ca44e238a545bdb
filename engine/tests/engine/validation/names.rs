//! Names, resources and transitions in AWS's words.

use engine::ExecutionType;
use serde_json::{Value, json};

use super::{diagnostics, diagnostics_as, errors, merged, pass, schema, task, validate};
use crate::machines::FUNCTION;

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
        diagnostics_as(&definition, ExecutionType::Express)
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
    assert_eq!(diagnostics(&definition), expected);
    let refusal = validate(&definition).refusal().unwrap();
    let message = "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: C at /States/A/Next, \
                   MISSING_TRANSITION_TARGET: State \"B\" is not reachable. at /States/B'";
    assert_eq!((refusal.code, refusal.message.as_str()), ("InvalidDefinition", message));

    let definition = json!({"StartAt": "X", "States": {"A": end}});
    let expected = [
        missing("Missing 'Next' target: X", "/StartAt"),
        missing("State \"A\" is not reachable.", "/States/A"),
    ];
    assert_eq!(diagnostics(&definition), expected);

    let choice = json!({"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": true, "Next": "X"}], "Default": "B"});
    let definition = json!({"StartAt": "A", "States": {"A": choice, "B": end}});
    assert_eq!(diagnostics(&definition), [missing("Missing 'Next' target: X", "/States/A/Choices[0]/Next")]);
}

#[test]
fn machine_needs_a_terminal_state_and_a_branch_does_not() {
    let loops = json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}, "C": {"Type": "Pass", "Next": "A"}}});
    assert_eq!(diagnostics(&loops), [json!(["MISSING_END_STATE", "Workflow has no terminal state", null])]);
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
    assert_eq!(diagnostics(&long)[0][0], "INVALID_STATE_NAME");
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
        diagnostics(&json!({"StartAt": "A", "States": {
            "A": map("B", "same", json!({"Next": "C"})), "C": map("D", label, json!({"End": true}))
        }}))
    };
    assert_eq!(maps("same")[0][0], "DUPLICATE_LABEL_NAME");
    assert_eq!(maps("a b")[0][0], "INVALID_LABEL_NAME");
}

#[test]
fn names_are_unescaped_in_locations() {
    let definition = json!({"StartAt": "a/b", "States": {"a/b": {"Type": "Pass", "Next": "0"}, "0": {"Type": "Wait", "End": true, "Seconds": -1}}});
    assert_eq!(diagnostics(&definition), [schema("Minimum value is 0", "/States/0/Seconds")]);
    let definition = json!({"StartAt": "a/b", "States": {"a/b": pass(json!({"InputPath": "x"}))}});
    assert_eq!(diagnostics(&definition)[0][2], "/States/a/b/InputPath");
}
