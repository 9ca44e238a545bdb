//! Jobs and their runs. A run is named by its execution.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use axum::{Json, Router};
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::RestError;
use crate::console::{Console, Who};
use crate::executions::{Execution, Position};
use crate::jobs::{JobsError, LaneChange, MACHINE, RunOutputs};
use crate::keys::Role;
use crate::triggers::{Queued, Trigger, place_of_event, queue_of_job};

type Shared = State<Arc<Console>>;

/// The runs of a page.
const PAGE: usize = 100;
/// The most executions that are looked at for a page.
const LOOKED_AT: usize = 1_000;
/// The largest job file, in bytes.
const LARGEST_JOB: usize = 1 << 20;

pub(super) fn router() -> Router<Arc<Console>> {
    Router::new()
        .route("/jobs/{job}", put(set_job))
        .route("/jobs/{job}/check", post(check_job))
        .route("/jobs/{job}/runs", get(runs_of_job).post(start))
        .route("/runs", get(runs))
        .route("/runs/{run}", get(run))
        .route("/runs/{run}/lanes/{lane}", patch(change_lane))
        .route("/runs/{run}/report", get(report))
        .route("/runs/{run}/output", get(output))
        .route("/runs/{run}/failed", get(failed))
        .route("/runs/{run}/stop", post(stop))
        .route("/runs/{run}/redrive", post(redrive))
}

#[derive(Deserialize)]
pub(crate) struct Start {
    /// The name of the file.
    pub(crate) file: String,
}

/// Starts a run of the file that is the body. A request with a known `Idempotency-Key` is the same run.
pub(crate) async fn start(
    State(console): Shared,
    who: Who,
    Path(job): Path<String>,
    Query(Start { file }): Query<Start>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, RestError> {
    who.needs(Role::Operator)?;
    check_name("job", &job)?;
    check_name("file", &file)?;
    let idempotency = match headers.get("idempotency-key").map(HeaderValue::to_str) {
        None => None,
        Some(Ok(key)) if (1..=200).contains(&key.len()) => Some(key),
        Some(_) => return Err(wrong("Idempotency-Key must have 1 to 200 visible ASCII characters")),
    };
    let content = body.into_data_stream().map_err(std::io::Error::other).boxed();
    let run = console.triggers.run_of_body(&job, &file, idempotency, content).await;
    let run = recorded(&console, &who, "StartRun", format!("jobs/{job}/input/{file}"), run).await?;
    Ok(accepted(&run, &job, &file))
}

/// Puts a change into the record of changes.
pub(crate) async fn recorded<T>(
    console: &Console,
    who: &Who,
    operation: &str,
    resource: String,
    done: Result<T, RestError>,
) -> Result<T, RestError> {
    let members = std::iter::once(("name".to_owned(), resource.into())).collect();
    let error = done.as_ref().map_or_else(|error| error.code, |_| "");
    console.api.audit().record(&who.key.id, operation, &members, error).await?;
    done
}

fn accepted(run: &str, job: &str, file: &str) -> Response {
    let shown = json!({ "run": run, "job": job, "file": file, "status": "queued" });
    (StatusCode::ACCEPTED, [(header::LOCATION, format!("/api/v1/runs/{run}"))], Json(shown)).into_response()
}

pub(crate) async fn set_job(
    State(console): Shared,
    who: Who,
    Path(job): Path<String>,
    body: Body,
) -> Result<Response, RestError> {
    who.needs(Role::Admin)?;
    let text = job_text(&job, body).await?;
    let jobs = console.triggers.jobs();
    let done = match jobs.check(&job, &text).await {
        Ok(()) => jobs.set(&job, text).await,
        refused => refused,
    };
    let done = done.map_err(RestError::from);
    recorded(&console, &who, "SetJob", format!("jobs/{job}/job.toml"), done).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn check_job(
    State(console): Shared,
    who: Who,
    Path(job): Path<String>,
    body: Body,
) -> Result<Json<Value>, RestError> {
    who.needs(Role::Operator)?;
    let text = job_text(&job, body).await?;
    match console.triggers.jobs().check(&job, &text).await {
        Ok(()) => Ok(Json(json!({ "ok": true }))),
        Err(JobsError::Wrong(message)) => Ok(Json(json!({ "ok": false, "message": message }))),
        Err(error) => Err(error.into()),
    }
}

async fn job_text(job: &str, body: Body) -> Result<String, RestError> {
    check_name("job", job)?;
    let body = axum::body::to_bytes(body, LARGEST_JOB).await;
    let body = body.map_err(|_| wrong(format!("a job file has at most {LARGEST_JOB} bytes")))?;
    String::from_utf8(body.to_vec()).map_err(|_| wrong("the job file is not UTF-8"))
}

#[derive(Deserialize)]
struct Page {
    /// `next` of the page before.
    before: Option<String>,
}

async fn runs(State(console): Shared, who: Who, Query(page): Query<Page>) -> Result<Json<Value>, RestError> {
    who.needs(Role::Viewer)?;
    list(&console, None, &page)
}

async fn runs_of_job(
    State(console): Shared,
    who: Who,
    Path(job): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, RestError> {
    who.needs(Role::Viewer)?;
    list(&console, Some(&job), &page)
}

/// The runs that wait, and then the others, newest first.
fn list(console: &Console, job: Option<&str>, page: &Page) -> Result<Json<Value>, RestError> {
    let before = match &page.before {
        None => None,
        Some(text) => Some(position(text).ok_or_else(|| wrong("`before` is not the `next` of a page"))?),
    };
    let found = find(console, job, before, PAGE)?;
    let shown: Vec<Value> =
        found.queued.iter().map(shown_queued).chain(found.runs.iter().map(shown_run)).collect();
    Ok(Json(json!({ "runs": shown, "next": found.next.map(shown_position) })))
}

/// Some runs: those that wait, and the others, newest first.
pub(crate) struct FoundRuns {
    pub(crate) queued: Vec<Queued>,
    pub(crate) runs: Vec<Execution>,
    /// The position from which the list goes on.
    pub(crate) next: Option<Position>,
}

/// The runs before a position, of one job or of all. Those that wait are before all others.
pub(crate) fn find(
    console: &Console,
    job: Option<&str>,
    before: Option<Position>,
    limit: usize,
) -> Result<FoundRuns, RestError> {
    let mut found = FoundRuns { queued: Vec::new(), runs: Vec::new(), next: before };
    if before.is_none() {
        for queued in console.triggers.queued(job, limit)? {
            if console.api.executions.find(MACHINE, &queued.run)?.is_none() {
                found.queued.push(queued);
            }
        }
    }
    let mut looked_at = 0;
    while looked_at == 0
        || found.queued.len() + found.runs.len() < limit && looked_at < LOOKED_AT && found.next.is_some()
    {
        let page = console.api.runs(found.next, limit)?;
        looked_at += page.len().max(1);
        found.next = page.last().filter(|_| page.len() == limit).map(Execution::position);
        let wanted = |execution: &Execution| {
            job.is_none_or(|job| place_of_event(&execution.input).is_some_and(|(of, _)| of == job))
        };
        found.runs.extend(page.into_iter().filter(wanted));
    }
    Ok(found)
}

pub(crate) fn shown_position(at: Position) -> String {
    format!("{}-{}", at.time.0, at.number)
}

pub(crate) fn position(text: &str) -> Option<Position> {
    let (time, number) = text.split_once('-')?;
    Some(Position { time: crate::catalog::Moment(time.parse().ok()?), number: number.parse().ok()? })
}

async fn run(State(console): Shared, who: Who, Path(run): Path<String>) -> Result<Json<Value>, RestError> {
    who.needs(Role::Viewer)?;
    if let Some(execution) = console.api.executions.find(MACHINE, &run)? {
        let mut shown = shown_run(&execution);
        let arn = execution.arn(&console.api.place);
        if execution.end.is_none()
            && let Some(live) = console.triggers.jobs().live(&arn)
        {
            shown["live"] = json!(live);
        }
        return Ok(Json(shown));
    }
    let queued = console.triggers.find_queued(&run)?;
    queued.map(|queued| Json(shown_queued(&queued))).ok_or_else(|| no_run(&run))
}

/// Changes the rate of a lane, or pauses it.
pub(crate) async fn change_lane(
    State(console): Shared,
    who: Who,
    Path((run, lane)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, RestError> {
    who.needs(Role::Operator)?;
    let change: LaneChange = serde_json::from_slice(&body).map_err(|error| {
        wrong(format!("the body is not of the form {{\"rate\": \"5/s\"}} or {{\"paused\": true}}: {error}"))
    })?;
    if change == LaneChange::default() {
        return Err(wrong("the body changes nothing: give a rate, or paused"));
    }
    let execution = execution(&console, &run)?;
    let arn = execution.arn(&console.api.place);
    let jobs = console.triggers.jobs();
    let changed = match execution.end {
        Some(_) => Err(conflict(format!("the run {run} has ended"))),
        None => jobs.change_lane(&arn, &lane, change).await.map_err(RestError::from),
    };
    let changed = changed.and_then(|changed| {
        changed.ok_or_else(|| not_found(format!("the run {run} has no lane {lane:?} under way")))
    });
    recorded(&console, &who, "ChangeLane", format!("{arn}/{lane}"), changed).await?;
    let mut shown = shown_run(&execution);
    shown["live"] = json!(jobs.live(&arn));
    Ok(Json(shown))
}

async fn report(State(console): Shared, who: Who, Path(run): Path<String>) -> Result<Json<Value>, RestError> {
    who.needs(Role::Viewer)?;
    Ok(Json(outputs(&console, &run).await?.report))
}

async fn output(State(console): Shared, who: Who, Path(run): Path<String>) -> Result<Response, RestError> {
    who.needs(Role::Viewer)?;
    let key = outputs(&console, &run).await?.output;
    send(&console, &run, "output", key).await
}

async fn failed(State(console): Shared, who: Who, Path(run): Path<String>) -> Result<Response, RestError> {
    who.needs(Role::Viewer)?;
    let key = outputs(&console, &run).await?.failed;
    send(&console, &run, "failed lines", key).await
}

async fn send(console: &Console, run: &str, what: &str, key: Option<String>) -> Result<Response, RestError> {
    let key = key.ok_or_else(|| not_found(format!("the run {run} has no {what}")))?;
    let content = console.triggers.jobs().read(&key).await?;
    let name = key.rsplit('/').next().unwrap_or_default().replace(['"', '\\'], "_");
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let mut response = Response::new(Body::from_stream(content));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.extend(disposition.ok().map(|value| (header::CONTENT_DISPOSITION, value)));
    Ok(response)
}

pub(crate) async fn stop(
    State(console): Shared,
    who: Who,
    Path(run): Path<String>,
) -> Result<Response, RestError> {
    who.needs(Role::Operator)?;
    let execution = execution(&console, &run)?;
    let arn = execution.arn(&console.api.place);
    let stopped = match execution.end {
        Some(_) => Ok(false),
        None => console.triggers.jobs().stop(&arn).await.map_err(RestError::from),
    };
    let stopped = stopped.and_then(|stopped| {
        stopped.then_some(()).ok_or_else(|| conflict(format!("the run {run} is not under way")))
    });
    recorded(&console, &who, "StopRun", arn, stopped).await?;
    Ok((StatusCode::ACCEPTED, Json(shown_run(&execution))).into_response())
}

#[derive(Deserialize, Default)]
pub(crate) struct Redrive {
    /// Only the lines that failed with this code.
    pub(crate) only: Option<String>,
}

/// Sends the failed lines of a run again: a new run, which writes the whole output.
pub(crate) async fn redrive(
    State(console): Shared,
    who: Who,
    Path(run): Path<String>,
    Query(Redrive { only }): Query<Redrive>,
) -> Result<Response, RestError> {
    who.needs(Role::Operator)?;
    let execution = execution(&console, &run)?;
    let (job, file) = place(&execution)?;
    let redrive = async {
        let RunOutputs { report, redrive, .. } = outputs(&console, &run).await?;
        let Some((name, mut event)) = redrive else {
            return Err(conflict(format!("the run {run} has no line that can be sent again")));
        };
        if let Some(code) = only {
            let errors = report["errors"].as_array().into_iter().flatten();
            if !errors.into_iter().any(|error| error["code"] == code.as_str()) {
                return Err(conflict(format!("no line of the run {run} has failed with {code:?}")));
            }
            event["redrive"]["only"] = json!([code]);
        }
        let (machine, input) = (MACHINE.to_owned(), event.to_string());
        let trigger = Trigger { machine, name: name.clone(), input, in_order: true };
        console.triggers.add(queue_of_job(&job), trigger).await?;
        Ok(name)
    };
    let arn = execution.arn(&console.api.place);
    let name = recorded(&console, &who, "RedriveRun", arn, redrive.await).await?;
    Ok(accepted(&name, &job, &file))
}

pub(crate) async fn outputs(console: &Console, run: &str) -> Result<RunOutputs, RestError> {
    let execution = execution(console, run)?;
    let (job, file) = place(&execution)?;
    let arn = execution.arn(&console.api.place);
    let found = console.triggers.jobs().outputs(&arn, &job, &file).await?;
    found.ok_or_else(|| {
        let ended = execution.end.is_some();
        let why = if ended { "a later run of the file has replaced them" } else { "it has not ended" };
        not_found(format!("there are no outputs of the run {run}: {why}"))
    })
}

fn execution(console: &Console, run: &str) -> Result<Execution, RestError> {
    console.api.executions.find(MACHINE, run)?.ok_or_else(|| no_run(run))
}

fn shown_queued(queued: &Queued) -> Value {
    json!({ "run": queued.run, "job": queued.job, "file": queued.file, "status": "queued" })
}

fn shown_run(execution: &Execution) -> Value {
    let (job, file) = place_of_event(&execution.input).unzip();
    let end = execution.end.as_ref();
    json!({
        "run": execution.name,
        "job": job,
        "file": file,
        "status": execution.status().name().to_lowercase(),
        "started": crate::executions::rfc3339(execution.started),
        "ended": end.map(|end| crate::executions::rfc3339(end.stopped)),
        "error": end.and_then(|end| end.error.as_deref()),
        "message": end.and_then(|end| end.cause.as_deref()),
    })
}

/// The job and the file of a run.
fn place(execution: &Execution) -> Result<(String, String), RestError> {
    let found = place_of_event(&execution.input);
    found.ok_or_else(|| not_found(format!("the run {} is not of a file of a job", execution.name)))
}

/// Checks the name of a job or of a file, which becomes a part of keys.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), RestError> {
    let other = name.chars().any(|c| c.is_control() || c == '/' || c == '\\');
    if name.is_empty() || name.starts_with('.') || name.len() > 200 || other {
        return Err(wrong(format!(
            "{name:?} is not the name of a {what}: it has 1 to 200 bytes, no '/', and does not begin with a dot"
        )));
    }
    Ok(())
}

fn wrong(message: impl Into<String>) -> RestError {
    RestError { status: StatusCode::BAD_REQUEST, code: "Invalid", message: message.into() }
}

fn not_found(message: String) -> RestError {
    RestError { status: StatusCode::NOT_FOUND, code: "NotFound", message }
}

fn no_run(run: &str) -> RestError {
    not_found(format!("there is no run {run:?}"))
}

pub(crate) fn conflict(message: String) -> RestError {
    RestError { status: StatusCode::CONFLICT, code: "Conflict", message }
}

impl From<JobsError> for RestError {
    fn from(error: JobsError) -> Self {
        match error {
            JobsError::Wrong(message) => wrong(message),
            JobsError::Unavailable(message) => {
                RestError { status: StatusCode::SERVICE_UNAVAILABLE, code: "Unavailable", message }
            }
        }
    }
}

impl From<crate::store::StoreError> for RestError {
    fn from(error: crate::store::StoreError) -> Self {
        crate::api::ApiError::from(error).into()
    }
}
