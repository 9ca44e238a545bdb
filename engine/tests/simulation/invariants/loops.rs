//! Choices lead back as often as they may.

use std::collections::BTreeSet;

use engine::Event;
use serde_json::Value;

use crate::generator::Workflow;

/// Checks the history of an execution that did not crash.
pub(super) fn turn(workflow: &Workflow, events: &[Event], left: &Event, wrong: &mut Vec<String>) {
    let Some((_, details)) = &left.details else { return };
    let name = details["name"].as_str().unwrap_or_default();
    let Some(round) = workflow.loops.get(name) else { return };
    let data: Value = serde_json::from_str(details["output"].as_str().unwrap()).unwrap();
    // A run of states that is aborted does not continue.
    let Some(next) = events.iter().find(|next| next.previous == left.id) else { return };
    let entered = next.details.as_ref().and_then(|(_, details)| details["name"].as_str()).unwrap_or_default();
    let turns = turns(data["id"].as_str().unwrap(), name);
    let counts = !round.in_data || data.get(format!("turns{name}")).is_some();
    if (counts && turns < round.turns) != (entered == round.counter) {
        wrong.push(format!(
            "history: event {}: {name} went to {entered} after {turns} turns of {}",
            left.id, round.turns
        ));
    }
}

/// The rounds in an id. Outer runs of states count their own rounds.
pub(crate) fn turns(id: &str, name: &str) -> u64 {
    let own = id.rsplit('/').next().unwrap_or_default();
    own.split('~').skip(1).filter(|turn| *turn == name).count() as u64
}

/// The number of times that a Choice led back, according to the history.
pub(crate) fn turned(workflow: &Workflow, events: &[Event]) -> u64 {
    let counters: BTreeSet<&str> = workflow.loops.values().map(|round| round.counter.as_str()).collect();
    let entered = events
        .iter()
        .filter(|event| event.kind == "PassStateEntered")
        .filter_map(|event| event.details.as_ref());
    entered.filter(|(_, details)| counters.contains(details["name"].as_str().unwrap_or_default())).count()
        as u64
}
