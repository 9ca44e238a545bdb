//! Merges the results of all batches into one output file in input order, with the failed lines and a report beside it.
//!
//! [`postprocess`] reads the run's plan, then walks the items of all lanes in line order (`merge`) beside the
//! results that won (`input`), writes a row each (`output`), and ends with the report (`report`): a run with a
//! report has everything else. What it holds in memory depends on the number of lanes, not on that of lines.

mod cleanup;
mod context;
mod input;
mod merge;
mod names;
mod output;
mod report;
mod run;

use job::StepError;
use job::messages::{self, PostprocessRequest, PostprocessResponse};

pub use context::{Context, Home, Settings};
pub use names::{failed_key, output_key, report_key};
pub use report::{ErrorCount, LaneReport, Latency, LimitedBy, Outputs, Report, Verdict};

use job::wire::json;
use merge::Merge;
use run::Run;
use tracing::Instrument;

/// Merges a run and says how it ended. Called again for the same run, it ends the same.
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
            removed = cleanup::remove_temporary(&run) => removed?,
            // The next call finds the report, and removes the rest.
            () = context.pause.cancelled() => return Ok(paused(run, None)),
        }
    }
    cleanup::release_turn(&run).await?;
    tracing::info!(lines = report.lines, ok = report.ok, "merged: {}", report.message);
    Ok(report.response(run.run))
}

fn paused(run: Run, checkpoint: Option<String>) -> PostprocessResponse {
    PostprocessResponse::Paused { wait_seconds: 1, run: run.run, checkpoint }
}
