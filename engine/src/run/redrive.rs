//! Continuing what did not succeed when an execution is redriven.

use super::Runtime;
use super::frame::Running;
use crate::error::Halt;
use crate::journal::{
    Change, Checkpoint, ChildStatus, EntryKind, JournalError, Key, MapRunEntry, RECORDS_PER_READ,
};
use crate::machine::{Kind, State};

impl Checkpoint {
    /// Lets the frame run its state again, in this generation: with all retries, and as a new attempt. A Map or
    /// Parallel continues, since its inner states keep their own results.
    pub(super) fn redrive(&mut self, generation: u32, state: &State) {
        self.generation = generation;
        self.redrives += 1;
        self.tries.clear();
        self.wake = None;
        self.submitted = None;
        let continues = matches!(&state.kind, Kind::Work(work) if work.has_inner_states());
        if !continues {
            self.step += 1;
            self.draws.clear();
            self.begun = None;
        }
    }
}

impl Running {
    /// Saves the frame at a state that fails the execution, from where a redrive continues. States that only shape
    /// data are run again with the one that failed, since they may have taken their input apart. An outcome that was
    /// sent by token is kept until the end is durable, and its checkpoint with it.
    pub(super) async fn keep_for_redrive(&mut self, state: &State, halt: &Halt) -> Result<(), Halt> {
        let keeps_input = matches!(&state.kind, Kind::Work(_) | Kind::Fail { .. });
        let fails = matches!(halt, Halt::Failed(_)) && self.settled.is_none();
        if fails && keeps_input && self.moved && self.frame.identity.can_be_redriven {
            self.save().await?;
        }
        Ok(())
    }
}

impl MapRunEntry {
    /// Forgets the children that did not succeed, so that they are run again; children of a Standard type continue
    /// at their failed states.
    pub(super) async fn redrive(
        &mut self,
        runtime: &Runtime,
        visit: &Key,
        generation: u32,
    ) -> Result<(), JournalError> {
        let mut from = 0;
        loop {
            let records = runtime.journal.records(visit, from, RECORDS_PER_READ)?;
            let Some((last, _)) = records.last() else { break };
            from = last + 1;
            let failed = records.iter().filter(|(_, record)| record.status != ChildStatus::Succeeded);
            let removed: Vec<_> =
                failed.map(|(index, _)| Change::remove(EntryKind::Record, &visit.child(*index))).collect();
            if !removed.is_empty() {
                runtime.journal.commit(removed).await?;
            }
        }
        self.generation = generation;
        self.redrives += 1;
        self.exceeded_at = None;
        self.settled.clone_from(&self.kept);
        self.failed.clear();
        for counts in [&mut self.tally.children, &mut self.tally.items] {
            counts.failed = 0;
            counts.timed_out = 0;
        }
        Ok(())
    }
}
