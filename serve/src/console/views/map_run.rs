//! A Map Run: how many items and children it has in each state, and its limits, which can be changed while it runs.

use askama::Template;
use serde_json::Value;

use super::super::page::{Page, encode};
use super::super::status::{self, Shown};
use super::super::{Console, Who};
use super::named;
use crate::api::ApiError;
use crate::executions::{MapRun, rfc3339};
use crate::keys::Role;
use crate::text;

#[derive(Template)]
#[template(path = "map_run.html")]
struct Facts {
    status: Shown,
    arn: String,
    started: String,
    stopped: Option<String>,
    redrives: u64,
    /// Items and executions: the word of a state, and the numbers.
    counts: Vec<(&'static str, String, String)>,
    done: u64,
    total: u64,
}

#[derive(Template)]
#[template(path = "map_run_limits.html")]
struct Limits {
    path: String,
    concurrency: u64,
    count: u64,
    percentage: f64,
    may: bool,
}

#[derive(Template)]
#[template(path = "map_runs.html")]
pub(super) struct MapRuns {
    rows: Vec<MapRunRow>,
}

struct MapRunRow {
    name: String,
    path: String,
    status: Shown,
    items: String,
    started: String,
}

pub(in crate::console) fn path_of(arn: &str) -> String {
    format!("/mapruns/{}", encode(arn))
}

fn shown_status(run: &MapRun) -> Shown {
    match run.shown["status"].as_str() {
        Some("RUNNING") => status::RUNNING,
        Some("SUCCEEDED") => status::SUCCEEDED,
        Some("ABORTED") => status::STOPPED,
        _ => status::FAILED,
    }
}

/// The Map Runs of an execution; none if it has none.
pub(super) fn of_execution(console: &Console, arn: &str) -> Result<Option<MapRuns>, ApiError> {
    let found = console.api.executions.map_runs().of_execution(arn, None, super::PAGE)?;
    let row = |(_, run): &(u64, MapRun)| MapRunRow {
        name: label(&run.arn).to_owned(),
        path: path_of(&run.arn),
        status: shown_status(run),
        items: format!(
            "{} of {}",
            text::count(over(&run.shown["itemCounts"])),
            text::count(number(&run.shown["itemCounts"], "total"))
        ),
        started: rfc3339(run.started),
    };
    let rows: Vec<MapRunRow> = found.iter().map(row).collect();
    Ok((!rows.is_empty()).then_some(MapRuns { rows }))
}

/// The part of the ARN that tells Map Runs of one machine apart: the label of the state and the id.
fn label(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn number(counts: &Value, name: &str) -> u64 {
    counts[name].as_u64().unwrap_or_default()
}

/// Those that have ended.
fn over(counts: &Value) -> u64 {
    ["succeeded", "failed", "timedOut", "aborted"].iter().map(|name| number(counts, name)).sum()
}

pub(super) fn page(console: &Console, who: &Who, arn: &str) -> Result<Page, ApiError> {
    let missing = || ApiError::new("ResourceNotFound", "There is no such Map Run.");
    let run = console.api.executions.map_runs().find(arn)?.ok_or_else(missing)?;
    let (items, children) = (&run.shown["itemCounts"], &run.shown["executionCounts"]);
    let states = [
        ("waiting", "pending"),
        ("running", "running"),
        ("succeeded", "succeeded"),
        ("failed", "failed"),
        ("timed out", "timedOut"),
        ("stopped", "aborted"),
        ("all", "total"),
    ];
    let count = |(word, name)| (word, text::count(number(items, name)), text::count(number(children, name)));
    let facts = Facts {
        status: shown_status(&run),
        arn: run.arn.clone(),
        started: rfc3339(run.started),
        stopped: run.stopped.map(rfc3339),
        redrives: number(&run.shown, "redriveCount"),
        counts: states.map(count).into(),
        done: over(items),
        total: number(items, "total"),
    };
    let running = console.api.executions.map_runs().under_way(arn).is_some();
    let limits = Limits {
        path: path_of(arn),
        concurrency: number(&run.shown, "maxConcurrency"),
        count: number(&run.shown, "toleratedFailureCount"),
        percentage: run.shown["toleratedFailurePercentage"].as_f64().unwrap_or_default(),
        may: running && who.key.role.may(Role::Operator),
    };
    let (name, path) = named(&run.execution);
    let machine = run.execution.split(':').nth(6).unwrap_or_default();
    Page::new(label(arn))
        .below("/machines", "Machines")
        .below(format!("/machines/{}", encode(machine)), machine)
        .below(path, name)
        .part("facts", &facts)?
        .form("limits", &limits)
}
