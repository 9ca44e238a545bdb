//! Reads the runs of a state folder or of a stack from their small files.

use futures_util::{StreamExt, TryStreamExt, stream};
use job::run::{Claim, Continued, FORMAT, LeaseHolder, RunRef, parse_plan, read_file};
use job::{Objects, RunKeys, SegmentKey, keys};
use postprocess::{Report, Verdict};

use crate::aws::{AwsStack, Status, latest_generation};
use crate::commands::run::latest_report;
use crate::exit::CliError;
use crate::local::StateDir;

/// Runs that are read at a time.
const AT_ONCE: usize = 8;

/// Where the runs are.
pub(in crate::commands) enum Home {
    Local(StateDir),
    Aws(AwsStack),
}

/// A run.
#[derive(Debug)]
pub(in crate::commands) struct Listed {
    pub(in crate::commands) job: String,
    pub(in crate::commands) id: String,
    /// The input's name; `None` before the input was split.
    pub(in crate::commands) file: Option<String>,
    /// Milliseconds since 1970.
    pub(in crate::commands) started: Option<u64>,
    pub(in crate::commands) generation: u32,
    pub(in crate::commands) lines: Option<u64>,
    /// Lines that have succeeded so far.
    pub(in crate::commands) ok: Option<u64>,
    /// Lines that have failed so far.
    pub(in crate::commands) failed: Option<u64>,
    pub(in crate::commands) state: State,
}

/// How a run ended or stands.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::commands) enum State {
    /// Every line has succeeded.
    Succeeded,
    /// It ended, and lines have failed.
    SomeFailed,
    /// It ended with an error or with too many failed lines.
    Failed,
    /// It is going on.
    Running,
    /// It waits until another run of its job has ended, or its input is being split.
    Starting,
    /// It was interrupted or stopped before its end.
    Interrupted,
    /// Another run has taken its responses over.
    Continued { by: String },
}

impl State {
    /// The name in JSON.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::SomeFailed => "some_failed",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Interrupted => "interrupted",
            Self::Continued { .. } => "continued",
        }
    }

    pub(in crate::commands) fn in_words(&self) -> String {
        match self {
            Self::SomeFailed => "some lines failed".to_owned(),
            Self::Continued { by } => format!("continued by {by}"),
            other => other.name().to_owned(),
        }
    }
}

impl Listed {
    /// The run's name for users.
    pub(in crate::commands) fn name(&self) -> String {
        format!("{}/{}", self.job, self.id)
    }

    /// The run as messages name it.
    pub(in crate::commands) fn reference(&self, bucket: &str) -> RunRef {
        RunRef {
            format: FORMAT,
            bucket: bucket.to_owned(),
            job: self.job.clone(),
            file: self.file.clone().unwrap_or_default(),
            id: self.id.clone(),
            generation: self.generation,
        }
    }
}

/// All runs of a job, or of all jobs, the newest first.
pub(in crate::commands) async fn list(
    objects: &Objects,
    home: &Home,
    job: Option<&str>,
) -> Result<Vec<Listed>, CliError> {
    let jobs = match job {
        Some(job) => vec![job.to_owned()],
        // The results of the Distributed Maps.
        None => objects.folders("runs/").await?.into_iter().filter(|job| job != "map").collect(),
    };
    let mut runs = Vec::new();
    for job in jobs {
        let holder = holder(objects, &job).await?;
        let folders = objects.folders(&format!("runs/{job}/")).await?;
        let ids = folders.into_iter().filter(|id| id != "latest");
        let read = ids.map(|id| read(objects, home, &job, id, holder.as_ref()));
        let mut found: Vec<Option<Listed>> = stream::iter(read).buffered(AT_ONCE).try_collect().await?;
        runs.extend(found.drain(..).flatten());
    }
    runs.sort_by(|one, other| other.started.cmp(&one.started).then_with(|| one.id.cmp(&other.id)));
    Ok(runs)
}

/// One run; `None` if no execution has claimed it.
pub(in crate::commands) async fn listed(
    objects: &Objects,
    home: &Home,
    run: &RunRef,
) -> Result<Option<Listed>, CliError> {
    let holder = holder(objects, &run.job).await?;
    read(objects, home, &run.job, run.id.clone(), holder.as_ref()).await
}

/// The run that has the lease of a job.
async fn holder(objects: &Objects, job: &str) -> Result<Option<LeaseHolder>, CliError> {
    let mut holder = None;
    for lease in [keys::lease(job), keys::earlier_lease(job)] {
        if let Some(found) = objects.find(&lease).await? {
            holder = Some(read_file::<LeaseHolder>(&found, &lease, "a lease")?);
        }
    }
    Ok(holder)
}

/// A run, or `None` if no execution has claimed the folder.
async fn read(
    objects: &Objects,
    home: &Home,
    job: &str,
    id: String,
    holder: Option<&LeaseHolder>,
) -> Result<Option<Listed>, CliError> {
    let mut run = RunRef {
        format: FORMAT,
        bucket: objects.bucket().to_owned(),
        job: job.to_owned(),
        file: String::new(),
        id,
        generation: 0,
    };
    let keys = run.keys();
    let Some(generation) = latest_generation(objects, &run).await? else { return Ok(None) };
    run.generation = generation;
    let (claim_key, plan_key, continued_key) = (keys.claim(generation), keys.plan(), keys.continued());
    let claim = objects.find(&claim_key).await?;
    let claim = claim.map(|claim| read_file::<Claim>(&claim, &claim_key, "a claim")).transpose()?;
    let plan = objects.find(&plan_key).await?.map(|plan| parse_plan(&plan, &plan_key)).transpose()?;
    let continued = objects.find(&continued_key).await?;
    let continued =
        continued.map(|found| read_file::<Continued>(&found, &continued_key, "a marker")).transpose()?;
    run.file = plan.as_ref().map(|plan| plan.input.file.clone()).unwrap_or_default();
    let report = if run.file.is_empty() { None } else { latest_report(objects, &run).await? };
    let finished = objects.find(&keys.finished()).await?.is_some();
    let lines = plan.as_ref().map(|plan| plan.input.lines);
    let (ok, failed, state) = match (continued, report) {
        (Some(Continued { by, .. }), _) => (None, None, State::Continued { by }),
        (None, Some(report)) => {
            let state = state_of(&report);
            (Some(report.ok), Some(report.failed + report.not_processed), state)
        }
        (None, None) if finished => (lines, Some(0), State::Succeeded),
        (None, None) => {
            let (ok, failed) = count(objects, &keys).await?;
            let has_lease = holder.is_some_and(|holder| holder.run == run.id);
            let state = home.state(&run, claim.as_ref(), has_lease, plan.is_some()).await?;
            (Some(ok), Some(failed), state)
        }
    };
    let started = claim.map(|claim| claim.started).filter(|started| *started > 0);
    let file = Some(run.file).filter(|file| !file.is_empty());
    Ok(Some(Listed { job: run.job, id: run.id, file, started, generation, lines, ok, failed, state }))
}

fn state_of(report: &Report) -> State {
    match report.verdict {
        Verdict::Succeeded => State::Succeeded,
        Verdict::SomeFailed => State::SomeFailed,
        Verdict::Failed => State::Failed,
    }
}

/// Lines that have succeeded and failed so far, by the names of the result segments. A line that was sent in
/// several generations counts in each of them.
async fn count(objects: &Objects, keys: &RunKeys) -> Result<(u64, u64), CliError> {
    let segments = objects.list(&keys.results()).await?;
    let counts = segments.iter().filter_map(|segment| match SegmentKey::parse(&segment.key) {
        Some(SegmentKey::Results { ok, failed, .. }) => Some((ok, failed)),
        _ => None,
    });
    Ok(counts.fold((0, 0), |(oks, faileds), (ok, failed)| (oks + ok, faileds + failed)))
}

impl Home {
    /// The objects of the runs.
    pub(in crate::commands) fn objects(&self) -> Objects {
        match self {
            Self::Local(state) => state.objects(),
            Self::Aws(stack) => stack.objects(),
        }
    }

    /// The client of their store.
    pub(in crate::commands) fn s3(&self) -> aws_sdk_s3::Client {
        match self {
            Self::Local(state) => state.s3().clone(),
            Self::Aws(stack) => stack.s3().clone(),
        }
    }

    /// The state of a run that has no report.
    async fn state(
        &self,
        run: &RunRef,
        claim: Option<&Claim>,
        has_lease: bool,
        is_split: bool,
    ) -> Result<State, CliError> {
        let going = if is_split && has_lease { State::Running } else { State::Starting };
        match self {
            Self::Local(state) if state.is_busy(&run.job)? && state.is_under_way(run) => Ok(going),
            Self::Local(state) if state.is_under_way(run) || is_split => Ok(State::Interrupted),
            Self::Local(_) => Ok(State::Failed),
            Self::Aws(stack) => {
                let Some(claim) = claim else { return Ok(State::Starting) };
                Ok(match stack.describe(&claim.execution).await?.status {
                    Status::Running => going,
                    // A later run of the same file has replaced its report.
                    Status::Succeeded => State::Succeeded,
                    Status::Failed { .. } => State::Failed,
                    Status::Aborted => State::Interrupted,
                })
            }
        }
    }
}
