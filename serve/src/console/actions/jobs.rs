//! The forms of jobs and runs. They do what the REST API does.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Form, Path, Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::json;

use super::super::page::{self, answer, refused};
use super::super::views::jobs::{Edited, Outcome, edited_page, path_of};
use super::super::views::runs;
use super::super::{Shared, Who};
use super::then;
use crate::api::ApiError;
use crate::jobs::{JobsError, Sample};
use crate::keys::Role;
use crate::rest::RestError;
use crate::rest::runs as rest;

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/jobs", get(page::respond).post(create))
        .route("/jobs/{job}", get(page::respond).post(save))
        .route("/jobs/{job}/check", post(check))
        .route("/jobs/{job}/preview", post(preview))
        .route("/jobs/{job}/try", post(try_line))
        .route("/jobs/{job}/secrets", post(set_secret))
        .route("/jobs/{job}/runs", post(upload))
        .route("/runs/{run}/stop", post(stop))
        .route("/runs/{run}/redrive", post(redrive))
        .route("/runs/{run}/lanes", post(change_lane))
}

#[derive(Deserialize)]
struct NewJob {
    job: String,
    text: String,
}

async fn create(console: State<Shared>, who: Who, Form(new): Form<NewJob>) -> Response {
    let path = path_of(&new.job);
    let done = rest::set_job(console, who.clone(), Path(new.job), Body::from(unix(new.text))).await;
    then(&who, done.map(|_| path).map_err(ApiError::from))
}

#[derive(Deserialize)]
struct Written {
    text: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    sample: String,
    #[serde(default)]
    line: String,
}

impl From<Written> for Edited {
    fn from(written: Written) -> Self {
        let Written { text, file, sample, line } = written;
        Self { text: unix(text), file, sample: unix(sample), line }
    }
}

/// Browsers end the lines of a text area with `\r\n`.
fn unix(text: String) -> String {
    text.replace("\r\n", "\n")
}

impl Edited {
    fn sample(&self) -> Result<Sample, JobsError> {
        let line = self.line.trim().parse().ok().filter(|line| *line > 0);
        let line = line.ok_or_else(|| JobsError::Wrong("the number of the line counts from 1".into()))?;
        let file = if self.file.trim().is_empty() { "sample.txt" } else { self.file.trim() };
        Ok(Sample { file: file.to_owned(), content: self.sample.clone(), line })
    }
}

async fn save(
    console: State<Shared>,
    who: Who,
    Path(job): Path<String>,
    Form(written): Form<Written>,
) -> Response {
    let edited = Edited::from(written);
    let body = Body::from(edited.text.clone());
    let outcome = match rest::set_job(State(console.0.clone()), who.clone(), Path(job.clone()), body).await {
        Ok(_) => Outcome::Said("Saved. The next run uses it.".into()),
        Err(error) => Outcome::Refused(error.message),
    };
    shown(&console, &who, &job, &edited, outcome).await
}

async fn check(
    console: State<Shared>,
    who: Who,
    Path(job): Path<String>,
    Form(written): Form<Written>,
) -> Response {
    let edited = Edited::from(written);
    let outcome = match operates(&who, &job) {
        Err(error) => return refused(Some(&who), &error),
        Ok(()) => match console.triggers.jobs().check(&job, &edited.text).await {
            Ok(()) => Outcome::Said("The job file is valid.".into()),
            Err(error) => Outcome::Refused(error.to_string()),
        },
    };
    shown(&console, &who, &job, &edited, outcome).await
}

async fn preview(
    console: State<Shared>,
    who: Who,
    Path(job): Path<String>,
    Form(written): Form<Written>,
) -> Response {
    let edited = Edited::from(written);
    if let Err(error) = operates(&who, &job) {
        return refused(Some(&who), &error);
    }
    let previewed = async { console.job_pages.preview(&job, &edited.text, edited.sample()?).await };
    let outcome =
        previewed.await.map_or_else(|error| Outcome::Refused(error.to_string()), Outcome::Previewed);
    shown(&console, &who, &job, &edited, outcome).await
}

async fn try_line(
    console: State<Shared>,
    who: Who,
    Path(job): Path<String>,
    Form(written): Form<Written>,
) -> Response {
    let edited = Edited::from(written);
    if let Err(error) = operates(&who, &job) {
        return refused(Some(&who), &error);
    }
    let tried = async { console.job_pages.try_line(&job, &edited.text, edited.sample()?).await };
    let tried = tried.await.map_err(RestError::from);
    let tried = rest::recorded(&console, &who, "TryLine", format!("jobs/{job}"), tried).await;
    let outcome = tried.map_or_else(|error| Outcome::Refused(error.message), Outcome::Tried);
    shown(&console, &who, &job, &edited, outcome).await
}

fn operates(who: &Who, job: &str) -> Result<(), ApiError> {
    who.needs(Role::Operator)?;
    rest::check_name("job", job).map_err(ApiError::from)
}

async fn shown(console: &Shared, who: &Who, job: &str, edited: &Edited, outcome: Outcome) -> Response {
    match edited_page(console, who, job, edited, &outcome).await {
        Ok(page) => answer(who, &page, "jobs"),
        Err(error) => refused(Some(who), &error),
    }
}

#[derive(Deserialize)]
struct NewSecret {
    name: String,
    value: String,
}

async fn set_secret(
    console: State<Shared>,
    who: Who,
    Path(job): Path<String>,
    Form(new): Form<NewSecret>,
) -> Response {
    let done = who.needs(Role::Admin).map_err(RestError::from);
    let done = done.and_then(|()| Ok(console.job_pages.set_secret(&job, new.name.trim(), &new.value)?));
    let done = rest::recorded(&console, &who, "SetSecret", format!("{job}/{}", new.name.trim()), done).await;
    then(&who, done.map(|()| path_of(&job) + "#secrets").map_err(ApiError::from))
}

/// The file is sent on as it comes in.
async fn upload(console: State<Shared>, who: Who, Path(job): Path<String>, request: Request) -> Response {
    let done = async {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let boundary = kind.and_then(|kind| multer::parse_boundary(kind).ok());
        let wrong = |why: &str| RestError::from(JobsError::Wrong(why.to_owned()));
        let boundary = boundary.ok_or_else(|| wrong("the form has no file"))?;
        let mut parts = multer::Multipart::new(request.into_body().into_data_stream(), boundary);
        let part = parts.next_field().await.map_err(|error| wrong(&error.to_string()))?;
        let part = part.ok_or_else(|| wrong("the form has no file"))?;
        let file = part.file_name().unwrap_or_default().to_owned();
        let content = Body::from_stream(part.map(|chunk| chunk.map_err(std::io::Error::other)));
        let started = rest::start(
            console,
            who.clone(),
            Path(job),
            Query(rest::Start { file }),
            HeaderMap::new(),
            content,
        );
        let started = started.await?;
        let location = started.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
        let run = location.and_then(|location| location.rsplit('/').next()).unwrap_or_default();
        Ok::<_, RestError>(runs::path_of(run))
    };
    then(&who, done.await.map_err(ApiError::from))
}

async fn stop(console: State<Shared>, who: Who, Path(run): Path<String>) -> Response {
    let done = rest::stop(console, who.clone(), Path(run.clone())).await;
    then(&who, done.map(|_| runs::path_of(&run)).map_err(ApiError::from))
}

async fn redrive(
    console: State<Shared>,
    who: Who,
    Path(run): Path<String>,
    Form(form): Form<rest::Redrive>,
) -> Response {
    match rest::redrive(console, who.clone(), Path(run), Query(form)).await {
        Ok(started) => {
            let location =
                started.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            let path = location.and_then(|location| location.strip_prefix("/api/v1")).unwrap_or("/runs");
            Redirect::to(path).into_response()
        }
        Err(error) => refused(Some(&who), &error.into()),
    }
}

#[derive(Deserialize)]
struct LaneForm {
    lane: String,
    rate: String,
    paused: Option<bool>,
}

async fn change_lane(
    console: State<Shared>,
    who: Who,
    Path(run): Path<String>,
    Form(form): Form<LaneForm>,
) -> Response {
    let rate = form.rate.trim();
    let change = match form.paused {
        Some(paused) => json!({ "paused": paused }),
        None => json!({ "rate": Some(rate).filter(|rate| !rate.is_empty()) }),
    };
    let path = runs::path_of(&run);
    let body = Bytes::from(change.to_string());
    let done = rest::change_lane(console, who.clone(), Path((run, form.lane)), body).await;
    then(&who, done.map(|_| path).map_err(ApiError::from))
}
