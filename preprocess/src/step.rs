//! The step: find the run, claim it, take the job's lease, split, keep what the run before has, and plan the
//! lanes.

use std::sync::Arc;

use job::run::lease::{self, Applicant, Asking, Lease, LeaseOf, Wait};
use job::run::{Claim, Event, FORMAT, PreprocessRequest, PreprocessResponse, RunRef, messages, note_version};
use job::store::StorageErrorKind;
use job::{Environment, ErrorName, Job, Objects, StepError, keys};
use tracing::Span;

use crate::Context;
use crate::claim::{self, Owner};
use crate::join;
use crate::lanes::{Described, Lanes};
use crate::planning::Planning;
use crate::previous::{Beginning, refuse_continued};
use crate::report;
use crate::split_object::Outcome;

/// Executes one call of the step.
///
/// # Errors
/// By the stable names of [`ErrorName`].
pub(crate) async fn start(
    context: &Context,
    objects: &Objects,
    request: &PreprocessRequest,
) -> Result<PreprocessResponse, StepError> {
    if let Some(reason) = not_an_input(&request.event) {
        tracing::info!(reason, "the event starts no run");
        report::misplaced(context, objects, request, &reason).await;
        return Ok(PreprocessResponse::Ignored { reason });
    }
    let (run, job_text) = find_run(objects, request).await?;
    Span::current().record("job", &run.job).record("run", &run.id);
    refuse_continued(objects, &run).await?;
    run.check_format()?;
    let ours = Claim {
        format: FORMAT,
        execution: request.execution.clone(),
        started: (context.now)(),
        include_unknown: request.event.includes_unknown(),
        only: request.event.redrive.as_ref().map(|redrive| redrive.only.clone()).unwrap_or_default(),
    };
    let since = match claim::claim(objects, &run, ours).await? {
        Owner::Us(since) => since,
        Owner::Other(execution) => {
            tracing::info!(%execution, "another execution owns the run");
            return Ok(PreprocessResponse::Elsewhere { execution });
        }
    };
    note_version(objects, &run, "preprocess").await?;
    if objects.find(&run.keys().stop_run(run.generation)).await?.is_some() {
        return Err(StepError::new(ErrorName::LaneStopped, "the run was stopped before its first line"));
    }
    let mut job = Arc::new(job::run::parse_job(&job_text, &keys::job_file(&run.job))?);
    if let Some(format) = request.event.output {
        Arc::make_mut(&mut job).output.format = Some(format);
    }
    if let Some(selection) = request.event.selection() {
        Arc::make_mut(&mut job).input.selection = Some(selection);
    }
    if context.environment == Environment::Aws {
        job.check_aws(&run.job)?;
    }
    if let Some(check) = &context.check {
        check.check(&run.job, &job).await?;
    }
    objects.put(&run.keys().job_file(), job_text).await?;
    if let Some(wait) = acquire_lease(context, objects, &run, &job, request, since).await? {
        return Ok(PreprocessResponse::Leased { run, wait });
    }
    // Another run may have continued this one while it waited for the lease.
    refuse_continued(objects, &run).await?;
    let plan = match objects.find(&run.keys().plan()).await? {
        Some(plan) => job::run::parse_plan(&plan, &run.keys().plan())?,
        None if run.generation > 0 => {
            let message =
                format!("the run {} was never split: start it again instead of redriving it", run.id);
            return Err(StepError::new(ErrorName::RunDamaged, message));
        }
        None => {
            let event = &request.event;
            let start = Beginning { context, objects, run: &run, event, job: &job }.record().await?;
            match (Planning { context, objects, run: &run, job: &job, request, start: &start }).run().await? {
                Outcome::Done(plan) => plan,
                Outcome::Paused(checkpoint) => {
                    return Ok(PreprocessResponse::Paused { run, wait_seconds: 1, checkpoint });
                }
            }
        }
    };
    join::take_over(objects, &run, &plan).await?;
    tracing::info!(lines = plan.input.lines, bytes = plan.input.bytes, lanes = plan.lanes.len(), "split");
    let lanes = Lanes { context, objects, run: &run, job: &job, plan: &plan };
    match lanes.describe(messages::checkpoint(&request.previous)).await? {
        Described::All(lanes) => Ok(PreprocessResponse::Ready { run, lanes }),
        Described::Paused(checkpoint) => Ok(PreprocessResponse::Paused { run, wait_seconds: 1, checkpoint }),
    }
}

/// Why the event of an upload starts no run, if its key is not the key of an input. The rule on AWS fits a few
/// such keys, for example an empty output.
fn not_an_input(event: &Event) -> Option<String> {
    let wrong = keys::require_input(&event.detail.object.key).err();
    wrong.filter(|_| event.redrive.is_none()).map(|error| error.message)
}

/// Acquires the job's lease for this run, or says how long to wait. In keys and messages it is called `turn`.
/// Runs wait in the order of their events; a redrive has none, and comes when it has claimed the run.
async fn acquire_lease(
    context: &Context,
    objects: &Objects,
    run: &RunRef,
    job: &Job,
    request: &PreprocessRequest,
    since: u64,
) -> Result<Option<Wait>, StepError> {
    let now = (context.now)();
    let event = request.event.millis().filter(|_| request.event.redrive.is_none());
    let applicant = Applicant {
        objects,
        executions: &*context.executions,
        environment: context.environment,
        now,
        of: LeaseOf::Job(&run.job),
        run,
        execution: &request.execution,
        came: [event.unwrap_or(since), since],
        drain: lease::drain(job),
    };
    let before: Option<Wait> = serde_json::from_value(request.previous.clone()).ok();
    let asking = Asking { before: before.as_ref(), least: context.lease_wait, since, now };
    Ok(match applicant.acquire().await? {
        Lease::Ours => None,
        Lease::Taken { by, ahead } => Some(asking.after(by, ahead)),
        Lease::Draining { holder, left } => Some(asking.draining(holder, left)),
    })
}

/// The event's run and its job file, which is the copy in the run's folder once there is one.
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
            let message =
                format!("there is no job file: upload {}, then upload the input again", keys::job_file(job));
            StepError::new(ErrorName::JobNotFound, message)
        }
        _ => error.into(),
    })?;
    Ok((event.run(&text)?, text))
}
