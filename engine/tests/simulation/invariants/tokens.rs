//! Tasks with tokens end as their workers decide.

use engine::Event;
use serde_json::Value;

use crate::host::{Fate, Simulated};

/// Checks the history of an execution that did not crash.
pub(crate) fn tokens(host: &Simulated, events: &[Event], wrong: &mut Vec<String>) {
    let post = host.post.lock().unwrap();
    for event in events {
        let Some(how) = ["Succeeded", "Failed", "TimedOut"].into_iter().find(|how| {
            let task = event.kind.strip_suffix(how);
            task.is_some_and(|task| ["Task", "Activity"].contains(&task))
        }) else {
            continue;
        };
        let Some(task) = task(events, event) else {
            wrong.push(format!(
                "history: event {} ({}) ends a task that was not scheduled",
                event.id, event.kind
            ));
            continue;
        };
        let fate = post.fate(&task);
        let is_legal = match fate {
            // A task without a token responds at once.
            None => !event.kind.starts_with("Activity"),
            Some(Fate::Success) => how == "Succeeded",
            Some(Fate::Failure) => how == "Failed",
            Some(Fate::Answer) => how != "TimedOut",
            Some(Fate::TimeOut) => how == "TimedOut",
        };
        if !is_legal {
            wrong.push(format!("history: event {}: {task}, {fate:?}, ended in {how}", event.id));
        }
    }
}

/// The task's name for the host: state, id and attempt.
fn task(events: &[Event], ended: &Event) -> Option<String> {
    let (mut scheduled, mut at) = (0_u64, ended.previous);
    loop {
        let event = events.get((at as usize).checked_sub(1)?)?;
        if event.kind == "TaskStateEntered" {
            let details = &event.details.as_ref()?.1;
            let input: Value = serde_json::from_str(details["input"].as_str()?).ok()?;
            return Some(format!(
                "{} {} {}",
                details["name"].as_str()?,
                input["id"].as_str()?,
                scheduled.checked_sub(1)?
            ));
        }
        scheduled += u64::from(["TaskScheduled", "ActivityScheduled"].contains(&event.kind.as_str()));
        at = event.previous;
    }
}
