//! Running the children of a Map Run.

use super::Plan;
use super::batches::{Batch, Batches};
use super::child::{Child, Ended};
use super::finished::Finished;
use super::results::SETTLE;
use crate::error::{Halt, Stop};
use crate::journal::{Change, JournalError, Kind as Entry, Tally};
use crate::run::World;
use crate::run::child::Crew;
use crate::run::frame::Running;
use crate::run::limits;

/// Records that are read at once.
const CHUNK: usize = 256;

/// What has ended so far.
pub(super) struct Ledger {
    pub(super) tally: Tally,
    /// Of the records that are not settled, about.
    bytes: usize,
    /// Of all outputs, where they become the state's output.
    outputs: usize,
}

impl Running {
    /// Runs all children that have not finished, until all have or too many items have failed.
    pub(super) async fn children(&mut self, plan: &mut Plan<'_>, mut ledger: Ledger) -> Result<(), Halt> {
        let mut batches = Batches::open(plan, &self.world).await?;
        let mut finished = Finished::new(&plan.visit, &plan.run);
        let mut crew = Crew::new();
        let mut index = 0;
        let mut all_started = false;
        loop {
            while let Some(ended) = crew.try_next()? {
                match ended {
                    Ok(ended) => ledger.enter(plan, &ended),
                    Err(stop) => return Err(crew.wind_down(&self.world, stop).await),
                }
            }
            if plan.tolerance.exceeded(ledger.tally.items.not_succeeded(), plan.run.total) {
                plan.run.exceeded_at = Some(index);
                crew.abort().await;
                return Ok(self.world.journal.commit(vec![Change::put(Entry::MapRun, &plan.visit, &plan.run)?]).await?);
            }
            if ledger.is_full(plan) {
                ledger.bytes = 0;
                if let Err(halt) = self.settle(plan, index).await {
                    crew.abort().await;
                    return Err(halt);
                }
            }
            if all_started || crew.len() >= plan.limit {
                match crew.next().await? {
                    None => return Ok(()),
                    Some(Ok(ended)) => ledger.enter(plan, &ended),
                    Some(Err(stop)) => return Err(crew.wind_down(&self.world, stop).await),
                }
                continue;
            }
            if self.world.cancel.is_cancelled() {
                return Err(crew.wind_down(&self.world, Stop::Interrupted).await);
            }
            let started = self.start(plan, &mut index, &mut batches, &mut finished, &mut crew).await;
            match started {
                Ok(more) => all_started = !more,
                Err(halt) => {
                    crew.abort().await;
                    return Err(halt);
                }
            }
        }
    }

    /// Starts the next child, or passes over those that have finished; false when there is none.
    async fn start(
        &mut self,
        plan: &Plan<'_>,
        index: &mut u64,
        batches: &mut Batches,
        finished: &mut Finished,
        crew: &mut Crew<Result<Ended, Stop>>,
    ) -> Result<bool, Halt> {
        if let Some(span) = finished.at(&self.world, *index)? {
            batches.skip(span.items).await?;
            *index += span.children;
            return Ok(true);
        }
        let Some(batch) = self.batch(plan, *index, batches).await? else {
            return Ok(false);
        };
        plan.status.started(batch.items);
        let child = Child { shared: plan.shared.clone(), index: *index, items: batch.items, by_chance: batch.by_chance };
        *index += 1;
        crew.spawn(child.run(batch.input));
        Ok(true)
    }

    /// The next child's input. Which items a batch has must be the same after a crash, so a batch
    /// that came about by chance is recorded.
    pub(super) async fn batch(&mut self, plan: &Plan<'_>, index: u64, batches: &mut Batches) -> Result<Option<Batch>, Halt> {
        if plan.batching.is_none() {
            return Ok(batches.next(self, plan).await?);
        }
        let key = plan.visit.child(index);
        if let Some((input, items)) = self.world.journal.get(Entry::Batch, &key)? {
            batches.skip(items).await?;
            return Ok(Some(Batch { input, items, by_chance: false }));
        }
        let Some(mut batch) = batches.next(self, plan).await? else { return Ok(None) };
        if batch.by_chance {
            let entry = Change::put(Entry::Batch, &key, &(&batch.input, batch.items))?;
            self.world.journal.commit(vec![entry]).await?;
            batch.by_chance = false;
        }
        Ok(Some(batch))
    }
}

impl Ledger {
    /// With what had ended before this run of the machine.
    pub(super) fn open(world: &World, plan: &Plan<'_>) -> Result<Ledger, JournalError> {
        let mut ledger = Ledger { tally: plan.run.tally, bytes: 0, outputs: 0 };
        let mut from = 0;
        loop {
            let records = world.journal.records(&plan.visit, from, CHUNK)?;
            let Some((last, _)) = records.last() else { return Ok(ledger) };
            from = last + 1;
            for (_, record) in &records {
                ledger.add(&Ended { status: record.status, items: record.items, bytes: record.shown.len() });
            }
        }
    }

    fn enter(&mut self, plan: &Plan<'_>, ended: &Ended) {
        self.add(ended);
        plan.status.ended(ended.status, ended.items);
    }

    fn add(&mut self, ended: &Ended) {
        /// What a record has beside the text, about.
        const OTHER: usize = 50;
        self.tally.add(ended.status, ended.items);
        self.bytes += ended.bytes + OTHER;
        self.outputs += ended.bytes;
    }

    /// Whether the records are to be settled: as many as a file has, or none of them can become an
    /// output any more.
    fn is_full(&self, plan: &Plan<'_>) -> bool {
        let settles = plan.target.is_some() || plan.run.oversized || self.outputs > limits::DATA;
        settles && self.bytes > SETTLE
    }
}
