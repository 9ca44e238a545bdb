//! One execution: its facts, what can be done with it, its graph, its states and its events.

use askama::Template;
use serde_json::Value;

use super::super::page::{Page, Wanted, encode};
use super::super::progress::{Progress, State};
use super::super::{Console, Who};
use super::machines::Graph;
use super::{Row, map_run, path_of, runs, timeline};
use crate::api::ApiError;
use crate::executions::Status;
use crate::jobs::MACHINE;
use crate::keys::Role;

/// The events that the progress of the states is read from: the last ones.
const EVENTS: usize = 5_000;
/// The events of one page.
const ROWS: usize = 100;
/// What the events can be filtered by.
const KINDS: [(&str, &str); 3] =
    [("all", "all"), ("states", "of states only"), ("failures", "failures only")];

#[derive(Template)]
#[template(path = "execution.html")]
struct Facts {
    /// The page of the run, if it is one of a job.
    run: Option<String>,
    row: Row,
    redrives: usize,
    arn: String,
    cause: Option<String>,
    input: String,
    output: Option<String>,
}

#[derive(Template)]
#[template(path = "actions.html")]
struct Actions {
    path: String,
    running: bool,
    /// Why it cannot be redriven.
    refused: Option<String>,
    /// The states that a redrive goes on with.
    repeats: Vec<String>,
    /// The path of the form for another execution with the same input.
    again: String,
}

#[derive(Template)]
#[template(path = "states.html")]
struct States {
    rows: Vec<State>,
}

#[derive(Template)]
#[template(path = "events.html")]
struct Events {
    kinds: [(&'static str, &'static str); 3],
    show: &'static str,
    rows: Vec<EventRow>,
    next: Option<String>,
}

struct EventRow {
    id: u64,
    time: String,
    kind: String,
    state: String,
    json: String,
}

pub(super) fn page(
    console: &Console,
    who: &Who,
    machine: &str,
    name: &str,
    wanted: &Wanted,
) -> Result<Page, ApiError> {
    let api = &console.api;
    let arn = api.place.execution(machine, name);
    let execution = api.executions.find(machine, name)?.ok_or_else(|| ApiError::no_execution(&arn))?;
    let revision = api.catalog().revision(&execution.revision)?;
    let definition: Value = serde_json::from_str(&revision.definition).unwrap_or_default();
    let mut events = api.executions.events(&execution, u64::MAX, true, EVENTS)?;
    events.reverse();
    let progress = Progress::of(&events, execution.status());
    let path = path_of(machine, name);
    let end = execution.end.as_ref();
    let machine_path = format!("/machines/{}", encode(machine));
    let facts = Facts {
        run: (machine == MACHINE).then(|| runs::path_of(name)),
        row: Row::of(&execution),
        redrives: execution.redrives.len(),
        arn: arn.clone(),
        cause: end.and_then(|end| end.cause.clone()),
        input: pretty(&execution.input),
        output: end.and_then(|end| end.output.as_deref()).map(pretty),
    };
    let graph = Graph {
        label: format!("Graph of {machine} with the states of {name}; the table of states says the same"),
        svg: states::svg_of_page(&definition, &|state| progress.class_of(state)),
    };
    let shown = shown(&events, &progress, wanted, &path);
    let map_runs = map_run::of_execution(console, &arn)?;
    let timeline = timeline::of(&events, execution.end.as_ref().map(|end| end.stopped.0));
    let mut page = Page::new(name)
        .below("/machines", "Machines")
        .below(machine_path.clone(), machine)
        .part("facts", &facts)?;
    if who.key.role.may(Role::Operator) {
        let actions = Actions {
            running: execution.status() == Status::Running,
            refused: api.executions.not_redrivable(&execution)?,
            repeats: progress.inside(),
            again: format!("{machine_path}?from={}#start", encode(name)),
            path,
        };
        page = page.part("actions", &actions)?;
    }
    page = page.part("graph", &graph)?.part("states", &States { rows: progress.states })?;
    if let Some(timeline) = timeline {
        page = page.part("timeline", &timeline)?;
    }
    if let Some(map_runs) = map_runs {
        page = page.part("map-runs", &map_runs)?;
    }
    page.part("events", &shown)
}

fn shown(events: &[Value], progress: &Progress, wanted: &Wanted, path: &str) -> Events {
    let asked = wanted.get("show").unwrap_or_default();
    let (show, _) = KINDS.into_iter().find(|(kind, _)| *kind == asked).unwrap_or(KINDS[0]);
    let from = wanted.number("from").unwrap_or_default();
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let wants = |event: &&Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        let is_shown = match show {
            "states" => kind.contains("State"),
            "failures" => ["Failed", "TimedOut", "Aborted"].iter().any(|end| kind.ends_with(end)),
            _ => true,
        };
        is_shown && event["id"].as_u64() >= Some(from)
    };
    let mut rows: Vec<EventRow> = events
        .iter()
        .filter(wants)
        .take(ROWS + 1)
        .map(|event| {
            let id = event["id"].as_u64().unwrap_or_default();
            EventRow {
                id,
                time: time_of(&event["timestamp"]),
                kind: text(event, "type"),
                state: progress.of_event.get(&id).cloned().unwrap_or_default(),
                json: serde_json::to_string_pretty(event).unwrap_or_default(),
            }
        })
        .collect();
    let more = rows.get(ROWS).map(|row| format!("{path}?show={show}&from={}#events", row.id));
    rows.truncate(ROWS);
    Events { kinds: KINDS, show, rows, next: more }
}

/// The time of an event, which the API shows in seconds.
fn time_of(timestamp: &Value) -> String {
    let micros = timestamp.as_f64().unwrap_or_default() * 1_000_000.0;
    crate::executions::rfc3339(crate::catalog::Moment(micros as i64))
}

/// JSON on several lines; other text as it is.
pub(super) fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<Value>(text).ok();
    value.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| text.to_owned())
}
