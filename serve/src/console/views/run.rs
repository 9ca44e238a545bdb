//! One run: how far it is, its lanes, why lines failed, its batches, and what can be done with it.

use askama::Template;
use serde_json::Value;

use super::super::page::{Page, Wanted, encode};
use super::super::status::{self, Shown};
use super::super::{Console, Who};
use super::chart::{self, Chart};
use super::{path_of, runs};
use crate::api::ApiError;
use crate::executions::Execution;
use crate::jobs::{LiveLane, LiveRun, MACHINE, RunDetail};
use crate::keys::Role;
use crate::rest::runs::outputs;
use crate::text;

/// The lanes whose charts a page shows.
const CHARTS: usize = 4;

#[derive(Template)]
#[template(path = "run.html")]
struct Facts {
    row: runs::Row,
    /// The sentence below the bar.
    said: String,
    left: Option<String>,
    started: Option<String>,
    ended: Option<String>,
    took: Option<String>,
    error: Option<String>,
    message: Option<String>,
    figures: Vec<(&'static str, String)>,
    execution: String,
}

#[derive(Template)]
#[template(path = "run_actions.html")]
struct Actions {
    path: String,
    files: String,
    running: bool,
    output: bool,
    failed: Option<u64>,
    report: bool,
    can_redrive: bool,
    may: bool,
}

#[derive(Template)]
#[template(path = "lanes.html")]
struct Lanes {
    rows: Vec<LaneRow>,
    charts: Vec<LaneChart>,
}

#[derive(Template)]
#[template(path = "change_lanes.html")]
struct ChangeLanes {
    path: String,
    rows: Vec<LaneRow>,
}

struct LaneRow {
    name: String,
    provider: String,
    link: String,
    status: Shown,
    why: Option<(String, Option<String>)>,
    done: String,
    share: u64,
    failed: String,
    requests: String,
    throttled: String,
    allowed: String,
    achieved: String,
    latency: String,
    paused: bool,
    rate: String,
}

struct LaneChart {
    provider: String,
    rates: Chart,
    latencies: Chart,
    label: String,
}

#[derive(Template)]
#[template(path = "failures.html")]
struct Failures {
    groups: Vec<Group>,
    note: &'static str,
}

struct Group {
    code: String,
    /// Where a redrive of these lines only is asked for.
    redrive: Option<(String, String)>,
    count: String,
    samples: Vec<(String, String)>,
    open: bool,
}

#[derive(Template)]
#[template(path = "batches.html")]
struct Batches {
    label: String,
    strip: String,
}

pub(super) async fn page(console: &Console, who: &Who, run: &str, wanted: &Wanted) -> Result<Page, ApiError> {
    let Some(execution) = console.api.executions.find(MACHINE, run)? else { return queued(console, run) };
    let row = runs::of(console, &execution);
    let (job, file) = crate::triggers::place_of_event(&execution.input).unwrap_or_default();
    let title = if file.is_empty() { run.to_owned() } else { file };
    let page = Page::new(title).below("/jobs", "Jobs").below(format!("/jobs/{}", encode(&job)), job);
    match &execution.end {
        None => under_way(console, who, &execution, row, page, wanted).await,
        Some(_) => over(console, who, &execution, row, page).await,
    }
}

fn queued(console: &Console, run: &str) -> Result<Page, ApiError> {
    let found = console.triggers.find_queued(run)?;
    let missing = || ApiError::new("ResourceNotFound", format!("There is no run {run:?}."));
    let found = found.ok_or_else(missing)?;
    let said = Said {
        status: Shown { word: "queued", ..status::WAITING },
        said: "It waits for its turn: an earlier run of the job goes first.",
    };
    Page::new(found.file)
        .below("/jobs", "Jobs")
        .below(format!("/jobs/{}", encode(&found.job)), found.job)
        .part("facts", &said)
}

#[derive(Template)]
#[template(path = "queued.html")]
struct Said {
    status: Shown,
    said: &'static str,
}

async fn under_way(
    console: &Console,
    who: &Who,
    execution: &Execution,
    row: runs::Row,
    page: Page,
    wanted: &Wanted,
) -> Result<Page, ApiError> {
    let arn = execution.arn(&console.api.place);
    let live = console.triggers.jobs().live(&arn);
    let detail = console.job_pages.detail(&arn).await.map_err(crate::rest::RestError::from)?;
    let detail = detail.unwrap_or_default();
    let path = runs::path_of(&execution.name);
    let may = who.key.role.may(Role::Operator);
    let facts = facts_of(execution, row, live.as_ref(), &detail);
    let mut page = page.part("facts", &facts)?;
    let actions = Actions {
        files: files_of(execution),
        path: path.clone(),
        running: true,
        output: false,
        failed: None,
        report: false,
        can_redrive: false,
        may,
    };
    page = page.part("actions", &actions)?;
    if let Some(live) = live.filter(|live| !live.lanes.is_empty()) {
        page = page.part("lanes", &lanes(&live, &path, wanted.get("lane")))?;
        let open = live.lanes.iter().filter(|lane| lane.done < lane.lines);
        let change = ChangeLanes { rows: open.map(|lane| lane_row(lane, &path)).collect(), path };
        if may && !change.rows.is_empty() {
            page = page.form("change", &change)?;
        }
    }
    if !detail.batches.cells.is_empty() {
        let strip = &detail.batches;
        let label = format!(
            "{} of {} batches done, {} under way",
            text::count(strip.done as u64),
            text::count(strip.total as u64),
            strip.working
        );
        page = page.part("batches", &Batches { label, strip: chart::strip(&strip.cells) })?;
    }
    page.part("failures", &failures(&detail))
}

fn facts_of(execution: &Execution, row: runs::Row, live: Option<&LiveRun>, detail: &RunDetail) -> Facts {
    let said = match live.map(|live| live.phase) {
        Some("splitting") => "It reads the input, and divides it among its lanes.",
        Some("merging") => "It writes the output in the order of the input.",
        Some("sending") => "It sends requests.",
        _ => "It begins, or waits for another run that has the same job or limit.",
    };
    Facts {
        said: said.to_owned(),
        left: detail.left.map(text::duration),
        started: Some(crate::executions::rfc3339(execution.started)),
        ended: None,
        took: None,
        error: None,
        message: None,
        figures: Vec::new(),
        execution: path_of(MACHINE, &execution.name),
        row,
    }
}

fn lanes(live: &LiveRun, path: &str, chosen: Option<&str>) -> Lanes {
    let charted =
        |lane: &&LiveLane| chosen.is_none_or(|chosen| chosen == lane.name) && !lane.seconds.is_empty();
    let mut charts: Vec<&LiveLane> = live.lanes.iter().filter(charted).collect();
    charts.sort_by_key(|lane| lane.done == lane.lines);
    let of_lane = |lane: &&LiveLane| LaneChart {
        provider: lane.limit.clone(),
        rates: chart::rates(&lane.seconds),
        latencies: chart::latencies(&lane.seconds),
        label: format!("{} now, {} allowed", text::rate(lane.achieved), allowed(lane)),
    };
    Lanes {
        rows: live.lanes.iter().map(|lane| lane_row(lane, path)).collect(),
        charts: charts.iter().take(CHARTS).map(of_lane).collect(),
    }
}

fn allowed(lane: &LiveLane) -> String {
    lane.allowed.map_or_else(|| "unlimited".to_owned(), text::rate)
}

fn lane_row(lane: &LiveLane, path: &str) -> LaneRow {
    let open = lane.done < lane.lines;
    let status = match () {
        () if !open => Shown { word: "done", ..status::SUCCEEDED },
        () if lane.paused => Shown { word: "paused", ..status::STOPPED },
        () if lane.held_until.is_some() => Shown { word: "held", ..status::WAITING },
        () if lane.waits_for.is_some() => status::WAITING,
        () => Shown { word: "sending", ..status::RUNNING },
    };
    let why = match (&lane.held_until, &lane.waits_for) {
        _ if !open => None,
        (Some(until), _) => {
            Some(("because the provider asked or is down, until".to_owned(), Some(until.clone())))
        }
        (None, Some(job)) => Some((format!("for the job {job}, which uses the same limit"), None)),
        _ => None,
    };
    let latency = match (lane.latency_p50, lane.latency_p99) {
        (Some(p50), Some(p99)) => format!("{p50} / {p99} ms"),
        _ => "–".to_owned(),
    };
    LaneRow {
        link: format!("{path}?lane={}#lanes", encode(&lane.name)),
        name: lane.name.clone(),
        provider: lane.limit.clone(),
        status,
        why,
        done: format!("{} of {}", text::count(lane.done), text::count(lane.lines)),
        share: (lane.done * 100).checked_div(lane.lines).unwrap_or(100),
        failed: text::count(lane.failed),
        requests: text::count(lane.requests),
        throttled: text::count(lane.throttled),
        allowed: allowed(lane),
        achieved: text::rate(lane.achieved),
        latency,
        paused: lane.paused,
        rate: lane.rate.clone().unwrap_or_default(),
    }
}

fn failures(detail: &RunDetail) -> Failures {
    let group = |(n, found): (usize, &crate::jobs::FailedLines)| Group {
        code: found.code.clone(),
        redrive: None,
        count: text::lines(found.count),
        samples: found.samples.iter().map(|(line, why)| (text::count(*line), why.clone())).collect(),
        open: n == 0,
    };
    Failures {
        groups: detail.failures.iter().enumerate().map(group).collect(),
        note: "Since the server was started. The report at the end has all of them.",
    }
}

/// The page of a run that has ended, from its report.
async fn over(
    console: &Console,
    who: &Who,
    execution: &Execution,
    mut row: runs::Row,
    page: Page,
) -> Result<Page, ApiError> {
    let found = outputs(console, &execution.name).await;
    let (found, problem) = match found {
        Ok(found) => (Some(found), None),
        Err(error) if error.status.is_server_error() => return Err(error.into()),
        Err(error) => (None, Some(error.message)),
    };
    let report = found.as_ref().map(|found| &found.report);
    let end = execution.end.as_ref();
    let number = |name: &str| report.and_then(|report| report[name].as_u64());
    let mut figures = Vec::new();
    for (word, name) in [
        ("Succeeded", "ok"),
        ("Failed", "failed"),
        ("Not processed", "not_processed"),
        ("Requests", "requests"),
        ("Asked to slow down", "throttled"),
    ] {
        figures.extend(number(name).map(|number| (word, text::count(number))));
    }
    if let Some(latency) = report.map(|report| &report["latency_ms"]).filter(|latency| latency.is_object()) {
        let words = format!("{} / {} ms", latency["p50"], latency["p99"]);
        figures.push(("Latency, median / 99 %", words));
    }
    if let Some(lines) = number("lines") {
        row.lines = Some((number("ok").unwrap_or_default() + number("failed").unwrap_or_default(), lines));
    }
    let text_of = |value: &Value| value.as_str().map(str::to_owned);
    let message = report.and_then(|report| text_of(&report["message"])).or(problem);
    let took = end.map(|end| u64::try_from(end.stopped.0 - execution.started.0).unwrap_or_default());
    let facts = Facts {
        said: String::new(),
        left: None,
        started: Some(crate::executions::rfc3339(execution.started)),
        ended: end.map(|end| crate::executions::rfc3339(end.stopped)),
        took: took.map(|took| text::duration(std::time::Duration::from_micros(took))),
        error: end.and_then(|end| end.error.clone()),
        message: message.or_else(|| end.and_then(|end| end.cause.clone())),
        figures,
        execution: path_of(MACHINE, &execution.name),
        row,
    };
    let actions = Actions {
        path: runs::path_of(&execution.name),
        files: files_of(execution),
        running: false,
        output: found.as_ref().is_some_and(|found| found.output.is_some()),
        failed: number("failed").filter(|_| found.as_ref().is_some_and(|found| found.failed.is_some())),
        report: found.is_some(),
        can_redrive: found.as_ref().is_some_and(|found| found.redrive.is_some()),
        may: who.key.role.may(Role::Operator),
    };
    let redrive = (actions.can_redrive && actions.may).then(|| format!("{}/redrive", actions.path));
    let mut page = page.part("facts", &facts)?.part("actions", &actions)?;
    if let Some(report) = report {
        page = page.part("lanes", &Reported { rows: reported(report) })?;
        page = page.part("failures", &reported_failures(report, redrive.as_deref()))?;
    }
    Ok(page)
}

fn files_of(execution: &Execution) -> String {
    format!("/api/v1/runs/{}", encode(&execution.name))
}

#[derive(Template)]
#[template(path = "reported_lanes.html")]
struct Reported {
    rows: Vec<ReportedLane>,
}

struct ReportedLane {
    name: String,
    lines: String,
    failed: String,
    requests: String,
    throttled: String,
    rate: String,
    latency: String,
    note: String,
}

fn reported(report: &Value) -> Vec<ReportedLane> {
    let lanes = report["lanes"].as_array().into_iter().flatten();
    lanes
        .map(|lane| {
            let count = |name: &str| text::count(lane[name].as_u64().unwrap_or_default());
            let word = |name: &str| lane[name].as_str().map(str::to_owned);
            let latency = &lane["latency_ms"];
            ReportedLane {
                name: word("provider").or_else(|| word("name")).unwrap_or_default(),
                lines: count("lines"),
                failed: count("failed"),
                requests: count("requests"),
                throttled: count("throttled"),
                rate: text::rate(lane["requests_per_second"].as_f64().unwrap_or_default()),
                latency: if latency.is_object() {
                    format!("{} / {} ms", latency["p50"], latency["p99"])
                } else {
                    "–".to_owned()
                },
                note: word("stopped").or_else(|| word("advice")).unwrap_or_default(),
            }
        })
        .collect()
}

fn reported_failures(report: &Value, redrive: Option<&str>) -> Failures {
    let errors = report["errors"].as_array().into_iter().flatten();
    let group = |(n, error): (usize, &Value)| {
        let lines = error["lines"].as_array().into_iter().flatten().filter_map(Value::as_u64);
        let detail = error["detail"].as_str().unwrap_or_default();
        // The report has the words of the first line only.
        let why = |at: usize| if at == 0 { detail.to_owned() } else { String::new() };
        let cause = error["cause"].as_str().map_or_else(String::new, |cause| format!(" ({cause})"));
        let code = error["code"].as_str().unwrap_or_default();
        Group {
            redrive: redrive.map(|path| (path.to_owned(), code.to_owned())),
            code: format!("{code}{cause}"),
            count: text::lines(error["count"].as_u64().unwrap_or_default()),
            samples: lines.enumerate().map(|(at, line)| (text::count(line), why(at))).collect(),
            open: n == 0,
        }
    };
    Failures { groups: errors.enumerate().map(group).collect(), note: "" }
}
