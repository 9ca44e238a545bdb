//! A run: its plan, its job, and the objects in its folder.

use std::sync::Arc;

use job::file::{Failure, Limit, Limits, Style};
use job::run::lease::{self, LeaseOf};
use job::run::{Opened, RunRef, StopMarker, read_file};
use job::{ErrorName, LaneKind, Objects, Plan, PlannedLane, RunKeys, StepError};

use crate::context::Context;
use crate::names::report_key;
use crate::report::Report;

/// A run that is to be merged.
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
    /// The style of the output's rows.
    pub(crate) style: Style,
    /// The columns of the input that the output leaves out.
    pub(crate) dropped: Vec<String>,
    /// When its execution claimed it, milliseconds since 1970.
    pub(crate) started: Option<u64>,
}

impl Run {
    /// Reads the run's plan, job file and claim.
    ///
    /// # Errors
    /// `Run.Damaged` if one of them cannot be read, and errors of the store.
    pub(crate) async fn open(context: &Context, run: RunRef) -> Result<Self, StepError> {
        let objects =
            Objects::new(context.s3.clone(), &run.bucket).with_transfers(context.settings.environment.into());
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
            dropped: job.output.drop,
            one_host: job.request.fixed_host.is_some(),
            limits: job.limits,
            started,
        })
    }

    /// The limit of a lane, if all its lines have the same one.
    pub(crate) fn limit_of(&self, lane: &PlannedLane) -> Option<Limit> {
        match &lane.kind {
            LaneKind::Named { provider } => {
                self.limits.providers.iter().find(|named| named.name == *provider).map(|named| named.limit)
            }
            LaneKind::Hashed => (self.one_host && self.limits.by.is_none()).then_some(self.limits.default),
        }
    }

    /// The report of an earlier call, if every line succeeded: then parts of the run's folder may already be
    /// removed, and a merge cannot improve on it. Any other run is merged again, since there may be new
    /// results.
    ///
    /// # Errors
    /// Errors of the store.
    pub(crate) async fn completed(&self) -> Result<Option<Report>, StepError> {
        let found = self.objects.find(&report_key(&self.run)).await?;
        let report = found.and_then(|bytes| serde_json::from_slice::<Report>(&bytes).ok());
        Ok(report.filter(|report| report.run == self.run.id && report.complete()))
    }

    /// Why each lane of the plan was stopped in this generation.
    ///
    /// # Errors
    /// Errors of the store.
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

    /// Releases the job's lease if this run holds it, so that the next run can begin.
    ///
    /// # Errors
    /// Errors of the store.
    pub(crate) async fn release_lease(&self) -> Result<(), StepError> {
        lease::release(&self.objects, LeaseOf::Job(&self.run.job), &self.run).await
    }

    async fn stop_reason(&self, key: &str) -> Result<Option<String>, StepError> {
        let Some(marker) = self.objects.find(key).await? else { return Ok(None) };
        let marker: Result<StopMarker, _> = read_file(&marker, key, "a stop marker");
        Ok(Some(marker.map_or_else(|_| "no reason was given".to_owned(), |marker| marker.reason)))
    }
}

/// An object of the run's folder cannot be used.
pub(crate) fn damaged(message: impl Into<String>) -> StepError {
    StepError::new(ErrorName::RunDamaged, message)
}
