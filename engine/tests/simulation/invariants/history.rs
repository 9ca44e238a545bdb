//! The invariants of a history.

use std::collections::BTreeSet;

use engine::{Ended, Event, Outcome};
use serde_json::Value;

use super::{attempts, exceeded, loops};
use crate::generator::Workflow;

/// Checks the history of an execution that did not crash.
pub(crate) fn history(workflow: &Workflow, events: &[Event], wrong: &mut Vec<String>) {
    let name = |event: &Event| {
        event.details.as_ref().map(|(_, details)| details["name"].as_str().unwrap_or_default().to_owned())
    };
    let is_end = |kind: &str| ["ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut"].contains(&kind);
    let mut left = BTreeSet::new();
    for (index, event) in events.iter().enumerate() {
        let mut say = |what: &str| wrong.push(format!("history: event {} ({}) {what}", event.id, event.kind));
        if event.id != index as u64 + 1 {
            say(&format!("has place {}", index + 1));
            return;
        }
        if event.previous >= event.id {
            say(&format!("follows {}", event.previous));
            return;
        }
        if (event.kind == "ExecutionStarted") != (index == 0) {
            say("is not where an execution starts");
        }
        if is_end(&event.kind) != (index + 1 == events.len()) {
            say("is not where an execution ends");
        }
        if index > 0 && event.timestamp < events[index - 1].timestamp {
            say("comes before the one before it");
        }
        if matches!(event.kind.as_str(), "MapRunSucceeded" | "MapRunFailed") {
            attempts::ended(workflow, events, event, wrong);
            continue;
        }
        if event.kind == "MapStateFailed" {
            attempts::given_up(workflow, events, event, wrong);
            continue;
        }
        let Some(kind) = event.kind.strip_suffix("StateExited") else { continue };
        let entered = format!("{kind}StateEntered");
        let mut at = event.previous;
        while at > 0 {
            let found = &events[at as usize - 1];
            if found.kind == entered && name(found) == name(event) && !left.contains(&at) {
                break;
            }
            at = found.previous;
        }
        match at {
            0 => say("leaves a state that was not entered, or was left before"),
            _ => _ = left.insert(at),
        }
        outputs(workflow, event, wrong);
        if kind == "Choice" {
            loops::turn(workflow, events, event, wrong);
        }
    }
}

/// Checks the history that a store has kept of an execution that crashed. What was done again is in it again.
pub(crate) fn kept(events: &[Event], ended: Option<Ended>, outcome: &Outcome, wrong: &mut Vec<String>) {
    let last = match outcome {
        Outcome::Succeeded(_) => "ExecutionSucceeded",
        Outcome::Failed { .. } => "ExecutionFailed",
        Outcome::TimedOut => "ExecutionTimedOut",
        Outcome::Aborted { .. } => "ExecutionAborted",
    };
    let redriven = events.iter().rposition(|event| event.kind == "ExecutionRedriven").unwrap_or(0);
    let mut entered = 0;
    for (index, event) in events.iter().enumerate() {
        let mut say = |what: &str| wrong.push(format!("kept: event {} ({}) {what}", event.id, event.kind));
        if event.id != index as u64 + 1 || event.previous >= event.id {
            say(&format!("has place {}, and follows {}", index + 1, event.previous));
        }
        if (event.kind == "ExecutionStarted") != (index == 0) {
            say("is not where an execution starts");
        }
        if index > redriven && (event.kind == last) != (index + 1 == events.len()) {
            say("is not where this execution ends");
        }
        entered += u64::from(event.kind.ends_with("StateEntered"));
    }
    let time = events.last().map(|event| event.timestamp);
    if entered == 0 || ended.as_ref().map(|end| (&end.outcome, Some(end.at))) != Some((outcome, time)) {
        wrong.push(format!("kept: {entered} states, and {ended:?} at {time:?}"));
    }
}

/// A Distributed Map without a ResultWriter returns the outputs of its own items, each once.
fn outputs(workflow: &Workflow, event: &Event, wrong: &mut Vec<String>) {
    let Some((_, details)) = event.details.as_ref().filter(|_| event.kind == "MapStateExited") else {
        return;
    };
    let name = details["name"].as_str().unwrap();
    let Some(plan) = workflow.maps.get(name).filter(|plan| !plan.writes && !plan.batched) else { return };
    let output: Value = serde_json::from_str(details["output"].as_str().unwrap()).unwrap();
    let Some(outputs) = output[name].as_array() else { return };
    let places: BTreeSet<&str> =
        outputs.iter().filter_map(|output| output["id"].as_str()?.rsplit('.').next()).collect();
    let failed = plan.items - outputs.len() as u64;
    if places.len() != outputs.len() || exceeded(plan, failed) {
        wrong.push(format!("{name}: of {} items, the outputs are {outputs:?}", plan.items));
    }
}
