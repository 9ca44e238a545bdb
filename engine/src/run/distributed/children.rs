//! Running the children of a Map Run.

use std::sync::Arc;

use super::MapRun;
use super::batches::{Batch, Batches};
use super::child::{Child, ChildSummary};
use super::finished::FinishedChildren;
use super::items::Items;
use super::results::FILE_BYTES;
use crate::error::{Halt, Stop};
use crate::failure::Failure;
use crate::journal::{
    Change, EntryKind, JournalError, Key, MapRunEntry, MapRunLimits, RECORDS_PER_READ, Tally,
};
use crate::quotas::MAX_DATA;
use crate::run::Runtime;
use crate::run::frame::Running;

/// The counts of the children that have ended so far.
pub(super) struct Ledger {
    pub(super) tally: Tally,
    /// The approximate size of the records in the journal, in bytes.
    bytes: usize,
    /// The size of all outputs, in bytes, if they become the state's output.
    outputs: usize,
}

/// The children of a run in the order of their items.
pub(super) struct Children {
    batches: Batches,
    finished: FinishedChildren,
    index: u64,
}

/// What comes next in the order of children.
pub(super) enum NextChild {
    /// Children that had finished before were skipped.
    Finished,
    /// A child that has not finished, by its index.
    Unfinished(u64, Batch),
    /// There are no more children.
    End,
}

impl MapRun<'_> {
    /// Runs all children that have not finished, until all have or too many items have failed.
    pub(super) async fn run_children(&mut self, running: &mut Running) -> Result<(), Halt> {
        let runtime = running.runtime.clone();
        let mut children = Children::open(self, &runtime).await?;
        let mut all_started = false;
        let mut changes = self.status.changes();
        let mut limits = *changes.borrow_and_update();
        loop {
            if changes.has_changed().unwrap_or(false) {
                limits = *changes.borrow_and_update();
                self.count_items_for(&limits, running).await?;
            }
            while let Some(ended) = self.tasks.try_next()? {
                match ended {
                    Ok(child) => self.count(&child),
                    Err(stop) => return Err(self.tasks.wind_down(&runtime, stop).await),
                }
            }
            if limits.exceeded(self.ledger.tally.items.not_succeeded(), self.entry.total) {
                self.entry.exceeded_at = Some(children.index);
                self.tasks.abort().await;
                return self.save(running).await;
            }
            if self.must_compact() {
                self.ledger.bytes = 0;
                if let Err(halt) = self.compact_results(running, children.index).await {
                    self.tasks.abort().await;
                    return Err(halt);
                }
            }
            if all_started || self.tasks.len() as u64 >= limits.max_concurrency {
                let ended = tokio::select! {
                    biased;
                    ended = self.tasks.next() => ended?,
                    Ok(()) = changes.changed() => {
                        // The loop is to see the change.
                        changes.mark_changed();
                        continue;
                    }
                };
                match ended {
                    None => return Ok(()),
                    Some(Ok(child)) => self.count(&child),
                    Some(Err(stop)) => return Err(self.tasks.wind_down(&runtime, stop).await),
                }
                continue;
            }
            if runtime.cancel.is_cancelled() {
                return Err(self.tasks.wind_down(&runtime, Stop::Interrupted).await);
            }
            match children.next(self, running).await {
                Ok(NextChild::Finished) => {}
                Ok(NextChild::Unfinished(index, batch)) => self.start(index, batch),
                Ok(NextChild::End) => all_started = true,
                Err(halt) => {
                    self.tasks.abort().await;
                    return Err(halt);
                }
            }
        }
    }

    /// Counts the items, if only the changed limits depend on their number.
    async fn count_items_for(&mut self, limits: &MapRunLimits, running: &Running) -> Result<(), Halt> {
        if limits.depend_on_total() && self.entry.total.is_none() {
            let total = Items::count(&self.source, &running.runtime).await?;
            self.entry.total = Some(total);
            self.status.counted(total);
            self.save(running).await?;
        }
        Ok(())
    }

    fn start(&mut self, index: u64, batch: Batch) {
        let Batch { input, items, nondeterministic } = batch;
        self.status.started(items);
        let child = Child { spec: self.spec.clone(), index, items, nondeterministic };
        self.tasks.spawn(child.run(input));
    }

    fn count(&mut self, child: &ChildSummary) {
        self.ledger.add(child);
        self.status.ended(child.status, child.items);
    }

    /// Whether the records are to leave the journal: as soon as they fill a file, or once all outputs
    /// together can no longer become the state's output.
    fn must_compact(&self) -> bool {
        let leaves = self.plan.target.is_some() || self.entry.oversized || self.ledger.outputs > MAX_DATA;
        leaves && self.ledger.bytes > FILE_BYTES
    }

    /// The input of an unfinished child. A batch must have the same items after a crash, so a
    /// nondeterministic one is recorded.
    async fn batch(
        &self,
        running: &mut Running,
        index: u64,
        batches: &mut Batches,
    ) -> Result<Option<Batch>, Halt> {
        if self.plan.batching.is_none() {
            return Ok(batches.next(running, &self.plan).await?);
        }
        let key = self.visit.child(index);
        if let Some((input, items)) = running.runtime.journal.get(EntryKind::Batch, &key)? {
            batches.skip(items).await?;
            return Ok(Some(Batch { input, items, nondeterministic: false }));
        }
        let Some(mut batch) = batches.next(running, &self.plan).await? else { return Ok(None) };
        if batch.nondeterministic {
            let entry = Change::put(EntryKind::Batch, &key, &(&batch.input, batch.items))?;
            running.runtime.journal.commit(vec![entry]).await?;
            batch.nondeterministic = false;
        }
        Ok(Some(batch))
    }
}

impl Children {
    pub(super) async fn open(run: &MapRun<'_>, runtime: &Arc<Runtime>) -> Result<Self, Failure> {
        let batches = Batches::open(&run.source, runtime).await?;
        Ok(Self { batches, finished: FinishedChildren::new(&run.visit, &run.entry), index: 0 })
    }

    pub(super) async fn next(&mut self, run: &MapRun<'_>, running: &mut Running) -> Result<NextChild, Halt> {
        if let Some(span) = self.finished.at(&running.runtime, self.index)? {
            self.batches.skip(span.items).await?;
            self.index += span.children;
            return Ok(NextChild::Finished);
        }
        let index = self.index;
        let Some(batch) = run.batch(running, index, &mut self.batches).await? else {
            return Ok(NextChild::End);
        };
        self.index += 1;
        Ok(NextChild::Unfinished(index, batch))
    }
}

impl Ledger {
    /// Counts the children that had ended before the execution was continued.
    pub(super) fn open(runtime: &Runtime, visit: &Key, entry: &MapRunEntry) -> Result<Self, JournalError> {
        let mut ledger = Self { tally: entry.tally, bytes: 0, outputs: 0 };
        let mut from = 0;
        loop {
            let records = runtime.journal.records(visit, from, RECORDS_PER_READ)?;
            let Some((last, _)) = records.last() else { return Ok(ledger) };
            from = last + 1;
            for (_, record) in &records {
                ledger.add(&ChildSummary {
                    status: record.status,
                    items: record.items,
                    bytes: record.shown.len(),
                });
            }
        }
    }

    fn add(&mut self, child: &ChildSummary) {
        /// The approximate size of a record without its text, in bytes.
        const OVERHEAD: usize = 50;
        self.tally.add(child.status, child.items);
        self.bytes += child.bytes + OVERHEAD;
        self.outputs += child.bytes;
    }
}
