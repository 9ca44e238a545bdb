//! Follows a run from its claim to its end. Its progress is read from the bucket (claim, plan, and the counts
//! in the names of the result segments), from its execution, and from the execution's Map Runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use job::run::{Claim, LeaseHolder, RunRef, lease};
use job::{LaneKind, Objects, Plan, RunKeys, keys};

use super::{AwsStack, Execution, Status};
use crate::exit::CliError;
use crate::local::now;
use crate::progress::{OtherJob, Phase, Progress, Queue};
use crate::text;

/// The shortest time between two polls.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// At most one part in this number of the time is spent polling, because a long run has very many objects.
const POLL_SHARE: u32 = 10;
/// Once in this number of polls the Map Runs are read too, which takes a request for each lane.
const MAP_RUNS_EVERY: u64 = 5;
/// How long errors are tolerated.
const TOLERATE_ERRORS: Duration = Duration::from_secs(300);
/// The time in which an upload must have started an execution. Usually it takes seconds.
const CLAIMED_WITHIN: Duration = Duration::from_secs(60);

/// Counts a run's progress until its execution has ended. Returns that execution, or `None` if none has
/// claimed the run. Errors are tolerated for some minutes, because a run may take hours.
///
/// # Errors
/// When the bucket or Step Functions cannot be read for some minutes.
pub async fn follow(
    stack: &AwsStack,
    run: &RunRef,
    progress: &Arc<Progress>,
) -> Result<Option<Execution>, CliError> {
    let begun = Instant::now();
    let (mut plan, mut last_success, mut polls) = (None, begun, 0_u64);
    loop {
        let polled = Instant::now();
        match poll(stack, run, progress, &mut plan, polls).await {
            Ok(Some(execution)) if execution.status != Status::Running => return Ok(Some(execution)),
            Ok(None) if begun.elapsed() > CLAIMED_WITHIN => return Ok(None),
            Ok(_) => last_success = Instant::now(),
            Err(error) if last_success == begun || last_success.elapsed() > TOLERATE_ERRORS => {
                return Err(error);
            }
            Err(error) => tracing::warn!(%error, "polling again"),
        }
        polls += 1;
        tokio::time::sleep(POLL_EVERY.max(polled.elapsed() * (POLL_SHARE - 1))).await;
    }
}

/// Counts what the execution has done. Returns the execution, if there is one yet.
async fn poll(
    stack: &AwsStack,
    run: &RunRef,
    progress: &Arc<Progress>,
    plan: &mut Option<Plan>,
    polls: u64,
) -> Result<Option<Execution>, CliError> {
    let objects = stack.objects();
    let execution = stack.execution(run).await?;
    if execution.as_ref().is_some_and(|execution| execution.status == Status::Running) {
        if plan.is_none() {
            *plan =
                objects.find(&run.keys().plan()).await?.and_then(|plan| serde_json::from_slice(&plan).ok());
        }
        match plan {
            // The results are merged and then removed, so they are not counted any more.
            Some(_) if progress.snapshot().phase == Phase::Merging => {}
            Some(plan) => {
                progress.count_lanes(&objects, run, plan).await?;
                find_waiting_lanes(&objects, run, plan, progress).await?;
                if let Some(execution) = &execution
                    && polls.is_multiple_of(MAP_RUNS_EVERY)
                {
                    match stack.batches(&execution.arn).await {
                        Ok(batches) => progress.batches(batches),
                        // A user without permission for Map Runs still sees the lines.
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

/// Says of each lane that has lines left which other job has its limit now.
async fn find_waiting_lanes(
    objects: &Objects,
    run: &RunRef,
    plan: &Plan,
    progress: &Progress,
) -> Result<(), CliError> {
    for (lane, shown) in plan.lanes.iter().zip(progress.snapshot().lanes) {
        if let LaneKind::Named { provider } = &lane.kind
            && shown.done < shown.lines
        {
            let lease = objects.find(&keys::limit_lease(provider)).await?;
            let holder = lease.and_then(|lease| serde_json::from_slice::<LeaseHolder>(&lease).ok());
            let other = holder.filter(|holder| holder.run != run.id);
            let other = other.map(|holder| OtherJob { job: holder.job, limit: provider.clone() });
            progress.lane_waits_for(&lane.name, other);
        }
    }
    Ok(())
}

/// The run of the same job that this run waits for, unless it is this run's turn.
async fn queue(stack: &AwsStack, run: &RunRef) -> Result<Option<Queue>, CliError> {
    let objects = stack.objects();
    let held = match objects.find(&keys::earlier_lease(&run.job)).await? {
        None => objects.find(&keys::lease(&run.job)).await?,
        earlier => earlier,
    };
    // Between two runs nobody holds the lease.
    let turn = match held {
        None => first_in_queue(&objects, run).await?,
        held => held,
    };
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
    // A user without permission for the other execution still sees its run.
    let ended = stack.has_ended(&turn.execution).await.unwrap_or(false);
    let since = claim.map(|claim| text::moment(claim.started));
    Ok(Some(Queue { holder: Some(format!("{}/{}", run.job, turn.run)), since, ended, begins: None }))
}

/// What is first in the queue of the job in which the run waits; `None` if it does not wait.
async fn first_in_queue(objects: &Objects, run: &RunRef) -> Result<Option<Bytes>, CliError> {
    let waiting = objects.list(&keys::lease_queue(&run.job)).await?;
    match waiting.first() {
        Some(first) if waiting.iter().any(|entry| lease::is_place_of(&entry.key, run)) => {
            Ok(objects.find(&first.key).await?)
        }
        _ => Ok(None),
    }
}
