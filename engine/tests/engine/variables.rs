//! `Assign` and the scopes of variables.

use serde_json::{Value, json};

use crate::fake::{Fake, run};
use crate::machines::{FUNCTION, ended, outcome};

fn machine(states: Value) -> String {
    json!({"StartAt": "A", "States": states}).to_string()
}

fn shows(expression: &str) -> Value {
    json!({"Type": "Pass", "Parameters": {"v.$": expression}, "End": true})
}

#[test]
fn variable_is_read_in_later_states() {
    let states = json!({
        "A": {"Type": "Pass", "Assign": {"x.$": "$.n", "o": {"k": [1, 2]}}, "Next": "B"},
        "B": {"Type": "Pass", "Result": 1, "Next": "C"},
        "C": {"Type": "Pass", "Parameters": {"x.$": "$x", "k.$": "$o.k[1]", "f.$": "States.Format('{}', $x)"}, "End": true}
    });
    assert_eq!(outcome(&machine(states), json!({"n": 7})), json!({"x": 7, "k": 2, "f": "7"}));
}

#[test]
fn state_is_evaluated_with_the_variables_before_it() {
    let states = json!({
        "A": {"Type": "Pass", "Assign": {"x": 1, "y": 2}, "Next": "B"},
        "B": {"Type": "Pass", "Assign": {"x.$": "$y", "y.$": "$x"}, "OutputPath": "$x", "Next": "C"},
        "C": {"Type": "Pass", "Parameters": {"was.$": "$", "x.$": "$x", "y.$": "$y"}, "End": true}
    });
    assert_eq!(outcome(&machine(states), json!({})), json!({"was": 1, "x": 2, "y": 1}));
}

#[test]
fn task_assigns_from_its_result_and_catcher_from_the_error() {
    let task = |catch: Value| {
        machine(json!({
            "A": {"Type": "Task", "Resource": FUNCTION, "Assign": {"v.$": "$.n"}, "ResultPath": null, "Catch": catch, "Next": "B"},
            "B": shows("$v")
        }))
    };
    assert_eq!(outcome(&task(json!([])), json!({"n": 3})), json!({"v": 3}));
    let host = Fake::new(|_| Err(engine::TaskError::Error { error: "E".into(), cause: String::new() }));
    let catch = json!([{"ErrorEquals": ["E"], "Assign": {"v.$": "$.Error"}, "Next": "B"}]);
    assert_eq!(ended(run(&task(catch), json!({"n": 3}), &host).unwrap()), json!({"v": "E"}));
}

#[test]
fn choice_assigns_by_the_chosen_rule() {
    let states = json!({
        "A": {
            "Type": "Choice", "Assign": {"v": "default"}, "Default": "B",
            "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Assign": {"v": "one"}, "Next": "B"}]
        },
        "B": shows("$v")
    });
    assert_eq!(outcome(&machine(states.clone()), json!({"n": 1})), json!({"v": "one"}));
    assert_eq!(outcome(&machine(states), json!({"n": 2})), json!({"v": "default"}));
}

#[test]
fn inner_scopes_read_the_outer_ones_and_keep_their_own() {
    let inner = json!({"StartAt": "I", "States": {
        "I": {"Type": "Pass", "Assign": {"inner.$": "$x"}, "Next": "J"},
        "J": {"Type": "Pass", "Parameters": {"v.$": "$inner"}, "End": true}
    }});
    let parallel = json!({
        "A": {"Type": "Pass", "Assign": {"x": 5}, "Next": "P"},
        "P": {"Type": "Parallel", "Branches": [inner], "Next": "B"},
        "B": {"Type": "Pass", "Parameters": {"branch.$": "$[0].v", "mine.$": "$x"}, "End": true}
    });
    assert_eq!(outcome(&machine(parallel.clone()), json!({})), json!({"branch": 5, "mine": 5}));
    let mut gone = parallel;
    gone["B"] = shows("$inner");
    assert_eq!(outcome(&machine(gone), json!({}))[0], "States.Runtime");
    let map = json!({
        "A": {"Type": "Pass", "Assign": {"x": 5}, "Next": "M"},
        "M": {"Type": "Map", "ItemsPath": "$.l", "ItemProcessor": inner, "End": true}
    });
    assert_eq!(outcome(&machine(map.clone()), json!({"l": [1, 2]})), json!([{"v": 5}, {"v": 5}]));
    let mut distributed = map;
    distributed["M"]["ItemProcessor"]["ProcessorConfig"] =
        json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"});
    assert_eq!(
        outcome(&machine(distributed), json!({"l": [1]}))[0],
        "States.ExceedToleratedFailureThreshold"
    );
}

#[test]
fn outer_variable_cannot_be_set_inside() {
    let inner = json!({"StartAt": "I", "States": {"I": {"Type": "Pass", "Assign": {"x": 1}, "End": true}}});
    let states = |assign: Value, kind: Value| {
        let mut state = json!({"End": true});
        state.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        machine(json!({"A": {"Type": "Pass", "Assign": assign, "Next": "P"}, "P": state}))
    };
    let parallel = json!({"Type": "Parallel", "Branches": [inner]});
    let problems = engine::compile(&states(json!({"x": 1}), parallel.clone())).unwrap_err();
    assert!(problems.to_string().contains("the variable $x belongs to an outer scope"), "{problems}");
    assert!(engine::compile(&states(json!({"y": 1}), parallel)).is_ok());
    // A variable that is set later is not an outer variable.
    let catch = json!([{"ErrorEquals": ["E"], "Assign": {"x": 1}, "Next": "Q"}]);
    let later = |next: &str| {
        let first = json!({"Type": "Parallel", "Branches": [inner], "Catch": catch, "Next": "Q"});
        let second = json!({"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": true, "Assign": {"x": 2}, "Next": next}], "Default": "Z"});
        machine(json!({"A": first, "Q": second, "Z": {"Type": "Succeed"}}))
    };
    assert!(engine::compile(&later("Z")).is_ok());
    assert!(engine::compile(&later("A")).is_err());
    let mut distributed = json!({"Type": "Map", "ItemProcessor": inner});
    distributed["ItemProcessor"]["ProcessorConfig"] =
        json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"});
    assert!(engine::compile(&states(json!({"x": 1}), distributed)).is_ok());
}

#[test]
fn assign_over_256_kib_fails_the_state() {
    let states = json!({"A": {"Type": "Pass", "Assign": {"x.$": "$.t", "y.$": "$.t"}, "End": true}});
    let half = "x".repeat(131_069);
    assert_eq!(outcome(&machine(states.clone()), json!({"t": half}))["t"], half);
    let more = json!({"t": format!("{half}xxx")});
    assert_eq!(outcome(&machine(states), more)[0], "States.DataLimitExceeded");
}
