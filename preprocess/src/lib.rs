//! The pre-process step: claims a run, and splits its input into lanes of batches.
//!
//! [`preprocess`] is the step; [`split`] is its work without any S3, for a look at what a run would do.

mod batches;
mod claim;
mod encoding;
mod facts;
mod layout;
mod members;
mod normalise;
mod records;
mod redrive;
mod route;
mod source;
mod split;
#[cfg(feature = "lambda")]
mod step_functions;
mod store;
mod window;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use job::messages::{self, Claim, Lane, PreprocessRequest, PreprocessResponse, RunRef};
use job::objects::StorageErrorKind;
use job::{ErrorName, Job, Objects, Plan, StepError, keys};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, Span};

pub use claim::Executions;
use claim::Turn;
pub use split::{Sink, split};
#[cfg(feature = "lambda")]
pub use step_functions::StepFunctions;

/// A batch takes about a minute, a flush ten seconds.
const SETTLE: Duration = Duration::from_secs(90);
/// A run that has waited for hours asks this seldom for its turn.
const LONGEST_TURN_WAIT: Duration = Duration::from_secs(15 * 60);

/// What the step works with; made once per process.
#[derive(Clone)]
pub struct Context {
    /// The client of the store.
    pub s3: Client,
    /// Tells whether an execution has ended.
    pub executions: Arc<dyn Executions>,
    /// Told how far the split is: lines and bytes.
    pub progress: Arc<dyn Fn(u64, u64) + Send + Sync>,
    /// Milliseconds since 1970.
    pub now: fn() -> u64,
    /// How long to wait at the least before asking for the turn again.
    pub turn_wait: Duration,
    /// Where the step runs.
    pub home: Home,
    /// Ends the step early.
    pub stop: CancellationToken,
    /// Cancelled when the call's time is nearly over: a split that is under way is left to the next call.
    pub pause: CancellationToken,
}

#[doc(hidden)]
pub use job::Environment as Home;

/// Claims the run of an event, takes the job's turn, splits the input, and plans the lanes.
///
/// # Errors
/// By the stable names of [`ErrorName`]. What is wrong with the job or the input also stands, in words, in
/// `jobs/<job>/report/<file>.json`, since the person who uploads sees the bucket and not the console.
pub async fn preprocess(
    context: &Context,
    request: PreprocessRequest,
) -> Result<PreprocessResponse, StepError> {
    let objects = Objects::new(context.s3.clone(), &request.event.detail.bucket.name);
    let span =
        tracing::info_span!("preprocess", key = %request.event.detail.object.key, job = Empty, run = Empty);
    async {
        let started = start(context, &objects, &request).await;
        if let Err(error) = &started {
            error.log();
            report(&objects, &request, error).await;
        }
        started
    }
    .instrument(span)
    .await
}

async fn start(
    context: &Context,
    objects: &Objects,
    request: &PreprocessRequest,
) -> Result<PreprocessResponse, StepError> {
    let (run, job_text) = find_run(objects, request).await?;
    Span::current().record("job", &run.job).record("run", &run.id);
    let ours = Claim {
        execution: request.execution.clone(),
        started: (context.now)(),
        include_unknown: request.event.redrive.as_ref().is_some_and(|redrive| redrive.include_unknown),
    };
    let since = match claim::claim(objects, &run, ours).await? {
        claim::Owner::Us(since) => since,
        claim::Owner::Other(execution) => {
            tracing::info!(%execution, "another execution owns the run");
            return Ok(PreprocessResponse::Elsewhere { execution });
        }
    };
    if objects.find(&run.keys().stop_run(run.generation)).await?.is_some() {
        return Err(StepError::new(ErrorName::LaneStopped, "the run was stopped before its first line"));
    }
    let mut job = Arc::new(job::run::parse_job(&job_text, &keys::job_file(&run.job))?);
    if let Some(format) = request.event.output {
        Arc::make_mut(&mut job).output.format = Some(format);
    }
    if context.home == Home::Aws {
        job.check_aws(&run.job)?;
    }
    objects.put(&run.keys().job_file(), job_text).await?;
    match claim::take_turn(context, objects, &run, &request.execution, settle(&job)).await? {
        Turn::Ours => {}
        Turn::Of(holder) => {
            let waited = Duration::from_millis((context.now)().saturating_sub(since));
            return Ok(PreprocessResponse::Leased {
                run,
                wait_seconds: turn_wait(context.turn_wait, waited),
                holder,
            });
        }
        Turn::Settling(holder, left) => {
            return Ok(PreprocessResponse::Leased {
                run,
                wait_seconds: left.as_millis().div_ceil(1000).max(1) as u64,
                holder,
            });
        }
    }
    let plan = match objects.find(&run.keys().plan()).await? {
        Some(plan) => job::run::parse_plan(&plan, &run.keys().plan())?,
        None if run.generation > 0 => {
            let message =
                format!("the run {} was never split: start it again instead of redriving it", run.id);
            return Err(StepError::new(ErrorName::RunDamaged, message));
        }
        None => {
            let checkpoint = messages::checkpoint(&request.previous);
            match store::split_object(context, objects, &run, &request.event.detail.object, &job, checkpoint)
                .await?
            {
                store::Outcome::Done(plan) => plan,
                store::Outcome::Paused(checkpoint) => {
                    return Ok(PreprocessResponse::Paused { run, wait_seconds: 1, checkpoint });
                }
            }
        }
    };
    tracing::info!(lines = plan.input.lines, bytes = plan.input.bytes, lanes = plan.lanes.len(), "split");
    let lanes = lanes(context, objects, &run, &job, &plan).await?;
    Ok(PreprocessResponse::Ready { run, lanes })
}

/// The longer a run has waited, the longer until it asks again: an execution has at most 25,000 events, nine for each time
/// (Step Functions Developer Guide, "Quotas").
fn turn_wait(least: Duration, waited: Duration) -> u64 {
    (waited / 10).clamp(least, LONGEST_TURN_WAIT.max(least)).as_secs().max(1)
}

/// The event's run and its job file: the run folder's copy once there is one.
async fn find_run(
    objects: &Objects,
    request: &PreprocessRequest,
) -> Result<(RunRef, bytes::Bytes), StepError> {
    let event = &request.event;
    let known =
        request.previous.get("run").and_then(|run| serde_json::from_value::<RunRef>(run.clone()).ok());
    let known = match (known, &event.redrive) {
        (None, Some(_)) => Some(event.run(&[])?),
        (known, _) => known,
    };
    if let Some(run) = known
        && let Some(text) = objects.find(&run.keys().job_file()).await?
    {
        return Ok((run, text));
    }
    let key = &event.detail.object.key;
    let (job, _) = keys::require_input(key)?;
    let text = objects.get(&keys::job_file(job)).await.map_err(|error| match error.kind {
        StorageErrorKind::NotFound => {
            let message = format!("there is no job file: upload {} before the input", keys::job_file(job));
            StepError::new(ErrorName::JobNotFound, message)
        }
        _ => error.into(),
    })?;
    Ok((event.run(&text)?, text))
}

/// How long a worker on AWS may still send after its execution was aborted: it looks for the stop marker with each flush, then
/// waits for the requests under way.
fn settle(job: &Job) -> Duration {
    SETTLE + job.request.timeout
}

/// The lanes as the state machine needs them; a redrive's hold only unfinished batches.
async fn lanes(
    context: &Context,
    objects: &Objects,
    run: &RunRef,
    job: &Job,
    plan: &Plan,
) -> Result<Vec<Lane>, StepError> {
    let mut lanes = Vec::new();
    for lane in &plan.lanes {
        let manifest = run.keys().manifest(run.generation, &lane.name);
        let batches = if run.generation == 0 {
            lane.batches.clone()
        } else {
            redrive::unfinished(objects, run, lane).await?
        };
        if batches.is_empty() {
            continue;
        }
        objects.put(&manifest, serde_json::to_vec(&batches).expect("batches are always JSON")).await?;
        lanes.push(Lane {
            name: lane.name.clone(),
            manifest,
            workers: lane.workers,
            tolerated_failure_percentage: job.batch_tolerance() * 100.0,
            settle_seconds: if context.home == Home::Aws { settle(job).as_secs() } else { 1 },
        });
    }
    Ok(lanes)
}

/// Says in words, beside where the output would be, why the run could not start.
async fn report(objects: &Objects, request: &PreprocessRequest, error: &StepError) {
    let passing = matches!(error.name, ErrorName::StorageUnavailable | ErrorName::Interrupted);
    let Some((job, file)) = keys::parse_input(&request.event.detail.object.key).filter(|_| !passing) else {
        return;
    };
    // A redrive, and an upload that a newer one has replaced, leave the report of what is there.
    let older = request.event.redrive.is_some() || error.name == ErrorName::InputChanged;
    if older && !matches!(objects.find(&keys::report(job, file)).await, Ok(None)) {
        return;
    }
    let report = serde_json::json!({
        "verdict": "not_started",
        "job": job,
        "file": file,
        "error": error.name.as_str(),
        "message": error.message,
        "execution": request.execution,
    });
    if let Err(unwritten) = objects.put(&keys::report(job, file), format!("{report:#}\n")).await {
        tracing::warn!(job, file, %unwritten, "the report could not be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_may_wait_for_its_turn_for_weeks() {
        let least = Duration::from_secs(15);
        let (mut waited, mut events) = (Duration::ZERO, 0);
        while waited < Duration::from_secs(14 * 24 * 3600) {
            waited += Duration::from_secs(turn_wait(least, waited));
            events += 9;
        }
        assert!(events < 20_000, "{events} of 25,000 events");
        assert_eq!(turn_wait(least, Duration::ZERO), 15);
        assert_eq!(turn_wait(Duration::ZERO, Duration::ZERO), 1);
    }
}
