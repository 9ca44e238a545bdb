//! Runs of a version that did not record which run is the latest. Only a folder on one machine is searched: on
//! AWS there may be too many runs, and each upload was a run of its own.

use std::collections::BTreeSet;

use job::run::{Claim, RunRef, parse_plan};
use job::{Objects, RunKeys, StepError};

use super::read;

/// The run of this job and file that started last, of those that say nothing of their start.
///
/// # Errors
/// `Run.Damaged`, and errors of the store.
pub(super) async fn find(objects: &Objects, run: &RunRef) -> Result<Option<String>, StepError> {
    let prefix = format!("runs/{}/", run.job);
    let (mut split, mut recorded) = (BTreeSet::new(), BTreeSet::new());
    let mut token = None;
    loop {
        let (page, next) = objects.list_page(&prefix, token).await?;
        for entry in page {
            match entry.key[prefix.len()..].split_once('/') {
                Some((id, "plan.json")) => _ = split.insert(id.to_owned()),
                Some((id, "start.json")) => _ = recorded.insert(id.to_owned()),
                _ => {}
            }
        }
        token = next;
        if token.is_none() {
            break;
        }
    }
    let mut last: Option<(u64, String)> = None;
    for id in split.difference(&recorded).filter(|id| **id != run.id) {
        let keys = RunKeys::new(&run.job, id);
        let plan = objects.get(&keys.plan()).await?;
        if parse_plan(&plan, &keys.plan())?.input.file == run.file {
            let claim: Option<Claim> = read(objects, &keys.claim(0)).await?;
            last = last.max(Some((claim.map_or(0, |claim| claim.started), id.clone())));
        }
    }
    Ok(last.map(|(_, id)| id))
}
