//! The end of a run whose every line has succeeded: what it leaves to the next run of its file, and what it
//! removes.

use std::collections::HashSet;

use job::run::{FORMAT, Finished, Start, read_file};
use job::{Objects, RunKeys, StepError};

use crate::run::Run;

/// The folders of a run that only a redrive of it, or its report, needs.
const FOR_A_REDRIVE: [&str; 5] = ["items/", "manifest/", "stop/", "versions/", "checkpoint/"];
const RESULTS: &str = "results/";

impl Run {
    /// Marks the run as finished, and removes what only a redrive would need, and all that the runs before it
    /// of the same job and file have left. The claim, the job file, the plan and the results stay: the next run
    /// may keep the results, and the same event finds the finished run.
    ///
    /// # Errors
    /// `Run.UnknownFormat`, `Run.Damaged`, and errors of the store.
    pub(crate) async fn finish(&self, now: u64) -> Result<(), StepError> {
        let Self { objects, keys, .. } = self;
        let finished = Finished { format: FORMAT, at: now };
        let finished = serde_json::to_vec(&finished).expect("a marker is plain JSON");
        objects.put_if_absent(&keys.finished(), finished).await?;
        remove(objects, keys, &FOR_A_REDRIVE).await?;
        let Some(start) = start(objects, keys).await? else {
            // The run was split by the first version, whose results have no identities.
            remove(objects, keys, &[RESULTS]).await?;
            return Ok(());
        };
        self.remove_runs_before(start).await
    }

    /// Removes what the runs before this one have left. A run that has finished has done so itself.
    async fn remove_runs_before(&self, mut start: Start) -> Result<(), StepError> {
        let mut seen = HashSet::from([self.run.id.clone()]);
        while let Some(previous) = start.previous.filter(|previous| seen.insert(previous.clone())) {
            let keys = RunKeys::new(&self.run.job, &previous);
            let found = remove(&self.objects, &keys, &FOR_A_REDRIVE).await?
                | remove(&self.objects, &keys, &[RESULTS]).await?;
            if !found && self.objects.find(&keys.finished()).await?.is_some() {
                break;
            }
            let Some(before) = self::start(&self.objects, &keys).await? else { break };
            start = before;
        }
        Ok(())
    }
}

/// Removes folders of a run. Returns whether there was anything in them.
async fn remove(objects: &Objects, keys: &RunKeys, folders: &[&str]) -> Result<bool, StepError> {
    let mut found = false;
    for folder in folders {
        found |= objects.delete_prefix(&format!("{}{folder}", keys.prefix())).await? > 0;
    }
    Ok(found)
}

/// What a run began with; `None` for a run of the first version.
async fn start(objects: &Objects, keys: &RunKeys) -> Result<Option<Start>, StepError> {
    let key = keys.start();
    let found = objects.find(&key).await?;
    found.map(|start| read_file(&start, &key, "the beginning of a run")).transpose()
}
