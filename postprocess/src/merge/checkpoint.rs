//! What one call of the merge leaves to the next. Besides it there are only the plan and the results: a line's number is
//! enough to find the place in each lane.

use job::{PausedUpload, StepError};
use serde::{Deserialize, Serialize};

use super::tally::{Codes, Tally};
use super::{Counts, Files};
use crate::context::Context;
use crate::output::Sink;
use crate::run::{Run, damaged};

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    /// Number of the last line that is written.
    line: u64,
    /// Beside the plan's lanes.
    lanes: Vec<Tally>,
    codes: Codes,
    output: PausedUpload,
    failed: PausedUpload,
}

/// Writes a checkpoint: its key.
pub(super) async fn write(
    context: &Context,
    run: &Run,
    files: Files,
    counts: Counts,
) -> Result<String, StepError> {
    let Counts { line, lanes, codes } = counts;
    let at = format!("{:04}-{line:012}-{:013}", run.run.generation, (context.now)());
    let key = |part: &str| run.keys.checkpoint("merge", &at, part);
    let (output, failed) =
        (files.output.pause(key("output.rest")).await?, files.failed.pause(key("failed.rest")).await?);
    let checkpoint = Checkpoint { line, lanes, codes, output, failed };
    run.objects
        .put(&key("state.json"), serde_json::to_vec(&checkpoint).expect("a checkpoint is plain JSON"))
        .await?;
    tracing::info!(line, "the merge is left to another call");
    Ok(key("state.json"))
}

/// Reads what [`write`] wrote.
pub(super) async fn read(run: &Run, key: &str) -> Result<(Files, Counts), StepError> {
    let checkpoint = run.objects.get(key).await?;
    let checkpoint: Checkpoint = serde_json::from_slice(&checkpoint)
        .map_err(|error| damaged(format!("{key} is not what this version writes: {error}")))?;
    let Checkpoint { line, lanes, codes, output, failed } = checkpoint;
    tracing::info!(line, "the merge goes on");
    let files = Files {
        output: Sink::resumed(run.objects.resume(output).await?),
        failed: Sink::resumed(run.objects.resume(failed).await?),
    };
    Ok((files, Counts { line, lanes, codes }))
}
