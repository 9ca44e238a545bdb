//! Makes the plan of a run: the split, then the join with the run that it continues. The plan is written last: a
//! run with a plan has everything that its workers need.

use std::sync::Arc;

use job::run::{PreprocessRequest, RunRef, Start, damaged, messages, parse_plan};
use job::{ErrorName, Job, Objects, Plan, StepError};

use crate::Context;
use crate::join::{Join, is_of_join};
use crate::split_object::{ObjectSplit, Outcome};

/// The planning of a run that has no plan.
pub(crate) struct Planning<'a> {
    pub(crate) context: &'a Context,
    pub(crate) objects: &'a Objects,
    pub(crate) run: &'a RunRef,
    pub(crate) job: &'a Arc<Job>,
    pub(crate) request: &'a PreprocessRequest,
    /// What the run began with.
    pub(crate) start: &'a Start,
}

impl Planning<'_> {
    /// Plans, or goes on with what an earlier call has left. Of two calls at once one writes the plan, and both
    /// return that one.
    ///
    /// # Errors
    /// By the stable names of [`ErrorName`].
    pub(crate) async fn run(&self) -> Result<Outcome, StepError> {
        match self.plan().await {
            Ok(Outcome::Done(plan)) => self.write(plan).await.map(Outcome::Done),
            Err(error) => match self.existing().await {
                // The other call has removed what this one was reading.
                Ok(Some(plan)) => Ok(Outcome::Done(plan)),
                _ => Err(error),
            },
            paused => paused,
        }
    }

    async fn plan(&self) -> Result<Outcome, StepError> {
        let Self { context, objects, run, job, request, .. } = *self;
        let join = self.start.previous.as_deref().filter(|_| self.start.continues).map(|before| Join {
            context,
            objects,
            run,
            job,
            before,
            include_unknown: request.event.includes_unknown(),
        });
        let mut checkpoint = messages::checkpoint(&request.previous);
        if let Some(join) = &join
            && let Some(key) = checkpoint.take_if(|key| is_of_join(&run.keys(), key))
        {
            match join.resume(key).await {
                Err(error) if error.name == ErrorName::RunDamaged => {
                    tracing::warn!(%error, "the split and the join start over");
                }
                resumed => return resumed,
            }
        }
        let object = &request.event.detail.object;
        match (ObjectSplit { context, objects, run, object, job }.run(checkpoint).await?, join) {
            (Outcome::Done(plan), Some(join)) => join.start(plan).await,
            (outcome, _) => Ok(outcome),
        }
    }

    async fn write(&self, plan: Plan) -> Result<Plan, StepError> {
        let key = self.run.keys().plan();
        let body = serde_json::to_vec(&plan).expect("a plan is always JSON");
        if self.objects.put_if_absent(&key, body).await? {
            return Ok(plan);
        }
        self.existing().await?.ok_or_else(|| damaged(&key, "it is gone"))
    }

    async fn existing(&self) -> Result<Option<Plan>, StepError> {
        let key = self.run.keys().plan();
        self.objects.find(&key).await?.map(|plan| parse_plan(&plan, &key)).transpose()
    }
}
