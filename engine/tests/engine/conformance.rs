//! Recorded responses of AWS, if they are available: `ASL_CASES` names their file. Each case is run, its
//! result and history are compared, and a table says how many are equal. Known differences are listed with
//! their reasons in `conformance/known.tsv`.

mod compare;
mod names;
mod replay;
mod test_state;
mod validation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::{History, Journal, Outcome, Start};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fake::block_on;

/// The known differences: case, part and reason, separated by tabs.
const KNOWN: &str = include_str!("conformance/known.tsv");

#[derive(Default)]
struct Count {
    passed: usize,
    total: usize,
}

#[test]
fn recorded_cases_of_aws_are_reproduced() {
    let path = std::env::var("ASL_CASES").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/conformance/cases.jsonl").into()
    });
    let Ok(cases) = std::fs::read_to_string(&path) else {
        eprintln!("no recorded cases at {path}");
        return;
    };
    let known: BTreeSet<(&str, &str)> = KNOWN
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(id, rest)| (id, rest.split('\t').next().unwrap()))
        .collect();
    let mut table: BTreeMap<(String, &str), Count> = BTreeMap::new();
    let mut surprises = Vec::new();
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        if case["trust"] == "localstack" {
            continue;
        }
        let id = case["id"].as_str().unwrap();
        let checked = match case["kind"].as_str().unwrap() {
            "validation" => vec![validation::check(&case)],
            "test_state" => vec![("test_state", test_state::check(&case))],
            _ if is_comparable(&case) => check(&case),
            _ => vec![("accepted", validation::accepted(&case))],
        };
        for (what, miss) in checked {
            let count = table.entry((case["class"].as_str().unwrap().to_owned(), what)).or_default();
            count.total += 1;
            count.passed += usize::from(miss.is_none());
            match (miss, known.contains(&(id, what))) {
                (Some(miss), false) => surprises.push(format!("{what} of {id}: {miss}")),
                (None, true) => {
                    surprises.push(format!("{what} of {id} is equal now: take it out of known.tsv"))
                }
                _ => {}
            }
        }
    }
    for ((class, what), Count { passed, total }) in &table {
        eprintln!("class {class}  {what:10} {passed:4} of {total:4}");
    }
    for what in ["result", "history"] {
        let of_start_set = || {
            table
                .iter()
                .filter(|((class, kind), _)| matches!(class.as_str(), "a" | "b" | "c") && *kind == what)
        };
        let sum = |figure: fn(&Count) -> usize| of_start_set().map(|(_, count)| figure(count)).sum::<usize>();
        eprintln!("start set {what:8} {:4} of {:4}", sum(|count| count.passed), sum(|count| count.total));
    }
    assert!(!table.is_empty() && surprises.is_empty(), "{}", surprises.join("\n"));
}

/// Whether the case is of real AWS, and its outcome does not depend on randomness, the date or calls in
/// between.
fn is_comparable(case: &Value) -> bool {
    let has = |name: &str| !case[name].is_null() && case[name] != false;
    let hinders = ["output_nondeterministic", "snapshot_before_end", "external_calls", "clock_captured"];
    case["trust"] == "aws" && !hinders.into_iter().any(has)
}

/// Compares the result and the history, if there is one. None means no difference.
fn check(case: &Value) -> Vec<(&'static str, Option<String>)> {
    let expects_history = case["expected_history"].is_array();
    let (found, history) = match run(case) {
        Ok(found) => found,
        Err(problem) => {
            let mut found = vec![("result", Some(problem.clone()))];
            if expects_history {
                found.push(("history", Some(problem)));
            }
            return found;
        }
    };
    let names = names::Names::of(case);
    let mut compared = vec![("result", compare::results(&names, &case["expected"], &found))];
    if expects_history {
        compared.push(("history", compare::histories(&names, case, &history)));
    }
    compared
}

fn run(case: &Value) -> Result<(Value, Vec<Value>), String> {
    let definition =
        case["definition_text"].as_str().map_or_else(|| case["definition"].to_string(), str::to_owned);
    // The recordings contain no ARNs of activities.
    let definition = definition
        .replace("\"activity_arn\"", "\"arn:aws:states:us-east-1:111111111111:activity:activity_arn\"");
    let machine = engine::compile(&definition).map_err(|problems| problems.to_string())?;
    let replay = replay::Replay::of(case);
    let input = if case["input_given"] == false { json!({}) } else { case["input"].clone() };
    let mut start = Start::new(names::execution(case), input);
    start.role_arn = names::role(case);
    start.tokens = replay.tokens.clone();
    let history = History::default();
    start.history = Some(history.clone());
    let run = engine::run(
        Arc::new(machine),
        start,
        Arc::new(replay),
        Journal::in_memory().unwrap(),
        CancellationToken::new(),
    );
    // The paused clock lets a task that hangs time out at once.
    let run = async { tokio::time::timeout(std::time::Duration::from_secs(400 * 24 * 3600), run).await };
    let ended = block_on(run).map_err(|_| "it does not end")?;
    let found = match ended.map_err(|stop| stop.to_string())? {
        Outcome::Succeeded(output) => {
            json!({"status": "SUCCEEDED", "output": output, "error": null, "cause": null})
        }
        Outcome::Failed { error, cause } => {
            json!({"status": "FAILED", "output": null, "error": error, "cause": cause})
        }
        Outcome::Aborted { error, .. } => panic!("aborted: {error}"),
        Outcome::TimedOut => json!({"status": "TIMED_OUT", "output": null, "error": null, "cause": null}),
    };
    Ok((found, history.events().iter().map(engine::Event::to_json).collect()))
}
