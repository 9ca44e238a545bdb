//! One call of the worker: from the state machine's request to its response.

use std::pin::Pin;

use job::file::Job;
use job::run::{MOST_PAUSES, Pace, RunRef, StopMarker, WorkRequest, WorkResponse};
use job::{ErrorName, Objects, StepError};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::batch::{EarlierResults, Items};
use crate::context::Context;
use crate::drive::{Drive, End};
use crate::lane_control;
use crate::limit;
use crate::results::Tally;

/// Works on one batch until every line has a result, or until there is a reason to pause, for example that a
/// lane of another job uses the limit.
///
/// # Errors
/// Never for a line. `Lane.Stopped` if there is a stop marker or nine in ten of the first hundred responses
/// were 401 or 403, `Batch.TooManyFailures` if more lines failed than the job tolerates, `Batch.TooManyPauses`
/// after [`MOST_PAUSES`], `Run.Interrupted` after `context.stop`, and the errors of the store and of the run
/// folder. The results so far have been written, unless the store failed.
pub async fn work(context: &Context, request: WorkRequest) -> Result<WorkResponse, StepError> {
    work_until(context, request, context.stop.clone()).await
}

/// [`work`] for a caller that may stop this one call: the results so far are written, as after
/// `context.stop`.
///
/// # Errors
/// As [`work`].
pub async fn work_until(
    context: &Context,
    request: WorkRequest,
    stop: CancellationToken,
) -> Result<WorkResponse, StepError> {
    let RunRef { id, job, .. } = &request.run;
    let span = tracing::info_span!("work", %job, run = %id, lane = %request.lane.name, batch = request.batch.first.number());
    // A future of this size is expensive to compile into each caller.
    let call: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(call(context, request, stop));
    async { call.await.inspect_err(StepError::log) }.instrument(span).await
}

async fn call(
    context: &Context,
    request: WorkRequest,
    token: CancellationToken,
) -> Result<WorkResponse, StepError> {
    if token.is_cancelled() {
        return Err(StepError::new(ErrorName::Interrupted, "interrupted before the batch began"));
    }
    let lane = request.lane.name.as_str();
    let run = match context.runs.get(context, &request.run).await {
        Ok(run) => run,
        Err(error) => {
            // Every other batch would fail too, and the report gives the reason.
            if error.name == ErrorName::JobInvalid {
                let objects = Objects::new(context.s3.clone(), &request.run.bucket);
                let key = request.run.keys().stop_lane(request.run.generation, lane);
                StopMarker::place(&objects, &key, &error.message).await?;
            }
            return Err(error);
        }
    };
    if let Some(response) = lane_control::wait_while_paused(context, &run, &request, &token).await? {
        return Ok(response);
    }
    if let Some(reason) = run.stop_reason(lane).await? {
        return Err(stopped(lane, &reason));
    }
    if let Some(wait) = limit::acquire(context, &run, &request).await? {
        tracing::info!(holder = wait.holder, seconds = wait.wait_seconds, "the limit is another lane's");
        let wait_seconds = wait.wait_seconds;
        return Ok(WorkResponse::Paused {
            wait_seconds,
            request: WorkRequest { wait: Some(wait), ..request },
        });
    }
    let batch = request.batch;
    let results = run.keys.batch_results(lane, batch.first);
    let (items, mut earlier) = tokio::try_join!(
        Items::read(&run.objects, run.keys.items(lane), batch),
        EarlierResults::read(&run.objects, &results)
    )?;
    if run.job.draws() {
        earlier.origins_mut().read_beginnings(&run).await?;
    }
    let drive = Drive::new(context, run.clone(), &request, items, earlier, token)?;
    let (end, tally) = drive.run().await?;
    let Tally { ok, failed, .. } = tally;
    match end {
        End::Done => {
            tracing::info!(lines = batch.lines, ok, failed, "done");
            tolerated(&run.job, batch.lines, &tally, lane)?;
            Ok(WorkResponse::Done { first: batch.first, lines: batch.lines, ok, failed })
        }
        End::Paused { wait_seconds, pace } => {
            tracing::info!(wait_seconds, ok, failed, "paused");
            if pace.pauses > MOST_PAUSES {
                return Err(too_many_pauses(batch.lines - ok - failed));
            }
            Ok(paused(wait_seconds, request, pace))
        }
        End::Interrupted => Err(StepError::new(
            ErrorName::Interrupted,
            format!(
                "interrupted; {ok} lines of the batch have succeeded and {failed} have failed, the rest can be continued"
            ),
        )),
        End::Stopped { reason } => Err(stopped(lane, &reason)),
    }
}

fn paused(wait_seconds: u64, request: WorkRequest, pace: Pace) -> WorkResponse {
    WorkResponse::Paused { wait_seconds, request: WorkRequest { pace, wait: None, ..request } }
}

fn too_many_pauses(left: u64) -> StepError {
    let message = format!(
        "the batch has paused {MOST_PAUSES} times, and {left} of its lines are left: set the limit that the provider really has under [limits], and redrive"
    );
    StepError::new(ErrorName::TooManyPauses, message)
}

fn stopped(lane: &str, reason: &str) -> StepError {
    StepError::new(ErrorName::LaneStopped, format!("the lane {lane} was stopped: {reason}"))
}

#[expect(clippy::cast_precision_loss, reason = "lines of a batch")]
fn tolerated(job: &Job, lines: u64, tally: &Tally, lane: &str) -> Result<(), StepError> {
    let tolerance = job.batch_tolerance();
    if tally.failed as f64 <= tolerance * lines as f64 {
        return Ok(());
    }
    let reason = tally
        .most_frequent()
        .map(|(code, count)| format!("; most often {code} ({count} times)"))
        .unwrap_or_default();
    let message = format!(
        "{} of {lines} lines of a batch of the lane {lane} failed, more than the {:.1}% that are tolerated in a batch{reason}",
        tally.failed,
        tolerance * 100.0
    );
    Err(StepError::new(ErrorName::TooManyFailures, message))
}
