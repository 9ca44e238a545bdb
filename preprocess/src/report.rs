//! The report of a run that could not start.

use job::run::PreprocessRequest;
use job::{Environment, ErrorName, Objects, StepError, keys};

use crate::Context;

/// Writes why the run could not start to the key of the run's report, where the user looks for it. A
/// transient error is not reported. An existing report is kept if it still describes the output: for a
/// redrive, for an upload that a newer one has replaced, and for a doubt on one machine, which the command line
/// shows.
pub(crate) async fn not_started(
    context: &Context,
    objects: &Objects,
    request: &PreprocessRequest,
    error: &StepError,
) {
    let transient = matches!(error.name, ErrorName::StorageUnavailable | ErrorName::Interrupted);
    let Some((job, file)) = keys::parse_input(&request.event.detail.object.key).filter(|_| !transient) else {
        return;
    };
    let keeps = request.event.redrive.is_some()
        || error.name == ErrorName::InputChanged
        || error.name == ErrorName::RunDoubtful && context.environment == Environment::Local;
    if keeps && !matches!(objects.find(&keys::report(job, file)).await, Ok(None)) {
        return;
    }
    let report = serde_json::json!({
        "verdict": "not_started",
        "job": job,
        "file": file,
        "error": error.name.as_str(),
        "message": error.message,
        "execution": request.execution,
    });
    if let Err(unwritten) = objects.put(&keys::report(job, file), format!("{report:#}\n")).await {
        tracing::warn!(job, file, %unwritten, "the report could not be written");
    }
}
