//! The report of a run that could not start.

use job::run::PreprocessRequest;
use job::{ErrorName, Objects, StepError, keys};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Context;

/// Writes why the run could not start to the key of the run's report, where the user looks for it. A
/// transient error is not reported. An existing report is kept if it still describes the output: for a
/// redrive, for an upload that a newer one has replaced, and for a doubt that the command
/// line shows.
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
        || error.name == ErrorName::RunDoubtful && context.interactive;
    if keeps && !matches!(objects.find(&keys::report(job, file)).await, Ok(None)) {
        return;
    }
    write(context, objects, request, (job, file), error.name, &error.message).await;
}

/// Writes why an upload whose key has a folder too many starts no run, to the key at which its uploader looks
/// for the report: for `jobs/a/b/input/c` that is `jobs/a/b/report/c.json`.
pub(crate) async fn misplaced(
    context: &Context,
    objects: &Objects,
    request: &PreprocessRequest,
    reason: &str,
) {
    if let Some(place) = keys::parse_misplaced_input(&request.event.detail.object.key) {
        write(context, objects, request, place, ErrorName::EventInvalid, reason).await;
    }
}

async fn write(
    context: &Context,
    objects: &Objects,
    request: &PreprocessRequest,
    (job, file): (&str, &str),
    error: ErrorName,
    message: &str,
) {
    // Without permission to list, the report says nothing of the output.
    let output = keys::output(job, file);
    let earlier =
        objects.list(&output).await.is_ok_and(|found| found.iter().any(|entry| entry.key == output));
    let mut report = serde_json::json!({
        "verdict": "not_started",
        "job": job,
        "file": file,
        "error": error.as_str(),
        "message": message,
        "time": moment((context.now)()),
        "execution": request.execution,
    });
    if earlier {
        report["output"] = format!("{output} is the output of an earlier run").into();
    }
    if let Err(unwritten) = objects.put(&keys::report(job, file), format!("{report:#}\n")).await {
        tracing::warn!(job, file, %unwritten, "the report could not be written");
    }
}

/// A time in milliseconds since 1970, RFC 3339 in UTC.
fn moment(millis: u64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(millis / 1000).ok()?).ok()?.format(&Rfc3339).ok()
}
