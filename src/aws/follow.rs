//! Follows a run from its claim to its end: by what lies in the bucket (claim, plan, and the names of the flush objects,
//! which carry the counts), by its execution, and by the execution's Map Runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use job::run::{Claim, LeaseHolder, RunRef};
use job::{Plan, RunKeys, keys};

use super::{AwsStack, Execution, Status};
use crate::exit::CliError;
use crate::local::now;
use crate::progress::{Phase, Progress, Queue};
use crate::text;

/// How often to look, at the least.
const EVERY: Duration = Duration::from_secs(1);
/// Looking takes this share of the time at most: a long run has very many objects.
const SHARE: u32 = 10;
/// The Map Runs, a request for each lane, are looked at every so many times.
const MAP_RUNS_EVERY: u64 = 5;
/// How long to go on without an answer.
const BLIND_FOR: Duration = Duration::from_secs(300);
/// An upload starts an execution within seconds, when it starts one.
const CLAIMED_WITHIN: Duration = Duration::from_secs(60);

/// Counts a run's progress until its execution has ended: that execution, or `None` when none has claimed the run. A run
/// of hours outlives many a failed request.
///
/// # Errors
/// When the bucket or Step Functions cannot be read for some minutes.
pub async fn follow(
    stack: &AwsStack,
    run: &RunRef,
    progress: &Arc<Progress>,
) -> Result<Option<Execution>, CliError> {
    let begun = Instant::now();
    let (mut plan, mut well, mut looks) = (None, begun, 0_u64);
    loop {
        let looked = Instant::now();
        match look(stack, run, progress, &mut plan, looks).await {
            Ok(Some(execution)) if execution.status != Status::Running => return Ok(Some(execution)),
            Ok(None) if begun.elapsed() > CLAIMED_WITHIN => return Ok(None),
            Ok(_) => well = Instant::now(),
            Err(error) if well == begun || well.elapsed() > BLIND_FOR => return Err(error),
            Err(error) => tracing::warn!(%error, "looking again"),
        }
        looks += 1;
        tokio::time::sleep(EVERY.max(looked.elapsed() * (SHARE - 1))).await;
    }
}

/// The execution, once there is one; counts what it has done.
async fn look(
    stack: &AwsStack,
    run: &RunRef,
    progress: &Arc<Progress>,
    plan: &mut Option<Plan>,
    looks: u64,
) -> Result<Option<Execution>, CliError> {
    let objects = stack.objects();
    let execution = stack.execution(run).await?;
    if execution.as_ref().is_some_and(|execution| execution.status == Status::Running) {
        if plan.is_none() {
            *plan =
                objects.find(&run.keys().plan()).await?.and_then(|plan| serde_json::from_slice(&plan).ok());
        }
        match plan {
            // From here on the results are merged, and then removed.
            Some(_) if progress.now().phase == Phase::Merging => {}
            Some(plan) => {
                progress.count_lanes(&objects, run, plan).await?;
                if let Some(execution) = &execution
                    && looks.is_multiple_of(MAP_RUNS_EVERY)
                {
                    match stack.batches(&execution.arn).await {
                        Ok(batches) => progress.batches(batches),
                        // Who may not look at Map Runs still sees the lines.
                        Err(error) => tracing::debug!(%error, "without the Map Runs"),
                    }
                }
            }
            None => match queue(stack, run).await? {
                None => progress.splitting(),
                Some(queue) => progress.queued(queue),
            },
        }
    }
    Ok(execution)
}

/// Runs of one job take turns: whose turn it is, unless it is this run's.
async fn queue(stack: &AwsStack, run: &RunRef) -> Result<Option<Queue>, CliError> {
    let objects = stack.objects();
    let turn = objects.find(&keys::lease(&run.job)).await?;
    let Some(turn) = turn.and_then(|turn| serde_json::from_slice::<LeaseHolder>(&turn).ok()) else {
        return Ok(None);
    };
    if turn.run == run.id {
        let begins = (turn.not_before > now()).then(|| text::moment(turn.not_before));
        return Ok(begins.map(|begins| Queue {
            holder: None,
            since: None,
            ended: true,
            begins: Some(begins),
        }));
    }
    let claim = objects.find(&RunKeys::new(&run.job, &turn.run).claim(turn.generation)).await?;
    let claim = claim.and_then(|claim| serde_json::from_slice::<Claim>(&claim).ok());
    // Who may not look at another execution still sees whose turn it is.
    let ended = stack.has_ended(&turn.execution).await.unwrap_or(false);
    let since = claim.map(|claim| text::moment(claim.started));
    Ok(Some(Queue { holder: Some(format!("{}/{}", run.job, turn.run)), since, ended, begins: None }))
}
