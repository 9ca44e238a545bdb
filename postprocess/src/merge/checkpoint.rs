//! The state that one call of the merge saves for the next. A line's number is enough to find the position in
//! each lane, since the plan and the results do not change.

use job::run::{FORMAT, first_format, read_file};
use job::{PausedUpload, StepError};
use serde::{Deserialize, Serialize};

use super::tally::{Codes, Tally};
use super::{Files, Progress};
use crate::context::Context;
use crate::output::{FormatState, Sink};
use crate::run::Run;

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    /// See [`FORMAT`].
    #[serde(default = "first_format")]
    format: u32,
    /// Number of the last line that is written.
    line: u64,
    /// One for each lane of the plan.
    lanes: Vec<Tally>,
    codes: Codes,
    /// The state of the output's rows.
    #[serde(default, skip_serializing_if = "FormatState::is_null")]
    rows: FormatState,
    output: PausedUpload,
    failed: PausedUpload,
}

/// Writes a checkpoint, and returns its key.
///
/// # Errors
/// Errors of the store.
pub(super) async fn write(
    context: &Context,
    run: &Run,
    files: Files,
    progress: Progress,
) -> Result<String, StepError> {
    let Progress { line, lanes, codes, format } = progress;
    let at = format!("{:04}-{line:012}-{:013}", run.run.generation, (context.now)());
    let key = |part: &str| run.keys.checkpoint("merge", &at, part);
    let (output, failed) =
        (files.output.pause(key("output.rest")).await?, files.failed.pause(key("failed.rest")).await?);
    let checkpoint = Checkpoint { format: FORMAT, line, lanes, codes, rows: format, output, failed };
    let body = serde_json::to_vec(&checkpoint).expect("a checkpoint is plain JSON");
    run.objects.put(&key("state.json"), body).await?;
    tracing::info!(line, "the merge pauses; another call continues it");
    Ok(key("state.json"))
}

/// Reads a checkpoint, and reopens its uploads.
///
/// # Errors
/// `Run.UnknownFormat` if a later version wrote the checkpoint, `Run.Damaged` if it cannot be read or an upload is gone, and errors of the store.
pub(super) async fn read(run: &Run, key: &str) -> Result<(Files, Progress), StepError> {
    let checkpoint = run.objects.get(key).await?;
    let Checkpoint { line, lanes, codes, rows: format, output, failed, .. } =
        read_file(&checkpoint, key, "a checkpoint")?;
    tracing::info!(line, "the merge continues");
    let files = Files {
        output: Sink::resumed(run.objects.resume(output).await?),
        failed: Sink::resumed(run.objects.resume(failed).await?),
    };
    Ok((files, Progress { line, lanes, codes, format }))
}
