//! On AWS, the lease of a lane's limit. Jobs of one stack that name the same limit have a budget for it each,
//! so only one lane at a time sends: the first call of a lane takes the lease, and the calls of other lanes
//! pause. The state machine ends a lane when its workers have ended, and that releases the lease.

use std::sync::Arc;
use std::time::Duration;

use job::run::lease::{self, Applicant, Asking, Executions, Lease, LeaseOf, Wait};
use job::run::{EndLaneRequest, WorkRequest, damaged};
use job::{Environment, Objects, StepError};

use crate::context::Context;
use crate::run::Run;

/// What a worker on AWS needs to share limits with the lanes of other jobs.
#[derive(Clone)]
pub struct SharedLimits {
    /// Knows which executions have ended.
    pub executions: Arc<dyn Executions>,
    /// The clock: milliseconds since 1970.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The shortest wait before a call asks for a lease again.
    pub lease_wait: Duration,
}

/// Takes the lease of the lane's limit, or says how long to wait. A lane without a limit needs none.
///
/// # Errors
/// `Run.Damaged`, `Run.UnknownFormat`, and errors of the store and of Step Functions.
pub(crate) async fn acquire(
    context: &Context,
    run: &Run,
    request: &WorkRequest,
) -> Result<Option<Wait>, StepError> {
    let (Some(shared), Some(limit)) = (&context.shared_limits, &request.lane.limit) else { return Ok(None) };
    let Some(execution) = &run.execution else {
        return Err(damaged(&run.keys.claim(run.generation), "it is gone"));
    };
    let now = (shared.now)();
    let since = request.wait.as_ref().map_or(now, |wait| wait.since);
    let applicant = Applicant {
        objects: &run.objects,
        executions: &*shared.executions,
        environment: Environment::Aws,
        now,
        of: LeaseOf::Limit(limit),
        run: &request.run,
        execution,
        came: [since, since],
        drain: lease::drain(&run.job),
    };
    if applicant.holds().await? {
        return Ok(None);
    }
    let asking = Asking { before: request.wait.as_ref(), least: shared.lease_wait, since, now };
    Ok(match applicant.acquire().await? {
        Lease::Ours => None,
        Lease::Taken { by, ahead } => Some(asking.after(by, ahead)),
        Lease::Draining { holder, left } => Some(asking.draining(holder, left)),
    })
}

/// Ends a lane whose workers have ended: releases the lease of its limit, if it has one.
///
/// # Errors
/// `Run.UnknownFormat`, and errors of the store.
pub async fn end_lane(context: &Context, request: EndLaneRequest) -> Result<(), StepError> {
    let EndLaneRequest { run, ended: lane } = request;
    run.check_format()?;
    let (Some(_), Some(limit)) = (&context.shared_limits, &lane.limit) else { return Ok(()) };
    let objects = Objects::new(context.s3.clone(), &run.bucket);
    lease::release(&objects, LeaseOf::Limit(limit), &run).await
}
