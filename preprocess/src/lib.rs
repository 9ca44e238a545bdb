//! The pre-process step: claims a run, and splits its input into lanes of batches.
//!
//! [`preprocess`] is the step. It claims the run and takes the job's lease (`claim`), decides which run it
//! continues (`previous`), splits the input's object (`split_object`), keeps what that run has of the same
//! requests (`join`), and writes a manifest for each lane (`lanes`); a redrive has only the batches that are not
//! complete (`redrive`). [`split`] is the split itself without the store, to see what a run would do.

mod claim;
mod context;
mod join;
mod lanes;
mod planning;
mod previous;
mod redrive;
mod report;
mod split;
mod split_object;
mod step;
mod wire;

use job::run::{PreprocessRequest, PreprocessResponse};
use job::{Objects, StepError};
use tracing::Instrument;
use tracing::field::Empty;

pub use context::{CheckJob, Context};
pub use job::run::lease::Executions;
pub use split::{Sink, split};
pub use split_object::HeldSplits;

/// Claims the run of an event, takes the job's lease, splits the input, and plans the lanes.
///
/// # Errors
/// By the stable names of [`job::ErrorName`]. An error of the job or the input is also written to
/// `jobs/<job>/report/<file>.json`, since the person who uploads sees the bucket and not the console.
pub async fn preprocess(
    context: &Context,
    request: PreprocessRequest,
) -> Result<PreprocessResponse, StepError> {
    let objects = Objects::new(context.s3.clone(), &request.event.detail.bucket.name)
        .with_transfers(context.environment.into());
    let span =
        tracing::info_span!("preprocess", key = %request.event.detail.object.key, job = Empty, run = Empty);
    async {
        let started = step::start(context, &objects, &request).await;
        if let Err(error) = &started {
            error.log();
            report::not_started(context, &objects, &request, error).await;
        }
        started
    }
    .instrument(span)
    .await
}
