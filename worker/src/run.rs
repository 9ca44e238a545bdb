//! What all batches of a run share, read once: job, plan, secrets, connections.

mod cache;
mod connections;
mod learned;
mod mask;

use std::sync::Arc;

use job::job_file::{Limit, OutputFormat};
use job::run::{LaneKind, Opened, RunRef};
use job::secrets::Secrets;
use job::{ErrorName, Job, Objects, RunKeys, StepError};

pub(crate) use cache::RunCache;
use connections::Connections;
pub(crate) use learned::Known;
use learned::Learned;
pub(crate) use mask::Mask;

use crate::context::Context;
use net::guard::Guard;

/// A run, as a worker needs it.
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) job: Job,
    pub(crate) keys: RunKeys,
    pub(crate) generation: u32,
    pub(crate) objects: Objects,
    pub(crate) columns: Arc<[String]>,
    pub(crate) output: OutputFormat,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) mask: Mask,
    pub(crate) guard: Guard,
    pub(crate) connections: Connections,
    /// Lines whose outcome is unknown since an earlier generation are sent again.
    pub(crate) include_unknown: bool,
    pub(crate) learned: Learned,
    lanes: Vec<(String, LaneKind)>,
}

/// The limit of a lane's keys.
pub(crate) struct LaneLimit<'a> {
    /// The one key of a named lane; the items name the keys of all others.
    pub(crate) provider: Option<&'a str>,
    pub(crate) limit: Limit,
}

impl Run {
    async fn read(context: &Context, run: &RunRef) -> Result<Self, StepError> {
        let objects = Objects::new(context.s3.clone(), &run.bucket);
        let Opened { keys, job, plan, claim } = job::run::open(&objects, run).await?;
        let secrets = resolve(context, &run.job, &job).await?;
        let guard = Guard::looking_up(&job.request.allow, context.look_up.clone());
        Ok(Self {
            id: run.id.clone(),
            connections: Connections::new(&job, &guard)?,
            guard,
            mask: Mask::new(&secrets, job.secrets.keys()),
            secrets: Arc::new(secrets),
            columns: plan.input.columns.into(),
            output: plan.output,
            lanes: plan.lanes.into_iter().map(|lane| (lane.name, lane.kind)).collect(),
            include_unknown: claim.is_some_and(|claim| claim.include_unknown),
            learned: Learned::default(),
            generation: run.generation,
            keys,
            objects,
            job,
        })
    }

    /// The limit of one worker of a lane.
    pub(crate) fn lane_limit(&self, lane: &str) -> Result<LaneLimit<'_>, StepError> {
        let missing =
            |what: &str| StepError::new(ErrorName::RunDamaged, format!("{} has no {what}", self.keys.plan()));
        let (_, kind) = self
            .lanes
            .iter()
            .find(|(name, _)| name == lane)
            .ok_or_else(|| missing(&format!("lane {lane:?}")))?;
        match kind {
            LaneKind::Hashed => Ok(LaneLimit { provider: None, limit: self.job.limits.default }),
            LaneKind::Named { provider } => {
                let named = self.job.limits.providers.iter().find(|named| named.name == *provider);
                let named = named.ok_or_else(|| missing(&format!("provider {provider:?} of the job")))?;
                Ok(LaneLimit { provider: Some(&named.name), limit: named.limit.share() })
            }
        }
    }
}

async fn resolve(context: &Context, name: &str, job: &Job) -> Result<Secrets, StepError> {
    let mut values = Vec::with_capacity(job.secrets.len());
    for (secret, reference) in &job.secrets {
        let value = context.secrets.resolve(name, secret, reference).await.map_err(|error| {
            // What passes by itself is tried again by the state machine.
            let kind = if error.passing { ErrorName::StorageUnavailable } else { ErrorName::JobInvalid };
            StepError::new(
                kind,
                format!("the secret {secret} ({reference}) cannot be read: {}", error.reason),
            )
        })?;
        job.check_secret(secret, &value).map_err(|reason| StepError::new(ErrorName::JobInvalid, reason))?;
        values.push((secret.clone(), value));
    }
    Ok(values.into_iter().collect())
}
