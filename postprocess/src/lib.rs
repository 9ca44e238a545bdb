//! The post-process step: merges the results of all batches into one output file in input order, and writes a
//! file of failed lines and a report.
//!
//! [`postprocess`] reads the run's plan, fetches the items of all lanes and their results (`input`), merges
//! them in line order (`merge`), writes a row for each line (`output`), and at last writes the report
//! (`report`): a run with a report is complete. Where every line succeeded, it removes what no later run needs
//! (`clean_up`). The memory it needs depends on the number of lanes, not on the number of lines.

mod clean_up;
mod context;
mod export;
mod input;
mod merge;
mod names;
mod output;
mod report;
mod run;

use std::time::Duration;

use job::StepError;
use job::run::{PostprocessRequest, PostprocessResponse, messages};

pub use context::{Context, Settings};
pub use export::{Exported, export};
pub use names::{failed_key, output_key, report_key};
pub use report::{ErrorCount, LaneReport, Latency, LimitedBy, Outputs, Report, Verdict};

use merge::Merge;
use run::Run;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Well within the time between the signal to pause and the end of a call.
const SPARE: Duration = Duration::from_secs(5);

/// Merges a run, and returns how it ended. A repeated call for the same run returns the same.
///
/// # Errors
/// `Run.Damaged`, `Storage.Unavailable`, `Storage.Denied`, `Run.Interrupted`; never because lines failed.
pub async fn postprocess(
    context: &Context,
    request: PostprocessRequest,
) -> Result<PostprocessResponse, StepError> {
    let span = tracing::info_span!("postprocess", job = %request.run.job, run = %request.run.id);
    async { complete(context, request).await.inspect_err(StepError::log) }.instrument(span).await
}

async fn complete(context: &Context, request: PostprocessRequest) -> Result<PostprocessResponse, StepError> {
    let run = Run::open(context, request.run).await?;
    let report = match run.completed().await? {
        Some(report) => report,
        None => match merge::merge(context, &run, messages::checkpoint(&request.previous)).await? {
            Merge::Paused(checkpoint) => return Ok(paused(run, Some(checkpoint))),
            Merge::Done(merged) => {
                let report = report::build(context, &run, &merged).await?;
                run.objects.put(&report.outputs.report, report.to_json()).await?;
                report
            }
        },
    };
    if report.complete() {
        tokio::select! {
            finished = run.finish((context.now)()) => finished?,
            // The next call finds the report, and removes the rest.
            () = nearly_over(&context.pause) => return Ok(paused(run, None)),
        }
    }
    run.release_lease().await?;
    tracing::info!(lines = report.lines, ok = report.ok, "merged: {}", report.message);
    Ok(report.response(run.run))
}

/// The clean-up goes on a little when the call's time is nearly over, so that each call removes something.
async fn nearly_over(pause: &CancellationToken) {
    pause.cancelled().await;
    tokio::time::sleep(SPARE).await;
}

fn paused(run: Run, checkpoint: Option<String>) -> PostprocessResponse {
    PostprocessResponse::Paused { wait_seconds: 1, run: run.run, checkpoint }
}
