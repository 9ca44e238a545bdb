//! Merges the lanes: writes each line once, in line order.

mod checkpoint;
mod histogram;
mod lane;
mod tally;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use job::{ErrorName, PlannedLane, StepError};

use crate::context::Context;
use crate::input::{Budget, LaneInput};
use crate::names::{failed_key, output_key};
use crate::output::{FormatState, Rows, Sink};
use crate::run::{Run, damaged};

pub(crate) use histogram::Histogram;
use lane::{Lane, Needs};
pub(crate) use tally::{CLASSES, Codes, Failures, Tally, WITHOUT_RESULT};

/// The counts of a complete merge.
#[derive(Debug)]
pub(crate) struct Merged {
    /// One for each lane of the plan.
    pub(crate) lanes: Vec<Tally>,
    pub(crate) codes: Codes,
}

/// How a call of the merge ended.
pub(crate) enum Merge {
    /// Both files are complete.
    Done(Merged),
    /// The call's time is nearly over; the next call needs the checkpoint at this key.
    Paused(String),
}

/// Writes the output, and the file of failed lines if there are any; from the checkpoint at a key if there is
/// one.
///
/// # Errors
/// `Run.Damaged`, `Run.Interrupted`, and errors of the store.
pub(crate) async fn merge(
    context: &Context,
    run: &Run,
    checkpoint: Option<&str>,
) -> Result<Merge, StepError> {
    let begun = match checkpoint {
        Some(key) => match checkpoint::read(run, key).await {
            Ok((files, progress)) => merge_from(context, run, files, Some(progress)).await,
            Err(error) => Err(error),
        },
        None => merge_all(context, run).await,
    };
    match begun {
        // The uploads are gone. Either a call completed them and then died or lost its response, or they have
        // expired. All results are still there.
        Err(error) if error.name == ErrorName::RunDamaged => {
            tracing::warn!(%error, "the merge starts over");
            merge_all(context, run).await
        }
        begun => begun,
    }
}

async fn merge_all(context: &Context, run: &Run) -> Result<Merge, StepError> {
    let sink = |key| Sink::new(run.objects.upload(key));
    let files = Files {
        output: sink(output_key(&run.run, &run.plan)),
        failed: sink(failed_key(&run.run, &run.plan)),
    };
    merge_from(context, run, files, None).await
}

/// Writes the output alone to this key, with what results there are now.
///
/// # Errors
/// `Run.Damaged`, and errors of the store.
pub(crate) async fn merge_now(context: &Context, run: &Run, key: &str) -> Result<Merged, StepError> {
    let sink = |key: String| Sink::new(run.objects.upload(key));
    // The failed lines are not written: an upload of them is begun only when they have some megabytes.
    let mut files = Files { output: sink(key.to_owned()), failed: sink(format!("{key}.failed")) };
    let merged = merge_into(&mut files, context, run, None).await;
    files.failed.abort().await;
    match merged {
        Ok(Walk::Ended(merged)) => files.output.finish().await.map(|()| merged),
        Ok(Walk::Paused(_)) => Err(damaged("an export cannot pause")),
        Err(error) => {
            files.output.abort().await;
            Err(error)
        }
    }
}

async fn merge_from(
    context: &Context,
    run: &Run,
    mut files: Files,
    progress: Option<Progress>,
) -> Result<Merge, StepError> {
    let merged = tokio::select! {
        biased;
        () = context.stop.cancelled() => {
            let message = "stopped while the output was written; run it again to continue";
            Err(StepError::new(ErrorName::Interrupted, message))
        }
        merged = merge_into(&mut files, context, run, progress) => merged,
    };
    match merged {
        Ok(Walk::Ended(merged)) => {
            files.finish(run, &merged).await?;
            Ok(Merge::Done(merged))
        }
        Ok(Walk::Paused(progress)) => {
            checkpoint::write(context, run, files, progress).await.map(Merge::Paused)
        }
        Err(error) => {
            files.output.abort().await;
            files.failed.abort().await;
            Err(error)
        }
    }
}

/// The two files that the merge writes.
struct Files {
    output: Sink,
    failed: Sink,
}

impl Files {
    async fn write(&mut self, rows: &mut Rows) -> Result<(), StepError> {
        let (output, failed) = rows.take();
        self.output.write(output).await?;
        self.failed.write(failed).await
    }

    async fn finish(self, run: &Run, merged: &Merged) -> Result<(), StepError> {
        self.output.finish().await?;
        if merged.codes.is_empty() {
            self.failed.abort().await;
            run.objects.delete(&failed_key(&run.run, &run.plan)).await?;
            return Ok(());
        }
        self.failed.finish().await
    }
}

/// How far a merge has come.
struct Progress {
    /// Number of the last line that is written.
    line: u64,
    /// The counts of each lane of the plan.
    lanes: Vec<Tally>,
    codes: Codes,
    /// The state of the output's format.
    format: FormatState,
}

enum Walk {
    Ended(Merged),
    Paused(Progress),
}

async fn merge_into(
    files: &mut Files,
    context: &Context,
    run: &Run,
    progress: Option<Progress>,
) -> Result<Walk, StepError> {
    let report = |rows: &Rows| context.progress.iter().for_each(|hook| hook(rows.count));
    let mut rows = Rows::new(&run.plan, run.style, &run.dropped, context.settings.rows());
    let (line, lanes, mut codes) = match progress {
        Some(Progress { line, lanes, codes, format }) => {
            let count = lanes.iter().map(Tally::lines).sum();
            rows.resume((line, count), !codes.is_empty(), format)?;
            (line, lanes, codes)
        }
        None => {
            rows.begin();
            (0, Vec::new(), Codes::default())
        }
    };
    let mut lanes = open_lanes(context, run, run.stop_reasons().await?, line, lanes);
    let mut order = BinaryHeap::new();
    for (index, lane) in lanes.iter_mut().enumerate() {
        if let Some(first) = lane.begin(line).await? {
            order.push(Reverse((first, index)));
        }
    }
    while let Some(Reverse((_, index))) = order.pop() {
        let until = order.peek().map_or(u64::MAX, |Reverse((n, _))| *n);
        let lane = &mut lanes[index];
        loop {
            match lane.advance(until, &mut rows, &mut codes)? {
                Needs::OtherLane(next) => {
                    order.push(Reverse((next, index)));
                    break;
                }
                Needs::Results => lane.next_results().await?,
                Needs::Items => {
                    if lane.next_items().await?.is_none() {
                        break;
                    }
                }
                Needs::Room => {
                    files.write(&mut rows).await?;
                    report(&rows);
                    // Every call writes at least one line, or the run would never end.
                    if context.pause.is_cancelled() && rows.last > line {
                        let (line, format) = (rows.last, rows.pause());
                        files.write(&mut rows).await?;
                        let lanes = lanes.into_iter().zip(&run.plan.lanes);
                        let lanes = lanes.map(|(lane, plan)| lane.pause(batch_of(plan, line))).collect();
                        return Ok(Walk::Paused(Progress { line, lanes, codes, format }));
                    }
                    // Let other tasks run: a full buffer is about a millisecond of work.
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    if rows.count != run.plan.input.lines {
        return Err(damaged(format!(
            "the items have {} lines, the plan says {}: start the run afresh",
            rows.count, run.plan.input.lines
        )));
    }
    rows.finish();
    files.write(&mut rows).await?;
    report(&rows);
    let mut tallies = Vec::new();
    for lane in lanes {
        tallies.push(lane.finish().await?);
    }
    Ok(Walk::Ended(Merged { lanes: tallies, codes }))
}

/// The lanes from the batch of line `after` on, with the counts up to that line.
fn open_lanes(
    context: &Context,
    run: &Run,
    stopped: Vec<Option<String>>,
    after: u64,
    counted: Vec<Tally>,
) -> Vec<Lane> {
    let budget = Budget::new(&context.settings, run.plan.lanes.len());
    let source = |lane: usize| LaneInput {
        objects: run.objects.clone(),
        keys: run.keys.clone(),
        plan: run.plan.clone(),
        lane,
        from: batch_of(&run.plan.lanes[lane], after),
        generation: run.run.generation,
        budget: budget.clone(),
    };
    let counted = counted.into_iter().chain(std::iter::repeat_with(Tally::default));
    stopped
        .into_iter()
        .zip(counted)
        .enumerate()
        .map(|(lane, (stopped, tally))| Lane::new(&source(lane), stopped, tally))
        .collect()
}

/// Index of the batch from which a lane must be read after line `after`: earlier batches have no later lines.
fn batch_of(lane: &PlannedLane, after: u64) -> usize {
    lane.batches.partition_point(|batch| batch.first.number() <= after).saturating_sub(1)
}
