//! The attempts of a Distributed Map in a history: each fails as its store does, with the error of that
//! failure. Then there is another attempt or a catcher, as the state says.

use engine::Event;
use serde_json::Value;

use crate::generator::{MapPlan, StoreFault, Workflow};

pub(super) const THRESHOLD: &str = "States.ExceedToleratedFailureThreshold";

pub(super) const OVERSIZED: &str = "States.DataLimitExceeded";

struct Attempt<'a> {
    state: &'a str,
    plan: &'a MapPlan,
    /// From 0.
    number: usize,
}

/// A Map Run has ended.
pub(super) fn ended(workflow: &Workflow, events: &[Event], event: &Event, wrong: &mut Vec<String>) {
    let Some(attempt) = attempt(workflow, events, event) else {
        return wrong.push(format!("history: event {} ends a Map Run of no state", event.id));
    };
    let (error, fault) = (error(event), attempt.plan.faults.get(attempt.number).copied().flatten());
    let is_legal = match (error, fault) {
        (None | Some(THRESHOLD | OVERSIZED | "States.ItemReaderFailed" | "States.ResultWriterFailed"), _)
            if workflow.foul_weather =>
        {
            true
        }
        (None | Some(THRESHOLD), fault) => !fault.is_some_and(StoreFault::is_certain),
        (Some(OVERSIZED), fault) => {
            attempt.plan.is_big && !attempt.plan.writes && !fault.is_some_and(StoreFault::is_certain)
        }
        (Some(error), Some(fault)) => error == fault.error(),
        (Some(_), None) => false,
    };
    if !is_legal {
        wrong.push(format!(
            "history: event {}: attempt {} of {} with {fault:?} ended with {error:?}",
            event.id, attempt.number, attempt.state
        ));
    }
    if let (Some(error), true) = (error, attempt.number > 0) {
        let retrier = &state(&workflow.definition, attempt.state).unwrap()["Retry"][0];
        let most = retrier["MaxAttempts"].as_u64().unwrap_or_default();
        if attempt.number as u64 > most {
            wrong.push(format!(
                "history: event {}: attempt {} of {} after {most} retries ({error})",
                event.id, attempt.number, attempt.state
            ));
        }
    }
}

/// A state has failed. Its last attempt is the event before.
pub(super) fn given_up(workflow: &Workflow, events: &[Event], event: &Event, wrong: &mut Vec<String>) {
    let failed = &events[event.previous as usize - 1];
    let attempt = attempt(workflow, events, failed).filter(|_| failed.kind == "MapRunFailed");
    let (Some(attempt), Some(error)) = (attempt, error(failed)) else { return };
    let state = state(&workflow.definition, attempt.state).unwrap();
    let retrier = &state["Retry"][0];
    if matches(retrier, error) && (attempt.number as u64) < retrier["MaxAttempts"].as_u64().unwrap() {
        wrong.push(format!(
            "history: event {}: {} was not tried again after {error}",
            event.id, attempt.state
        ));
    }
    let next = events.iter().find(|next| next.previous == event.id);
    let caught = next.is_some_and(|next| next.kind == "MapStateExited");
    if caught != matches(&state["Catch"][0], error)
        && next.is_some_and(|next| caught || next.kind == "ExecutionFailed")
    {
        wrong.push(format!(
            "history: event {}: {error} of {} was {}",
            event.id,
            attempt.state,
            if caught { "caught" } else { "not caught" }
        ));
    }
}

fn error(event: &Event) -> Option<&str> {
    event.details.as_ref().map(|(_, details)| details["error"].as_str().unwrap_or_default())
}

fn attempt<'a>(workflow: &'a Workflow, events: &'a [Event], event: &Event) -> Option<Attempt<'a>> {
    let (mut begun, mut at) = (0_usize, event.previous);
    loop {
        let found = events.get((at as usize).checked_sub(1)?)?;
        if found.kind == "MapStateEntered" {
            let state = found.details.as_ref()?.1["name"].as_str()?;
            return Some(Attempt { state, plan: workflow.maps.get(state)?, number: begun.checked_sub(1)? });
        }
        begun += usize::from(found.kind == "MapRunStarted");
        at = found.previous;
    }
}

fn matches(handler: &Value, error: &str) -> bool {
    let pattern = handler["ErrorEquals"][0].as_str().unwrap_or_default();
    pattern == "States.ALL" || (pattern == "States.TaskFailed" && error != OVERSIZED) || pattern == error
}

/// Finds the state with this name, at any depth.
fn state<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => {
            let here = fields.get("States").and_then(|states| states.get(name));
            here.or_else(|| fields.values().find_map(|value| state(value, name)))
        }
        Value::Array(values) => values.iter().find_map(|value| state(value, name)),
        _ => None,
    }
}
