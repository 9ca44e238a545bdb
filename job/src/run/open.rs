//! Opens a run: the plan, the job and the claim, as each step reads them first.

use futures_util::future::try_join3;

use super::{Claim, Plan, RunKeys, RunRef, read_file};
use crate::error::{ErrorName, StepError};
use crate::file::Job;
use crate::store::Objects;

/// A run whose input has been split.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The keys of its folder.
    pub keys: RunKeys,
    /// Its job, from the copy in the run's folder.
    pub job: Job,
    /// Its plan.
    pub plan: Plan,
    /// The claim of this generation; `None` where there is none.
    pub claim: Option<Claim>,
}

/// Reads the plan, the job and the claim of a run.
///
/// # Errors
/// `Run.UnknownFormat` when a later version wrote the run, `Run.Damaged` when the plan or the claim cannot be
/// read, `Job.Invalid` when the job file cannot, and the
/// store's errors.
pub async fn open(objects: &Objects, run: &RunRef) -> Result<Opened, StepError> {
    run.check_format()?;
    let keys = run.keys();
    let claim_key = keys.claim(run.generation);
    let (job_key, plan_key) = (keys.job_file(), keys.plan());
    let (text, plan, claim) =
        try_join3(objects.get(&job_key), objects.get(&plan_key), objects.find(&claim_key)).await?;
    let job = parse_job(&text, &job_key)?;
    let plan = parse_plan(&plan, &plan_key)?;
    let claim = claim.map(|claim| read_file(&claim, &claim_key, "a claim")).transpose()?;
    Ok(Opened { keys, job, plan, claim })
}

/// When a run began, in milliseconds since 1970: when it was claimed first.
///
/// # Errors
/// `Run.Damaged` when it was not claimed, `Run.UnknownFormat`, and the store's errors.
pub async fn began(objects: &Objects, keys: &RunKeys) -> Result<u64, StepError> {
    let key = keys.claim(0);
    let claim = objects.find(&key).await?.ok_or_else(|| damaged(&key, "it is gone"))?;
    let claim: Claim = read_file(&claim, &key, "a claim")?;
    Ok(claim.started)
}

/// Reads a job file, which must be UTF-8.
///
/// # Errors
/// `Job.Invalid`.
pub fn parse_job(text: &[u8], file: &str) -> Result<Job, StepError> {
    let text = std::str::from_utf8(text)
        .map_err(|error| StepError::new(ErrorName::JobInvalid, format!("{file} is not UTF-8: {error}")))?;
    Ok(Job::parse(text, file)?)
}

/// Reads the plan that is at a key.
///
/// # Errors
/// `Run.UnknownFormat` and `Run.Damaged`.
pub fn parse_plan(plan: &[u8], key: &str) -> Result<Plan, StepError> {
    read_file(plan, key, "a plan")
}

/// A file of the run's folder is not what it must be.
pub fn damaged(key: &str, reason: impl std::fmt::Display) -> StepError {
    StepError::new(ErrorName::RunDamaged, format!("{key} is damaged: {reason}"))
}
