//! Small machines.

use engine::Outcome;
use serde_json::{Value, json};

use crate::fake::{Fake, run};

pub(crate) const FUNCTION: &str = "arn:aws:lambda:eu-west-1:000000000000:function:f";

/// A machine with a state A, and a state B if A leads to it.
pub(crate) fn one(state: Value) -> String {
    json!({"StartAt": "A", "States": {"A": state, "B": {"Type": "Pass", "End": true}}}).to_string().replacen(
        ",\"B\":{\"Type\":\"Pass\",\"End\":true}",
        if leads_to_b(&state) { ",\"B\":{\"Type\":\"Pass\",\"End\":true}" } else { "" },
        1,
    )
}

fn leads_to_b(state: &Value) -> bool {
    state.to_string().contains(r#""Next":"B""#) || state["Default"] == "B"
}

pub(crate) fn output(state: Value, input: Value) -> Value {
    outcome(&one(state), input)
}

pub(crate) fn check(cases: impl IntoIterator<Item = (Value, Value, Value)>) {
    for (state, input, expected) in cases {
        assert_eq!(output(state.clone(), input), expected, "{state}");
    }
}

pub(crate) fn pass(fields: Value) -> Value {
    let mut state = json!({"Type": "Pass", "End": true});
    state.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    state
}

/// A machine in JSONata.
pub(crate) fn jsonata(state: Value) -> String {
    let mut machine: Value = serde_json::from_str(&one(state)).unwrap();
    machine["QueryLanguage"] = "JSONata".into();
    machine.to_string()
}

/// The outcome of a machine on a host that echoes: its output, or its error and cause.
pub(crate) fn outcome(definition: &str, input: Value) -> Value {
    ended(run(definition, input, &Fake::echo()).unwrap())
}

pub(crate) fn ended(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Succeeded(output) => output,
        Outcome::Failed { error, cause } => json!([error, cause]),
        other => panic!("{other:?}"),
    }
}
