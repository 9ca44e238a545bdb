//! Walks the lanes in line order and writes each line once.

mod histogram;
mod lane;
mod tally;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use job::{ErrorName, StepError};

use crate::context::Context;
use crate::input::{Budget, Source};
use crate::names::{failed_key, output_key};
use crate::output::{Rows, Sink};
use crate::run::{Run, damaged};

pub(crate) use histogram::Histogram;
use lane::{Lane, Needs};
pub(crate) use tally::{Codes, Failures, Tally, WITHOUT_RESULT};

/// What was counted on the way.
#[derive(Debug)]
pub(crate) struct Merged {
    /// Beside the plan's lanes.
    pub(crate) lanes: Vec<Tally>,
    pub(crate) codes: Codes,
}

/// Writes the output, and the file of failed lines if there are any.
pub(crate) async fn merge(context: &Context, run: &Run) -> Result<Merged, StepError> {
    let mut files = Files {
        output: Sink::new(&run.objects, output_key(&run.run, &run.plan)),
        failed: Sink::new(&run.objects, failed_key(&run.run, &run.plan)),
    };
    let merged = tokio::select! {
        biased;
        () = context.stop.cancelled() => Err(StepError::new(ErrorName::Interrupted, "stopped while the output was written; run it again to continue")),
        merged = merge_into(&mut files, context, run) => merged,
    };
    let merged = match merged {
        Ok(merged) => merged,
        Err(error) => {
            files.output.abort().await;
            files.failed.abort().await;
            return Err(error);
        }
    };
    files.output.finish().await?;
    if merged.codes.is_empty() {
        files.failed.abort().await;
        run.objects.delete(&failed_key(&run.run, &run.plan)).await?;
    } else {
        files.failed.finish().await?;
    }
    Ok(merged)
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
}

async fn merge_into(files: &mut Files, context: &Context, run: &Run) -> Result<Merged, StepError> {
    let progress = |rows: &Rows| context.progress.iter().for_each(|hook| hook(rows.lines));
    let mut rows = Rows::new(&run.plan);
    let mut codes = Codes::default();
    let mut lanes = open_lanes(context, run, run.stop_reasons().await?);
    let mut order = BinaryHeap::new();
    for (index, lane) in lanes.iter_mut().enumerate() {
        if let Some(first) = lane.next_items().await? {
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
                    // Let others run: a full buffer is about a millisecond of work.
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    if rows.lines != run.plan.input.lines {
        return Err(damaged(format!("the items have {} lines, the plan says {}: start the run afresh", rows.lines, run.plan.input.lines)));
    }
    files.write(&mut rows).await?;
    progress(&rows);
    let mut tallies = Vec::new();
    for lane in lanes {
        tallies.push(lane.finish().await?);
    }
    Ok(Merged { lanes: tallies, codes })
}

fn open_lanes(context: &Context, run: &Run, stopped: Vec<Option<String>>) -> Vec<Lane> {
    let budget = Budget::new(&context.settings, run.plan.lanes.len());
    let source = |lane| Source {
        objects: run.objects.clone(),
        keys: run.keys.clone(),
        plan: run.plan.clone(),
        lane,
        generation: run.run.generation,
        budget: budget.clone(),
    };
    stopped.into_iter().enumerate().map(|(lane, stopped)| Lane::new(&source(lane), stopped)).collect()
}
