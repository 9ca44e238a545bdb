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
use crate::progress::{LaneCounts, OtherJob, Phase, Progress, Queue};
use crate::text;

/// The shortest time between two polls.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// At most one part in this number of the time is spent polling, because a run may have many lanes.
const POLL_SHARE: u32 = 10;
/// Once in this number of polls the leases and the Map Runs are read too, which takes requests for each lane.
const LANES_EVERY: u64 = 5;
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
    let (mut seen, mut last_success, mut polls) = (Seen::default(), begun, 0_u64);
    loop {
        let polled = Instant::now();
        match poll(stack, run, progress, &mut seen, polls).await {
            Ok(Some(execution)) if execution.status != Status::Running => return Ok(Some(execution)),
            Ok(None) if begun.elapsed() > CLAIMED_WITHIN => return Ok(None),
            Ok(None) => {
                progress.unclaimed(CLAIMED_WITHIN - begun.elapsed());
                last_success = Instant::now();
            }
            Ok(Some(_)) => last_success = Instant::now(),
            Err(error) if last_success == begun || last_success.elapsed() > TOLERATE_ERRORS => {
                return Err(error);
            }
            Err(error) => tracing::warn!(%error, "polling again"),
        }
        polls += 1;
        tokio::time::sleep(POLL_EVERY.max(polled.elapsed() * (POLL_SHARE - 1))).await;
    }
}

/// What earlier polls have found.
#[derive(Default)]
struct Seen {
    plan: Option<Plan>,
    /// The run holds its job's lease, and no worker of an aborted run may still send.
    has_turn: bool,
    counts: LaneCounts,
}

/// Counts what the execution has done. Returns the execution, if there is one yet.
async fn poll(
    stack: &AwsStack,
    run: &RunRef,
    progress: &Arc<Progress>,
    seen: &mut Seen,
    polls: u64,
) -> Result<Option<Execution>, CliError> {
    let objects = stack.objects();
    let execution = stack.execution(run).await?;
    if execution.as_ref().is_some_and(|execution| execution.status == Status::Running) {
        // A redrive has a plan while it waits for its turn.
        if !seen.has_turn {
            match turn(stack, run).await? {
                Turn::Waits(queue) => {
                    progress.queued(queue);
                    return Ok(execution);
                }
                Turn::Ours => seen.has_turn = true,
                Turn::Unknown => {}
            }
        }
        if seen.plan.is_none() {
            let found = objects.find(&run.keys().plan()).await?;
            seen.plan = found.and_then(|plan| serde_json::from_slice(&plan).ok());
        }
        match &seen.plan {
            // The results are merged and then removed, so they are not counted any more.
            Some(_) if progress.snapshot().phase == Phase::Merging => {}
            Some(plan) if seen.has_turn => {
                progress.count_lanes(&objects, run, plan, &mut seen.counts).await?;
                if let Some(execution) = &execution
                    && polls.is_multiple_of(LANES_EVERY)
                {
                    find_waiting_lanes(&objects, run, plan, progress).await?;
                    match stack.batches(&execution.arn).await {
                        Ok(batches) => progress.batches(batches),
                        // A user without permission for Map Runs still sees the lines.
                        Err(error) => tracing::debug!(%error, "without the Map Runs"),
                    }
                }
            }
            _ => progress.splitting(),
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

/// Whose turn it is.
enum Turn {
    Ours,
    /// Another run's, or the workers of an aborted one have not ended.
    Waits(Queue),
    /// Nobody holds the lease: the run has just begun, or is just ending.
    Unknown,
}

/// Reads whose turn it is from the job's lease.
async fn turn(stack: &AwsStack, run: &RunRef) -> Result<Turn, CliError> {
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
        return Ok(Turn::Unknown);
    };
    if turn.run == run.id && turn.generation == run.generation {
        if turn.not_before <= now() {
            return Ok(Turn::Ours);
        }
        let begins = Some(text::moment(turn.not_before));
        return Ok(Turn::Waits(Queue { holder: None, since: None, ended: true, begins }));
    }
    let claim = objects.find(&RunKeys::new(&run.job, &turn.run).claim(turn.generation)).await?;
    let claim = claim.and_then(|claim| serde_json::from_slice::<Claim>(&claim).ok());
    // A user without permission for the other execution still sees its run.
    let ended = stack.has_ended(&turn.execution).await.unwrap_or(false);
    let since = claim.map(|claim| text::moment(claim.started));
    let holder = Some(format!("{}/{}", run.job, turn.run));
    Ok(Turn::Waits(Queue { holder, since, ended, begins: None }))
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
