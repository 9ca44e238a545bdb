//! The run before this one of the same job and file: which it is, and whether its results are kept.

mod decision;
mod facts;
mod unrecorded;

use job::run::{Again, Continued, Event, Latest, RunRef, Start, damaged, read_file};
use job::{Environment, ErrorName, Job, Objects, Plan, RunKeys, StepError, keys};
use serde::de::DeserializeOwned;

use crate::Context;

/// What is new: the run, its event and its job.
pub(crate) struct Beginning<'a> {
    pub(crate) context: &'a Context,
    pub(crate) objects: &'a Objects,
    pub(crate) run: &'a RunRef,
    pub(crate) event: &'a Event,
    pub(crate) job: &'a Job,
}

/// A run that was split.
struct Previous {
    id: String,
    keys: RunKeys,
    plan: Plan,
    /// `None` before format 2.
    start: Option<Start>,
    /// A run that was to send every line came after it, and was never split.
    gave_way: bool,
}

impl Beginning<'_> {
    /// Decides what the run keeps, and records it: first what it began with, then that it is the latest run of
    /// its job and file. The run must hold the job's lease. A call that is repeated decides nothing anew.
    ///
    /// # Errors
    /// `Run.Doubtful`, `Run.Damaged`, and errors of the store.
    pub(crate) async fn record(&self) -> Result<Start, StepError> {
        let Self { objects, run, .. } = *self;
        let (key, latest_key) = (run.keys().start(), keys::latest(&run.job, &run.file));
        let latest: Option<Latest> = read(objects, &latest_key).await?;
        let latest = latest.map(|latest| latest.run);
        let start = match read::<Start>(objects, &key).await? {
            Some(start) => start,
            None => {
                let previous = self.previous(latest.as_deref()).await?;
                let start = self.decide(previous).await?;
                let body = serde_json::to_vec(&start).expect("it is plain JSON");
                if objects.put_if_absent(&key, body).await? {
                    start
                } else {
                    read(objects, &key).await?.ok_or_else(|| damaged(&key, "it is gone"))?
                }
            }
        };
        if latest.as_ref() != Some(&run.id) {
            let previous = self.previous(latest.as_deref()).await?.map(|previous| previous.id);
            if previous != start.previous {
                let by = latest.as_deref().unwrap_or("another run");
                return Err(refused(run, &format!("the run {by} of the same job and file came after it")));
            }
            let latest = Latest { format: job::run::FORMAT, run: run.id.clone() };
            objects.put(&latest_key, serde_json::to_vec(&latest).expect("it is plain JSON")).await?;
        }
        Ok(start)
    }

    /// The last run that was split, from the one that `latest` names.
    async fn previous(&self, latest: Option<&str>) -> Result<Option<Previous>, StepError> {
        let Self { context, objects, run, .. } = *self;
        let mut next = match latest {
            None if context.environment == Environment::Local => unrecorded::find(objects, run).await?,
            latest => latest.map(str::to_owned),
        };
        let (mut gave_way, mut seen) = (false, Vec::new());
        while let Some(id) = next.filter(|id| *id != run.id && !seen.contains(id)) {
            let keys = RunKeys::new(&run.job, &id);
            let start: Option<Start> = read(objects, &keys.start()).await?;
            if let Some(plan) = objects.find(&keys.plan()).await? {
                let plan = job::run::parse_plan(&plan, &keys.plan())?;
                return Ok(Some(Previous { id, keys, plan, start, gave_way }));
            }
            gave_way |= start.as_ref().is_some_and(|start| !start.continues);
            seen.push(id);
            next = start.and_then(|start| start.previous);
        }
        Ok(None)
    }

    async fn decide(&self, previous: Option<Previous>) -> Result<Start, StepError> {
        let again = match &previous {
            Some(previous) if self.event.again != Some(Again::Fresh) => {
                let facts = self.facts(previous).await?;
                decision::decide(&facts)
                    .map_err(|doubt| StepError::new(ErrorName::RunDoubtful, doubt.to_string()))?
            }
            _ => Again::Fresh,
        };
        Ok(Start {
            format: job::run::FORMAT,
            content: self.content(),
            previous: previous.map(|previous| previous.id),
            continues: again == Again::Continue,
            secrets: self.event.secrets.clone(),
        })
    }

    /// What tells two contents of the file apart. On one machine the version is a hash of the content. On AWS
    /// each upload has another version.
    fn content(&self) -> String {
        let object = &self.event.detail.object;
        let (first, second) = match self.context.environment {
            Environment::Local => (&object.version_id, &object.etag),
            Environment::Aws => (&object.etag, &object.version_id),
        };
        first.as_ref().or(second.as_ref()).cloned().unwrap_or_default()
    }
}

/// Fails if another run has taken the results of this one over.
///
/// # Errors
/// `Run.Doubtful`, and errors of the store.
pub(crate) async fn refuse_continued(objects: &Objects, run: &RunRef) -> Result<(), StepError> {
    match read::<Continued>(objects, &run.keys().continued()).await? {
        Some(Continued { by, .. }) if by != run.id => {
            Err(refused(run, &format!("the run {by} continues it, and has its responses")))
        }
        _ => Ok(()),
    }
}

fn refused(run: &RunRef, why: &str) -> StepError {
    let message = format!("the run {} cannot go on: {why}. Run the job and the file again", run.id);
    StepError::new(ErrorName::RunDoubtful, message)
}

pub(crate) async fn read<T: DeserializeOwned>(objects: &Objects, key: &str) -> Result<Option<T>, StepError> {
    let Some(body) = objects.find(key).await? else { return Ok(None) };
    read_file(&body, key, "what a run writes").map(Some)
}
