//! Any path, intrinsic function or JSONata expression over any input ends: with a value or a failure.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use engine::{Journal, NoHost, Start};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    jsonata: bool,
    expression: &'a str,
    input: &'a str,
}

fuzz_target!(|case: Case| {
    let state = match case.jsonata {
        true => json!({ "Type": "Pass", "QueryLanguage": "JSONata", "Output": format!("{{% {} %}}", case.expression), "End": true }),
        false => json!({ "Type": "Pass", "Parameters": { "x.$": case.expression }, "End": true }),
    };
    let definition = json!({ "StartAt": "A", "States": { "A": state } }).to_string();
    let Ok(machine) = engine::compile(&definition) else { return };
    let input = serde_json::from_str(case.input).unwrap_or(json!({ "a": [1, { "b": "c" }], "text": case.input }));
    let start = Start::new("arn:aws:states:local:000000000000:execution:fuzz:1", input);
    let journal = Journal::in_memory().expect("memory is there");
    let run = engine::run(Arc::new(machine), start, Arc::new(NoHost), journal, Default::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(run).expect("an execution of one state has an outcome");
});
