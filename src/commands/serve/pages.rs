//! What the console's pages of jobs show: the same as `check`, `try` and `secret` print.

use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use job::file::secrets::{SecretRef, Secrets};
use job::{Job, LaneKind, keys};
use serde_json::Value;
use serve::{
    Exchanged, JobPages, Jobs as _, JobsError, PlannedLane, Preview, RunDetail, Sample, SecretName, Tried,
};
use worker::request::{self, Prepared};
use worker::trial::{End, Exchange, Response, Trial};

use super::super::check;
use super::super::exchange::ShownRequest;
use crate::local::{InputLine, JobSecrets, LineError, ServerJobs, StateDir};
use crate::text;

/// How long the lines of a sample are rendered.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// The requests that a preview shows.
const SHOWN: usize = 3;

pub(super) struct Pages {
    state: Arc<StateDir>,
    jobs: Arc<ServerJobs>,
    secrets: JobSecrets,
    keys: Vec<(String, String)>,
}

impl Pages {
    pub(super) fn new(state: Arc<StateDir>, jobs: Arc<ServerJobs>) -> Self {
        let secrets = JobSecrets::of(state.folder());
        Self { state, jobs, secrets, keys: keys_of_schema() }
    }
}

#[async_trait]
impl JobPages for Pages {
    async fn names(&self) -> Result<Vec<String>, JobsError> {
        let folder = "jobs/";
        let found = self.jobs.objects().list(folder).await.map_err(|error| unavailable(&error))?;
        let job = |key: &str| {
            let (job, rest) = key.strip_prefix(folder)?.split_once('/')?;
            (rest == "job.toml").then(|| job.to_owned())
        };
        Ok(found.iter().filter_map(|entry| job(&entry.key)).collect())
    }

    async fn text(&self, job: &str) -> Result<Option<String>, JobsError> {
        let found =
            self.jobs.objects().find(&keys::job_file(job)).await.map_err(|error| unavailable(&error))?;
        Ok(found.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }

    fn keys(&self) -> &[(String, String)] {
        &self.keys
    }

    async fn preview(&self, name: &str, text: &str, sample: Sample) -> Result<Preview, JobsError> {
        let job = parse(name, text)?;
        let until = Instant::now().checked_add(TIME_LIMIT);
        let looked = check::look(&job, Cursor::new(sample.content), &sample.file, SHOWN, until).await;
        let looked = looked.map_err(|error| JobsError::Wrong(error.message))?;
        let requests = looked
            .first
            .iter()
            .map(|(line, request)| (*line, request.as_ref().map(shown).map_err(Clone::clone)));
        let charges = check::charges(&job, &looked.plan, &looked.findings, false);
        let longest = looked.plan.lanes.iter().map(check::seconds).max().unwrap_or_default();
        let lane = |lane: &job::PlannedLane| {
            let limit = check::limit(&job, &lane.kind);
            let each = if lane.kind == LaneKind::Hashed { " for each host" } else { "" };
            let rate = limit.rate.per_second();
            PlannedLane {
                name: check::provider(lane),
                lines: lane.lines,
                limit: rate.map_or_else(|| "unlimited".to_owned(), text::rate) + each,
                time: rate.map_or_else(|| "–".to_owned(), |_| text::duration(check::seconds(lane))),
            }
        };
        Ok(Preview {
            requests: requests.collect(),
            lanes: looked.plan.lanes.iter().map(lane).collect(),
            time: match longest {
                Duration::ZERO => "as fast as the providers respond: no lane has a rate limit".to_owned(),
                longest => format!("at least {}, if every lane runs at its limit", text::duration(longest)),
            },
            cost: charges.into_iter().map(|charge| (charge.what, charge.dollars)).collect(),
            hints: looked.hints.into_iter().map(|hint| hint.text).collect(),
        })
    }

    async fn try_line(&self, name: &str, text: &str, sample: Sample) -> Result<Tried, JobsError> {
        // The rules of the server come first: a job reaches only what the server allows.
        self.jobs.check(name, text).await?;
        let job = parse(name, text)?;
        let no_request =
            |why: String| JobsError::Wrong(format!("line {} makes no request: {why}", sample.line));
        let line = InputLine::find(Cursor::new(sample.content), &sample.file, &job, sample.line).await;
        let line = line.map_err(|error| match error {
            LineError::Unreadable(error) => JobsError::Wrong(error.message),
            LineError::Missing(lines) => JobsError::Wrong(format!(
                "there is no line {}: the sample has {}",
                sample.line,
                text::lines(lines)
            )),
        })?;
        let row = line.row_alone(&job, sample.line).map_err(no_request)?;
        let failed = |failure: worker::Failure| no_request(format!("{}: {}", failure.code, failure.detail));
        let masked = Arc::new(Secrets::masked(job.secrets.keys().cloned()));
        let rendered = request::render(&job, &row, &masked, None).map_err(failed)?;
        let output = line.output_format(&job).map_err(|error| JobsError::Wrong(error.to_string()))?;
        let trial = Trial::new(job.clone(), name, output, Arc::new(self.secrets.clone())).await;
        let trial = trial.map_err(|error| JobsError::Wrong(error.message))?;
        let exchanges = trial.send(&row).await.map_err(failed)?;
        let outcome = match exchanges.last().map(|last| &last.end) {
            Some(Ok(End::Values(values))) => {
                let names = job.output.columns.names().map(str::to_owned);
                Ok(names.zip(values.iter().cloned()).collect())
            }
            Some(Err(failure)) => Err(format!("{}: {}", failure.code, failure.detail)),
            Some(Ok(End::Again)) | None => Err("no response".to_owned()),
        };
        let first = shown(&rendered);
        let exchanges = exchanges.iter().enumerate().map(|(n, exchange)| {
            let request = if n == 0 { first.clone() } else { followed(exchange) };
            (request, answer(exchange))
        });
        Ok(Tried { exchanges: exchanges.collect(), curl: ShownRequest::new(&rendered).curl(), outcome })
    }

    fn secrets(&self, job: &str, text: &str) -> Result<Vec<SecretName>, JobsError> {
        let set = self.secrets.names(job).map_err(|error| JobsError::Wrong(error.to_string()))?;
        let parsed = Job::parse(text, &keys::job_file(job)).ok();
        let mut needed: Vec<String> = parsed
            .iter()
            .flat_map(|job| job.secrets.values().chain(job.tls.references().map(|(_, found)| found)))
            .filter_map(|reference| match reference {
                SecretRef::Env(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        needed.extend(set.iter().cloned());
        needed.sort();
        needed.dedup();
        let named = |name: &String| {
            parsed
                .iter()
                .flat_map(|job| job.secrets.values())
                .any(|reference| matches!(reference, SecretRef::Env(known) if known == name))
        };
        Ok(needed
            .into_iter()
            .map(|name| SecretName { is_set: set.contains(&name), is_needed: named(&name), name })
            .collect())
    }

    fn set_secret(&self, job: &str, name: &str, value: &str) -> Result<(), JobsError> {
        let set = self.secrets.set(self.state.service(), job, name, value);
        set.map_err(|error| JobsError::Wrong(error.to_string()))
    }

    async fn detail(&self, execution: &str) -> Result<Option<RunDetail>, JobsError> {
        self.jobs.detail(execution).await.map_err(|error| JobsError::Unavailable(error.message))
    }
}

/// The keys of the schema of job files, each with its table.
fn keys_of_schema() -> Vec<(String, String)> {
    fn add(keys: &mut Vec<(String, String)>, table: &str, properties: &Value) {
        for (key, about) in properties.as_object().into_iter().flatten() {
            let inner = &about["properties"];
            if inner.is_object() {
                add(keys, &format!("[{key}] "), inner);
            } else if let Some(text) = about["description"].as_str() {
                keys.push((format!("{table}{key}"), text.to_owned()));
            }
        }
    }
    let schema: Value = serde_json::from_str(super::super::manual::SCHEMA).unwrap_or_default();
    let mut keys = Vec::new();
    add(&mut keys, "", &schema["properties"]);
    keys
}

fn parse(name: &str, text: &str) -> Result<Arc<Job>, JobsError> {
    let parsed = Job::parse(text, &keys::job_file(name));
    parsed.map(Arc::new).map_err(|error| JobsError::Wrong(error.to_string()))
}

fn shown(request: &Prepared) -> Exchanged {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let upload = request.upload.as_ref().map(ToString::to_string);
    Exchanged {
        head: format!("{} {}", request.method, request.url),
        headers: request
            .all_headers()
            .iter()
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect(),
        body: request.body.as_deref().map(text).or(upload).unwrap_or_default(),
    }
}

/// The request after a redirect, or after a token was renewed.
fn followed(exchange: &Exchange) -> Exchanged {
    Exchanged { head: format!("{} {}", exchange.method, exchange.url), ..Exchanged::default() }
}

fn answer(exchange: &Exchange) -> Exchanged {
    let Some(Response { status, headers, body, bytes, cut }) = &exchange.response else {
        let head = format!("no response, after {} ms", exchange.millis);
        return Exchanged { head, ..Exchanged::default() };
    };
    let mut body = body.clone().unwrap_or_else(|| format!("({bytes} bytes that are not text)"));
    if *cut {
        body.push_str("\n(only the beginning of the body was read)");
    }
    Exchanged { head: format!("{status} after {} ms", exchange.millis), headers: headers.clone(), body }
}

fn unavailable(error: &job::StorageError) -> JobsError {
    JobsError::Unavailable(error.to_string())
}
