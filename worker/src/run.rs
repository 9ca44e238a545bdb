//! What all batches of a run share, read once: job, plan, secrets, connections.

mod access;
mod connections;
mod known;
mod mask;
mod tokens;

use std::sync::Arc;

use job::file::secrets::Secrets;
use job::file::{Limit, LimitRules, OutputFormat};
use job::run::{LaneKind, Opened, RunRef, StopMarker, began, note_version, read_file};
use job::{ErrorName, Job, Objects, RunKeys, StepError};
use tokio::sync::{Mutex, OnceCell};

pub(crate) use access::Access;
pub(crate) use connections::Connections;
pub(crate) use known::Known;
use known::KnownKeys;
pub(crate) use mask::Mask;
pub(crate) use tokens::{StoredSecrets, TokenSource};

use crate::auth::Signer;
use crate::context::{Context, SecretSource, Unresolved};
use net::guard::Guard;

type Slot = Arc<OnceCell<Arc<Run>>>;

/// A run, as a worker needs it.
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) job_name: String,
    pub(crate) job: Arc<Job>,
    /// When it began, in milliseconds since 1970, where the job draws values for its lines.
    pub(crate) began: u64,
    pub(crate) keys: RunKeys,
    pub(crate) generation: u32,
    /// The execution that has claimed this generation.
    pub(crate) execution: Option<String>,
    pub(crate) objects: Objects,
    pub(crate) columns: Arc<[String]>,
    pub(crate) output: OutputFormat,
    pub(crate) tokens: Arc<dyn TokenSource>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) mask: Arc<Mask>,
    pub(crate) guard: Guard,
    pub(crate) connections: Arc<Connections>,
    /// Whether lines whose outcome is unknown since an earlier generation are sent again.
    pub(crate) include_unknown: bool,
    /// The codes of the failed lines of an earlier generation that are sent again; empty for all.
    pub(crate) only: Vec<String>,
    pub(crate) known_keys: KnownKeys,
    lanes: Vec<(String, LaneKind)>,
}

/// The limit of a lane's keys.
pub(crate) struct LaneLimit<'a> {
    /// The one key of a named lane. In any other lane the items name their keys.
    pub(crate) provider: Option<&'a str>,
    pub(crate) limit: Limit,
    pub(crate) rules: &'a LimitRules,
    /// How many workers the limit is divided between.
    pub(crate) workers: u32,
}

impl Run {
    async fn read(context: &Context, run: &RunRef) -> Result<Self, StepError> {
        let objects = Objects::new(context.s3.clone(), &run.bucket);
        let Opened { keys, job, plan, claim } = job::run::open(&objects, run).await?;
        note_version(&objects, run, "worker").await?;
        let mask = Arc::new(Mask::default());
        let (source, read_every) = (context.secrets.clone(), context.settings.read_secrets_every);
        let guard = Guard::looking_up(&job.request.allow, context.look_up.clone());
        let secrets = (source, read_every);
        let Access { tokens, connections, signer } =
            Access::open(&job, &run.job, secrets, &mask, &guard, &context.sockets).await?;
        let began = if job.draws() { began(&objects, &keys).await? } else { 0 };
        Ok(Self {
            id: run.id.clone(),
            job_name: run.job.clone(),
            began,
            connections,
            signer,
            guard,
            mask,
            tokens,
            columns: plan.input.columns.into(),
            output: plan.output,
            lanes: plan.lanes.into_iter().map(|lane| (lane.name, lane.kind)).collect(),
            include_unknown: claim.as_ref().is_some_and(|claim| claim.include_unknown),
            only: claim.as_ref().map(|claim| claim.only.clone()).unwrap_or_default(),
            execution: claim.map(|claim| claim.execution),
            known_keys: KnownKeys::default(),
            generation: run.generation,
            keys,
            objects,
            job: Arc::new(job),
        })
    }

    /// The reason, when a stop marker tells this lane to stop.
    pub(crate) async fn stop_reason(&self, lane: &str) -> Result<Option<String>, StepError> {
        let whole = self.keys.stop_run(self.generation);
        let own = self.keys.stop_lane(self.generation, lane);
        // On S3 two GETs of keys that do not exist cost a sixth of one LIST.
        let (of_run, of_lane) = tokio::try_join!(self.objects.find(&whole), self.objects.find(&own))?;
        let Some((key, body)) = of_run.map(|body| (whole, body)).or_else(|| of_lane.map(|body| (own, body)))
        else {
            return Ok(None);
        };
        let marker = read_file(&body, &key, "a stop marker").ok();
        let reason = marker.map(|marker: StopMarker| marker.reason).filter(|reason| !reason.is_empty());
        Ok(Some(reason.unwrap_or_else(|| "the run was stopped".to_owned())))
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
            LaneKind::Hashed => Ok(LaneLimit {
                provider: None,
                limit: self.job.limits.default,
                rules: &self.job.limits.default_rules,
                workers: 1,
            }),
            LaneKind::Named { provider } => {
                let named = self.job.limits.providers.iter().find(|named| named.name == *provider);
                let named = named.ok_or_else(|| missing(&format!("provider {provider:?} of the job")))?;
                Ok(LaneLimit {
                    provider: Some(&named.name),
                    limit: named.limit.share(),
                    rules: &named.rules,
                    workers: named.limit.workers(),
                })
            }
        }
    }
}

/// The state machine tries again after a transient error.
fn unresolved(error: Unresolved) -> StepError {
    let kind = if error.transient { ErrorName::StorageUnavailable } else { ErrorName::JobInvalid };
    StepError::new(kind, error.reason)
}

async fn resolve(source: &dyn SecretSource, name: &str, job: &Job) -> Result<Secrets, StepError> {
    let mut values = Vec::with_capacity(job.secrets.len());
    for (secret, reference) in &job.secrets {
        let value = source.resolve(name, secret, reference).await.map_err(unresolved)?;
        job.check_secret(secret, &value).map_err(|reason| StepError::new(ErrorName::JobInvalid, reason))?;
        values.push((secret.clone(), value));
    }
    Ok(values.into_iter().collect())
}

/// The runs that this process works on. Each is read once, also when many batches ask for it at the same
/// time.
#[derive(Default)]
pub(crate) struct RunCache {
    slots: Mutex<Vec<(RunRef, Slot)>>,
}

impl RunCache {
    pub(crate) async fn get(&self, context: &Context, run: &RunRef) -> Result<Arc<Run>, StepError> {
        let slot = self.slot(run, context.settings.runs).await;
        slot.get_or_try_init(|| async { Run::read(context, run).await.map(Arc::new) }).await.cloned()
    }

    async fn slot(&self, run: &RunRef, most: usize) -> Slot {
        let mut slots = self.slots.lock().await;
        if let Some((_, slot)) = slots.iter().find(|(known, _)| known == run) {
            return slot.clone();
        }
        if slots.len() >= most.max(1) {
            slots.remove(0);
        }
        let slot = Slot::default();
        slots.push((run.clone(), slot.clone()));
        slot
    }
}
