//! The runs of all jobs, or of one.

use askama::Template;
use serde_json::Value;

use super::super::Console;
use super::super::page::{Page, Wanted, encode};
use super::super::status::{self, Shown};
use super::PAGE;
use crate::api::ApiError;
use crate::executions::{Execution, Status, rfc3339};
use crate::jobs::{LiveLane, LiveRun};
use crate::rest::runs::{find, position, shown_position};
use crate::text;
use crate::triggers::place_of_event;

#[derive(Template)]
#[template(path = "runs.html")]
pub(super) struct Runs {
    caption: &'static str,
    empty: &'static str,
    with_job: bool,
    rows: Vec<Row>,
    next: Option<String>,
}

/// A run in a list.
pub(super) struct Row {
    pub(super) path: String,
    job: String,
    job_path: String,
    pub(super) file: String,
    pub(super) status: Shown,
    /// Lines that have an outcome, and all lines.
    pub(super) lines: Option<(u64, u64)>,
    pub(super) progress: String,
    pub(super) rate: String,
    pub(super) failed: String,
    pub(super) started: String,
    took: String,
    problem: String,
}

pub(super) async fn page(console: &Console, wanted: &Wanted) -> Result<Page, ApiError> {
    let job = wanted.get("job");
    let title = job.map_or_else(|| "Runs".to_owned(), |job| format!("Runs of {job}"));
    let empty = "There are no runs yet. Upload a file on the page of a job.";
    let runs = table(console, job, wanted, "Runs", empty).await?;
    let page = Page::new(title);
    let page = match job {
        Some(job) => page.below("/jobs", "Jobs").below(format!("/jobs/{}", encode(job)), job),
        None => page,
    };
    page.part("runs", &runs)
}

/// A page of the runs.
pub(super) async fn table(
    console: &Console,
    job: Option<&str>,
    wanted: &Wanted,
    caption: &'static str,
    empty: &'static str,
) -> Result<Runs, ApiError> {
    let before = wanted.get("before").and_then(position);
    let found = find(console, job, before, PAGE)?;
    let mut rows = Vec::new();
    for queued in &found.queued {
        let status = Shown { word: "queued", ..status::WAITING };
        rows.push(Row { status, ..row(&queued.run, &queued.job, &queued.file) });
    }
    for run in &found.runs {
        rows.push(of(console, run));
    }
    let query = |next| match job {
        Some(job) => format!("/runs?job={}&before={next}", encode(job)),
        None => format!("/runs?before={next}"),
    };
    let next = found.next.map(shown_position).map(query);
    Ok(Runs { caption, empty, with_job: job.is_none(), rows, next })
}

/// The last runs of all jobs.
pub(super) async fn few(console: &Console, limit: usize) -> Result<Runs, ApiError> {
    let empty = "There are no runs yet. Upload a file on the page of a job.";
    let mut runs = table(console, None, &Wanted::default(), "Last runs", empty).await?;
    runs.rows.truncate(limit);
    runs.next = None;
    Ok(runs)
}

fn row(run: &str, job: &str, file: &str) -> Row {
    Row {
        path: path_of(run),
        job: job.to_owned(),
        job_path: format!("/jobs/{}", encode(job)),
        file: file.to_owned(),
        status: status::RUNNING,
        lines: None,
        progress: String::new(),
        rate: String::new(),
        failed: String::new(),
        started: String::new(),
        took: String::new(),
        problem: String::new(),
    }
}

pub(in crate::console) fn path_of(run: &str) -> String {
    format!("/runs/{}", encode(run))
}

/// A run that has begun.
pub(super) fn of(console: &Console, run: &Execution) -> Row {
    let (job, file) = place_of_event(&run.input).unwrap_or_default();
    let mut row = Row {
        status: status::of(run.status()),
        started: rfc3339(run.started),
        ..self::row(&run.name, &job, &file)
    };
    let Some(end) = &run.end else {
        if let Some(live) = console.triggers.jobs().live(&run.arn(&console.api.place)) {
            add_progress(&mut row, &live);
        }
        return row;
    };
    let took = u64::try_from(end.stopped.0 - run.started.0).unwrap_or_default();
    row.took = text::duration(std::time::Duration::from_micros(took));
    row.problem = end.error.clone().unwrap_or_default();
    let output: Option<Value> = end.output.as_deref().and_then(|output| serde_json::from_str(output).ok());
    let number = |name: &str| output.as_ref().and_then(|output| output[name].as_u64());
    if let (Some(lines), Some(failed)) = (number("lines"), number("failed")) {
        row.lines = Some((lines, lines));
        row.progress = text::lines(lines);
        row.failed = text::count(failed);
        if run.status() == Status::Succeeded && failed > 0 {
            row.status = Shown { word: "some failed", ..status::FAILED };
        }
    }
    row
}

fn add_progress(row: &mut Row, live: &LiveRun) {
    let sum = |of: fn(&LiveLane) -> u64| live.lanes.iter().map(of).sum::<u64>();
    let (lines, done, failed) = (sum(|lane| lane.lines), sum(|lane| lane.done), sum(|lane| lane.failed));
    if live.lanes.iter().any(|lane| lane.held_until.is_some() || lane.paused || lane.waits_for.is_some()) {
        row.status = Shown { word: "held", ..status::WAITING };
    }
    row.progress = match live.phase {
        "splitting" => format!("splitting: {}", text::lines(live.split_lines)),
        "merging" => format!("merging: {}", text::lines(live.merged_lines)),
        "sending" => format!("{} of {}", text::count(done), text::lines(lines)),
        other => other.to_owned(),
    };
    if lines > 0 {
        row.lines = Some((done, lines));
        row.failed = text::count(failed);
        row.rate = text::rate(live.lanes.iter().map(|lane| lane.achieved).sum());
    }
}
