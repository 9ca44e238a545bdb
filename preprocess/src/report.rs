//! The report of a run that could not start.

use job::run::PreprocessRequest;
use job::{ErrorName, Objects, StepError, keys};

/// Writes why the run could not start to the key of the run's report, where the user looks for it. A
/// transient error is not reported. An existing report is kept if it still describes the output: for a
/// redrive, and for an upload that a newer one has replaced.
pub(crate) async fn not_started(objects: &Objects, request: &PreprocessRequest, error: &StepError) {
    let transient = matches!(error.name, ErrorName::StorageUnavailable | ErrorName::Interrupted);
    let Some((job, file)) = keys::parse_input(&request.event.detail.object.key).filter(|_| !transient) else {
        return;
    };
    let keeps = request.event.redrive.is_some() || error.name == ErrorName::InputChanged;
    if keeps && !matches!(objects.find(&keys::report(job, file)).await, Ok(None)) {
        return;
    }
    write(objects, request, (job, file), error.name, &error.message).await;
}

/// Writes why an upload whose key has a folder too many starts no run, to the key at which its uploader looks
/// for the report: for `jobs/a/b/input/c` that is `jobs/a/b/report/c.json`.
pub(crate) async fn misplaced(objects: &Objects, request: &PreprocessRequest, reason: &str) {
    if let Some(place) = keys::parse_misplaced_input(&request.event.detail.object.key) {
        write(objects, request, place, ErrorName::EventInvalid, reason).await;
    }
}

async fn write(
    objects: &Objects,
    request: &PreprocessRequest,
    (job, file): (&str, &str),
    error: ErrorName,
    message: &str,
) {
    let report = serde_json::json!({
        "verdict": "not_started",
        "job": job,
        "file": file,
        "error": error.as_str(),
        "message": message,
        "execution": request.execution,
    });
    if let Err(unwritten) = objects.put(&keys::report(job, file), format!("{report:#}\n")).await {
        tracing::warn!(job, file, %unwritten, "the report could not be written");
    }
}
