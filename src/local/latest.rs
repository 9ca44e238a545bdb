//! Whether the run that a command means may still go on, or a new one must continue the run that came last.

use job::run::{Latest, Start, damaged};
use job::{Plan, RunKeys, keys};
use serde::de::DeserializeOwned;

use super::{StateDir, Target};
use crate::exit::CliError;

impl StateDir {
    /// The id of the run that had this job and file last.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn latest(&self, target: &Target) -> Result<Option<String>, CliError> {
        let latest: Option<Latest> = self.read(&keys::latest(&target.run.job, &target.run.file)).await?;
        Ok(latest.map(|latest| latest.run))
    }

    /// Makes the target a new run if its run may not go on as it is: because another run of the job and file
    /// came after it, as after an edit that was undone, or because the value of a secret is another one. The
    /// new run decides what it keeps of the run that came last.
    ///
    /// # Errors
    /// When the state folder cannot be read or written.
    pub async fn follow_latest(&self, target: &mut Target) -> Result<(), CliError> {
        // Runs of an earlier version keep their rules.
        let Some(latest) = self.latest(target).await? else { return Ok(()) };
        let keys = target.run.keys();
        let start: Option<Start> = self.read(&keys.start()).await?;
        let is_split = self.objects().find(&keys.plan()).await?.is_some();
        let stale = match start {
            Some(start) if latest == target.run.id => start
                .secrets
                .iter()
                .any(|(name, was)| target.event.secrets.get(name).is_some_and(|is| is != was)),
            // A run that began and was cut off before it was the latest one.
            Some(start) if !is_split => start.previous.as_ref() != Some(&latest),
            _ => is_split && latest != target.run.id,
        };
        if stale { self.start_over(target) } else { Ok(()) }
    }

    /// Selects for the target the lines that the run has which had this job and file last.
    ///
    /// # Errors
    /// When that run cannot be read.
    pub async fn select_as_latest(&self, target: &mut Target) -> Result<(), CliError> {
        let Some(latest) = self.latest(target).await? else { return Ok(()) };
        let keys = RunKeys::new(&target.run.job, &latest);
        let plan: Option<Plan> = self.read(&keys.plan()).await?;
        self.select(target, plan.and_then(|plan| plan.input.selected()))
    }

    async fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, CliError> {
        let Some(body) = self.objects().find(key).await? else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&body).map_err(|error| damaged(key, error))?))
    }
}
