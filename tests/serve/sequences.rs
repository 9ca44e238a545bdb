//! Recorded calls of the API and AWS's responses, if they are available: `API_SEQUENCES` names their file. A
//! sequence is equal if the response to every recorded call is. Each has a server of its own. Known
//! differences are listed with their reasons in `sequences/known.tsv`.

#[allow(dead_code, reason = "what only the cases of the engine need")]
#[path = "../../engine/tests/engine/conformance/compare.rs"]
mod compare;
#[allow(dead_code, reason = "what only the cases of the engine need")]
#[path = "../../engine/tests/engine/conformance/names.rs"]
mod names;
mod replay;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Semaphore;

/// The known differences: test and reason, separated by a tab.
const KNOWN: &str = include_str!("sequences/known.tsv");
/// The sequences that run at once.
const AT_ONCE: usize = 6;
/// The sequences that were equal when the number was last raised: it must not fall.
const EQUAL: usize = 651;

#[tokio::test(flavor = "multi_thread")]
async fn recorded_sequences_of_aws_are_reproduced() {
    let path = std::env::var("API_SEQUENCES").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/conformance/api_sequences.jsonl").into()
    });
    let Ok(sequences) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: there are no recorded sequences at {path}; API_SEQUENCES names their file");
        return;
    };
    let known: BTreeMap<&str, &str> = KNOWN.lines().filter_map(|line| line.split_once('\t')).collect();
    let only = std::env::var("ONLY").unwrap_or_default();
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = Vec::new();
    for line in sequences.lines() {
        let sequence: Value = serde_json::from_str(line).unwrap();
        if !needs_step_functions_alone(&sequence)
            || is_of_localstack(line)
            || !sequence["test"].as_str().unwrap().contains(&only)
        {
            continue;
        }
        let room = room.clone();
        running.push(tokio::spawn(async move {
            let _permit = room.acquire_owned().await.unwrap();
            let test = sequence["test"].as_str().unwrap();
            let name = test.trim_start_matches("tests/aws/services/stepfunctions/v2/").to_owned();
            (name, replay::replay(&sequence).await)
        }));
    }
    let (mut equal, mut total, mut surprises) = (0, 0, Vec::new());
    for done in running {
        let (name, miss) = done.await.unwrap();
        total += 1;
        equal += usize::from(miss.is_none());
        match (miss, known.contains_key(name.as_str())) {
            (Some(miss), false) => surprises.push(format!("{name}: {miss}")),
            (None, true) => surprises.push(format!("{name} is equal now: take it out of known.tsv")),
            _ => {}
        }
    }
    eprintln!("{equal} of {total} sequences are equal");
    assert!(surprises.is_empty(), "{} surprises\n{}", surprises.len(), surprises.join("\n"));
    assert!(!only.is_empty() || equal >= EQUAL, "{equal} sequences are equal; before, {EQUAL} were");
}

fn needs_step_functions_alone(sequence: &Value) -> bool {
    let calls = sequence["calls"].as_array().unwrap();
    calls.iter().all(|call| call["svc"] == "stepfunctions")
        && sequence["lambdas"].as_array().unwrap().is_empty()
}

/// Some recordings are LocalStack's own: AWS has no such words.
fn is_of_localstack(line: &str) -> bool {
    line.contains("Error=ValueError Args=")
}
