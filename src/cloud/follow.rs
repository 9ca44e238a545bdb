//! Follows a run from its claim to its end, by what lies in the bucket: claim, plan, and the names of the flush objects,
//! which carry the counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use job::messages::{RunRef, TurnHolder};
use job::{Plan, keys};

use super::{Cloud, Execution, Status};
use crate::exit::Wrong;
use crate::progress::Progress;

/// How often to look, at the least.
const EVERY: Duration = Duration::from_secs(1);
/// Looking takes this share of the time at most: a long run has very many objects.
const SHARE: u32 = 10;
/// An upload starts an execution within seconds, when it starts one.
const CLAIMED_WITHIN: Duration = Duration::from_secs(60);

/// How a run that was followed ended.
#[derive(Debug)]
pub enum Followed {
    /// With this execution.
    Ended(Execution),
    /// No execution has claimed it.
    Unclaimed,
}

/// Counts a run's progress until its execution has ended.
///
/// # Errors
/// When the bucket or Step Functions cannot be read.
pub async fn follow(cloud: &Cloud, run: &RunRef, progress: &Arc<Progress>) -> Result<Followed, Wrong> {
    let objects = cloud.objects();
    let begun = Instant::now();
    let mut plan: Option<Plan> = None;
    loop {
        let looked = Instant::now();
        match cloud.execution(run).await? {
            None if begun.elapsed() > CLAIMED_WITHIN => return Ok(Followed::Unclaimed),
            None => {}
            Some(execution) if execution.status != Status::Running => return Ok(Followed::Ended(execution)),
            Some(_) => {
                if plan.is_none() {
                    plan = objects.find(&run.keys().plan()).await?.and_then(|plan| serde_json::from_slice(&plan).ok());
                }
                match &plan {
                    Some(plan) => progress.count_lanes(&objects, run, plan).await?,
                    None if has_turn(cloud, run).await? => progress.splitting(),
                    None => progress.queued(),
                }
            }
        }
        tokio::time::sleep(EVERY.max(looked.elapsed() * (SHARE - 1))).await;
    }
}

/// Runs of one job take turns.
async fn has_turn(cloud: &Cloud, run: &RunRef) -> Result<bool, Wrong> {
    let turn = cloud.objects().find(&keys::turn(&run.job)).await?;
    let holder = turn.and_then(|turn| serde_json::from_slice::<TurnHolder>(&turn).ok());
    Ok(holder.is_none_or(|holder| holder.run == run.id))
}
