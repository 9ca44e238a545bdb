//! A run as the step finds it.

use std::sync::Arc;

use job::job_file::{Failure, Limit, Limits, Style};
use job::run::{Opened, RunRef, StopMarker};
use job::{ErrorName, LaneKind, Objects, Plan, PlannedLane, RunKeys, StepError};

use crate::context::Context;
use crate::names::report_key;
use crate::report::Report;

/// A run as the step finds it.
pub(crate) struct Run {
    pub(crate) run: RunRef,
    pub(crate) keys: RunKeys,
    pub(crate) objects: Objects,
    pub(crate) plan: Arc<Plan>,
    pub(crate) failure: Failure,
    limits: Limits,
    pub(crate) warnings: Vec<String>,
    /// All lines have the same host.
    one_host: bool,
    /// How the rows are written.
    pub(crate) style: Style,
    /// When its execution claimed it, milliseconds since 1970.
    pub(crate) started: Option<u64>,
}

impl Run {
    pub(crate) async fn open(context: &Context, run: RunRef) -> Result<Self, StepError> {
        let objects = Objects::new(context.s3.clone(), &run.bucket);
        let Opened { keys, job, plan, claim } = job::run::open(&objects, &run).await?;
        let started = claim.map(|claim| claim.started);
        let warnings = plan.warnings(&job);
        Ok(Self {
            warnings,
            run,
            keys,
            objects,
            plan: Arc::new(plan),
            failure: job.failure,
            style: job.output.style,
            one_host: job.request.fixed_host.is_some(),
            limits: job.limits,
            started,
        })
    }

    /// The limit of a lane that has one: not of one whose lines are of many hosts.
    pub(crate) fn limit_of(&self, lane: &PlannedLane) -> Option<Limit> {
        match &lane.kind {
            LaneKind::Named { provider } => {
                self.limits.providers.iter().find(|named| named.name == *provider).map(|named| named.limit)
            }
            LaneKind::Hashed => (self.one_host && self.limits.by.is_none()).then_some(self.limits.default),
        }
    }

    /// The report of an earlier call that found every line succeeded: from then on the run's folder may be gone in parts,
    /// and there is nothing left to do better. Any other run is merged again, since results may have come in.
    pub(crate) async fn completed(&self) -> Result<Option<Report>, StepError> {
        let found = self.objects.find(&report_key(&self.run)).await?;
        let report = found.and_then(|bytes| serde_json::from_slice::<Report>(&bytes).ok());
        Ok(report.filter(|report| report.run == self.run.id && report.complete()))
    }

    /// Why each lane was stopped in this generation, beside the plan's lanes.
    pub(crate) async fn stop_reasons(&self) -> Result<Vec<Option<String>>, StepError> {
        let generation = self.run.generation;
        let all = self.stop_reason(&self.keys.stop_run(generation)).await?;
        let mut reasons = Vec::new();
        for lane in &self.plan.lanes {
            let own = self.stop_reason(&self.keys.stop_lane(generation, &lane.name)).await?;
            reasons.push(own.or_else(|| all.clone()));
        }
        Ok(reasons)
    }

    async fn stop_reason(&self, key: &str) -> Result<Option<String>, StepError> {
        let Some(marker) = self.objects.find(key).await? else { return Ok(None) };
        Ok(Some(
            serde_json::from_slice::<StopMarker>(&marker)
                .map_or_else(|_| "no reason was given".to_owned(), |marker| marker.reason),
        ))
    }
}

/// A file of the run folder is not what it must be.
pub(crate) fn damaged(message: impl Into<String>) -> StepError {
    StepError::new(ErrorName::RunDamaged, message)
}
