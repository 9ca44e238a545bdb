//! The output of a run as far as it has come, for a person who cannot wait for its end.

use job::StepError;
use job::run::RunRef;

use crate::context::Context;
use crate::merge::{Tally, merge_now};
use crate::run::Run;

/// The lines of an output that was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// All lines.
    pub lines: u64,
    /// Lines that have succeeded.
    pub ok: u64,
    /// Lines that have failed.
    pub failed: u64,
    /// Lines that make no request.
    pub skipped: u64,
    /// Lines without a result.
    pub left: u64,
}

/// Writes the output of a run to this key, with a row for each line. The run may go on meanwhile: a line
/// without a result is `not_processed`, or `outcome_unknown` while its request is under way.
///
/// # Errors
/// `Run.Damaged`, also where the run removes its lines meanwhile, and errors of the store.
pub async fn export(context: &Context, run: RunRef, key: &str) -> Result<Exported, StepError> {
    let run = Run::open(context, run).await?;
    let merged = merge_now(context, &run, key).await?;
    let mut all = Tally::default();
    merged.lanes.iter().for_each(|lane| all.add(lane));
    let Tally { ok, failed, skipped, not_processed: left, .. } = all;
    Ok(Exported { lines: all.lines(), ok, failed, skipped, left })
}
