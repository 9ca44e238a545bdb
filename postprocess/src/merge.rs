//! Walks the lanes in line order and writes each line once.

mod checkpoint;
mod histogram;
mod lane;
mod tally;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use job::{ErrorName, PlannedLane, StepError};

use crate::context::Context;
use crate::input::{Budget, Source};
use crate::names::{failed_key, output_key};
use crate::output::{Rows, Sink};
use crate::run::{Run, damaged};

pub(crate) use histogram::Histogram;
use lane::{Lane, Needs};
pub(crate) use tally::{CLASSES, Codes, Failures, Tally, WITHOUT_RESULT};

/// What was counted on the way.
#[derive(Debug)]
pub(crate) struct Merged {
    /// Beside the plan's lanes.
    pub(crate) lanes: Vec<Tally>,
    pub(crate) codes: Codes,
}

/// How a call of the merge ended.
pub(crate) enum Merge {
    /// With both files.
    Done(Merged),
    /// Its time is nearly over; the next call needs the checkpoint of this key.
    Paused(String),
}

/// Writes the output, and the file of failed lines if there are any, from a checkpoint if there is one.
pub(crate) async fn merge(
    context: &Context,
    run: &Run,
    checkpoint: Option<&str>,
) -> Result<Merge, StepError> {
    let begun = match checkpoint {
        Some(key) => match checkpoint::read(run, key).await {
            Ok((files, counts)) => merge_from(context, run, files, counts).await,
            Err(error) => Err(error),
        },
        None => merge_all(context, run).await,
    };
    match begun {
        // Its uploads are gone: completed by a call that died behind it or whose answer was lost, or swept. The results are
        // all still there.
        Err(error) if error.name == ErrorName::RunDamaged => {
            tracing::warn!(%error, "the merge begins again");
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
    merge_from(context, run, files, Counts::default()).await
}

async fn merge_from(
    context: &Context,
    run: &Run,
    mut files: Files,
    counts: Counts,
) -> Result<Merge, StepError> {
    let merged = tokio::select! {
        biased;
        () = context.stop.cancelled() => Err(StepError::new(ErrorName::Interrupted, "stopped while the output was written; run it again to continue")),
        merged = merge_into(&mut files, context, run, counts) => merged,
    };
    match merged {
        Ok(Walk::Ended(merged)) => {
            files.finish(run, &merged).await?;
            Ok(Merge::Done(merged))
        }
        Ok(Walk::Paused(counts)) => checkpoint::write(context, run, files, counts).await.map(Merge::Paused),
        Err(error) => {
            files.output.abort().await;
            files.failed.abort().await;
            Err(error)
        }
    }
}

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

/// What was counted up to a line.
#[derive(Default)]
struct Counts {
    /// Number of the line; all up to it are written.
    line: u64,
    /// Beside the plan's lanes; fewer at the beginning.
    lanes: Vec<Tally>,
    codes: Codes,
}

enum Walk {
    Ended(Merged),
    Paused(Counts),
}

async fn merge_into(
    files: &mut Files,
    context: &Context,
    run: &Run,
    counts: Counts,
) -> Result<Walk, StepError> {
    let progress = |rows: &Rows| context.progress.iter().for_each(|hook| hook(rows.last));
    let Counts { line, lanes, mut codes } = counts;
    let mut rows = Rows::new(&run.plan, run.style, line, !codes.is_empty(), context.settings.rows());
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
                Needs::Turn(next) => {
                    order.push(Reverse((next, index)));
                    break;
                }
                Needs::Records => lane.next_records().await?,
                Needs::Items => {
                    if lane.next_items().await?.is_none() {
                        break;
                    }
                }
                Needs::Room => {
                    files.write(&mut rows).await?;
                    progress(&rows);
                    // Every call gets on, or the run would never end.
                    if context.pause.is_cancelled() && rows.last > line {
                        let line = rows.last;
                        let lanes = lanes
                            .into_iter()
                            .zip(&run.plan.lanes)
                            .map(|(lane, plan)| lane.pause(batch_of(plan, line)));
                        return Ok(Walk::Paused(Counts { line, lanes: lanes.collect(), codes }));
                    }
                    // Let others run: a full buffer is about a millisecond of work.
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    if rows.last != run.plan.input.lines {
        return Err(damaged(format!(
            "the items have {} lines, the plan says {}: start the run afresh",
            rows.last, run.plan.input.lines
        )));
    }
    files.write(&mut rows).await?;
    progress(&rows);
    let mut tallies = Vec::new();
    for lane in lanes {
        tallies.push(lane.finish().await?);
    }
    Ok(Walk::Ended(Merged { lanes: tallies, codes }))
}

/// The lanes behind line `after`, with what was counted up to there.
fn open_lanes(
    context: &Context,
    run: &Run,
    stopped: Vec<Option<String>>,
    after: u64,
    counted: Vec<Tally>,
) -> Vec<Lane> {
    let budget = Budget::new(&context.settings, run.plan.lanes.len());
    let source = |lane: usize| Source {
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

/// Index of the batch that has the lane's lines from about `after` on: those before it have none behind it.
fn batch_of(lane: &PlannedLane, after: u64) -> usize {
    lane.batches.partition_point(|batch| batch.first.number() <= after).saturating_sub(1)
}
