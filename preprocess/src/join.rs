//! Keeps what the run before has of the lines whose request is the same.
//!
//! The lines of the run before ([`old_side`]) and of the new one ([`identify`]) are sorted by the identity of
//! their requests ([`sort`], [`merge`]) and paired ([`pair`]). The pairs are sorted by the batches of the new
//! run and written there as result segments ([`segments`]), so that a worker finds them as it finds those of an
//! earlier call. Each stage can be continued by another call ([`checkpoint`]). The plan is written last.

mod checkpoint;
mod identify;
mod merge;
mod old_side;
mod outcomes;
mod pair;
mod record;
mod rewrite;
mod segments;
mod sort;
mod stages;
mod writing;

use std::sync::Arc;

use job::run::{Claim, Continued, Continues, FORMAT, RunRef, damaged};
use job::{Environment, ErrorName, Job, Objects, Plan, RunKeys, StepError};

use crate::Context;
use crate::split_object::Outcome;
use checkpoint::Progress;
pub(crate) use checkpoint::is_of_join;
use identify::Items;
use old_side::OldSide;
use outcomes::Rules;
use rewrite::Rewriter;

/// The join of a run with the run before.
pub(crate) struct Join<'a> {
    pub(crate) context: &'a Context,
    pub(crate) objects: &'a Objects,
    pub(crate) run: &'a RunRef,
    pub(crate) job: &'a Arc<Job>,
    /// The id of the run before.
    pub(crate) before: &'a str,
    /// The lines whose outcome is unknown are sent again.
    pub(crate) include_unknown: bool,
}

impl Join<'_> {
    /// Joins from the beginning: `plan` is that of the split.
    ///
    /// # Errors
    /// By the stable names of [`ErrorName`].
    pub(crate) async fn start(&self, plan: Plan) -> Result<Outcome, StepError> {
        tracing::info!(before = self.before, "the run continues another one");
        if self.context.environment == Environment::Local {
            // A process that was killed has left its sorted runs, and no other works for this run.
            checkpoint::remove(self.objects, &self.run.keys()).await?;
        }
        self.join(Progress::new(plan)).await
    }

    /// Continues from the checkpoint at a key.
    ///
    /// # Errors
    /// By the stable names of [`ErrorName`].
    pub(crate) async fn resume(&self, key: &str) -> Result<Outcome, StepError> {
        let progress = checkpoint::read(self.objects, key).await?;
        tracing::info!(stage = progress.stage.name(), "the join continues");
        self.join(progress).await
    }

    async fn join(&self, mut progress: Progress) -> Result<Outcome, StepError> {
        let call = format!("{:013}-{:08x}", (self.context.now)(), random());
        let prefix = checkpoint::prefix(&self.run.keys(), &call);
        let keys = RunKeys::new(&self.run.job, self.before);
        let (job, plan) = (self.job_of(&keys).await?, self.plan_of(&keys).await?);
        let columns = &self.job.output.columns;
        let conversion = columns.from_kept(&job.output.columns, plan.output, progress.plan.output).ok();
        let side = OldSide {
            objects: self.objects,
            run: self.before,
            rules: Rules {
                was_repeatable: job.repeatable(),
                is_repeatable: self.job.repeatable(),
                include_unknown: self.include_unknown,
            },
            rewriter: Rewriter::new(conversion, self.job),
            needs_origins: job.needs_origins() && self.job.needs_origins(),
            items: Items::new(self.objects, keys.clone(), job, &plan),
        };
        let stages = async {
            loop {
                if let Some(written) = self.advance(&mut progress, &plan, &side, &prefix).await? {
                    return Ok(Some(written));
                }
                if self.context.pause.is_cancelled() {
                    return Ok(None);
                }
            }
        };
        let done: Result<_, StepError> = tokio::select! {
            biased;
            () = self.context.stop.cancelled() => {
                let message = "interrupted while the run before was joined with this one";
                return Err(StepError::new(ErrorName::Interrupted, message));
            }
            done = stages => done,
        };
        let Some(written) = done? else {
            tracing::info!(stage = progress.stage.name(), "the join pauses; another call continues it");
            return Ok(Outcome::Paused(checkpoint::write(self.objects, &prefix, &progress).await?));
        };
        let claim: Option<Claim> = crate::previous::read(self.objects, &keys.claim(0)).await?;
        let (run, started) = (self.before.to_owned(), claim.map_or(0, |claim| claim.started));
        let continues = Continues { run, started, kept: written.kept, unknown: written.unknown };
        tracing::info!(kept = continues.kept, unknown = continues.unknown, "joined");
        Ok(Outcome::Done(Plan { continues: Some(continues), ..progress.plan }))
    }

    async fn job_of(&self, keys: &RunKeys) -> Result<Arc<Job>, StepError> {
        let key = keys.job_file();
        job::run::parse_job(&self.objects.get(&key).await?, &key).map(Arc::new)
    }

    async fn plan_of(&self, keys: &RunKeys) -> Result<Plan, StepError> {
        let key = keys.plan();
        let plan = self.objects.find(&key).await?.ok_or_else(|| damaged(&key, "it is gone"))?;
        job::run::parse_plan(&plan, &key)
    }
}

/// After the plan: marks the run before as continued, and removes what it no longer needs. A call that is
/// repeated does the rest.
///
/// # Errors
/// Errors of the store.
pub(crate) async fn take_over(objects: &Objects, run: &RunRef, plan: &Plan) -> Result<(), StepError> {
    let Some(continues) = &plan.continues else { return Ok(()) };
    let before = RunKeys::new(&run.job, &continues.run);
    let marker = Continued { format: FORMAT, by: run.id.clone() };
    let marker = serde_json::to_vec(&marker).expect("a marker is plain JSON");
    objects.put_if_absent(&before.continued(), marker).await?;
    for folder in ["results/", "items/", "manifest/", "checkpoint/"] {
        objects.delete_prefix(&format!("{}{folder}", before.prefix())).await?;
    }
    checkpoint::remove(objects, &run.keys()).await
}

/// A number that tells two calls apart.
fn random() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    let number = std::hash::RandomState::new().build_hasher().finish();
    u32::try_from(number >> 32).expect("it has 32 bits")
}
