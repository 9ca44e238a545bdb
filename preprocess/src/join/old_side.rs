//! The run before: each line that it may have sent, by the identity of its request.

use std::collections::{HashMap, HashSet};

use job::file::Identity;
use job::{Batch, LineId, Objects, PlannedLane, StepError};

use super::identify::Items;
use super::outcomes::{Folder, Outcomes, Rules, results};
use super::record::{Left, OldLine, State, Stored, by_request};
use super::rewrite::{Rewriter, unknown};
use super::sort::Sorter;

/// Reads the run before.
pub(super) struct OldSide<'a> {
    pub(super) objects: &'a Objects,
    pub(super) run: &'a str,
    pub(super) items: Items,
    pub(super) rules: Rules,
    pub(super) rewriter: Rewriter,
    /// A line that is sent again carries the key, and what was drawn for it, with which it was first sent.
    pub(super) needs_origins: bool,
}

impl OldSide<'_> {
    /// Adds the lines of one batch to the sort.
    ///
    /// # Errors
    /// `Run.Damaged`, and errors of the store.
    pub(super) async fn add(
        &self,
        lane: &PlannedLane,
        batch: Batch,
        folder: Folder,
        sorter: &mut Sorter,
    ) -> Result<(), StepError> {
        let outcomes = folder.outcomes(self.objects, self.rules).await?;
        let identities = self.identities(lane, batch, &outcomes).await?;
        let mut payload = Vec::new();
        for (n, outcome) in outcomes.lines().filter(|(_, outcome)| outcome.segment.is_none()) {
            if let Some(identity) = identities.get(&n) {
                self.add_line(*identity, n, outcome.state, &outcomes, &mut payload, sorter).await?;
            }
        }
        if self.needs_origins {
            for (n, identity) in &identities {
                if outcomes.of(*n).is_none() {
                    self.add_line(*identity, *n, State::SentAgain, &outcomes, &mut payload, sorter).await?;
                }
            }
        }
        for index in 0..folder.segments().len() {
            self.add_segment(&folder, index, &outcomes, &identities, sorter).await?;
        }
        Ok(())
    }

    /// The identities of the lines whose results do not say them.
    async fn identities(
        &self,
        lane: &PlannedLane,
        batch: Batch,
        outcomes: &Outcomes,
    ) -> Result<HashMap<LineId, Identity>, StepError> {
        let known: HashSet<LineId> =
            outcomes.lines().filter(|(_, outcome)| outcome.has_identity).map(|(n, _)| n).collect();
        let unknown: HashSet<LineId> =
            outcomes.lines().filter(|(_, outcome)| !outcome.has_identity).map(|(n, _)| n).collect();
        if known.len() as u64 + outcomes.skipped >= batch.lines || unknown.is_empty() && !self.needs_origins {
            return Ok(HashMap::new());
        }
        let any = self.needs_origins;
        let wanted = move |n: LineId| if any { !known.contains(&n) } else { unknown.contains(&n) };
        Ok(self.items.identities(&lane.name, batch, wanted).await?.into_iter().collect())
    }

    /// Adds the results of a segment that count.
    async fn add_segment(
        &self,
        folder: &Folder,
        index: usize,
        outcomes: &Outcomes,
        identities: &HashMap<LineId, Identity>,
        sorter: &mut Sorter,
    ) -> Result<(), StepError> {
        let body = folder.body(self.objects, index).await?;
        let segment = &folder.segments()[index];
        let mut payload = Vec::new();
        for ((offset, line), view) in results(&body) {
            let view = view.map_err(|error| segment.damaged(error))?;
            let Some(outcome) = outcomes.of(view.n).filter(|outcome| outcome.segment == Some(index)) else {
                continue;
            };
            // Without an identity no request was made.
            let Some(identity) = view.id.or_else(|| identities.get(&view.n).copied()) else { continue };
            if outcome.state == State::SentAgain {
                self.add_line(identity, view.n, outcome.state, outcomes, &mut payload, sorter).await?;
                continue;
            }
            let rewritten =
                self.rewriter.rewrite(line, &view, identity).map_err(|error| segment.damaged(error))?;
            let state = if rewritten.as_before { outcome.state } else { State::Failed };
            let result = Left::Result(&rewritten.tail);
            if !(OldLine { state, left: result }).write(&mut payload) {
                let (offset, length) = (offset as u64, line.len() as u64);
                let left = Left::Stored(Stored { identity, offset, length, object: &segment.object });
                OldLine { state, left }.write(&mut payload);
            }
            sorter.push(&by_request(identity, view.n), &payload).await?;
        }
        Ok(())
    }

    /// Adds a line whose result is not kept.
    async fn add_line(
        &self,
        identity: Identity,
        n: LineId,
        state: State,
        outcomes: &Outcomes,
        payload: &mut Vec<u8>,
        sorter: &mut Sorter,
    ) -> Result<(), StepError> {
        let tail;
        let left = match (state, outcomes.origins.get(&n)) {
            (State::SentAgain, _) if !self.needs_origins => Left::Nothing,
            (State::SentAgain, Some((run, line))) => Left::Origin { run, line: *line },
            (State::SentAgain, None) => Left::Origin { run: self.run, line: n },
            _ => {
                tail = unknown(identity);
                Left::Result(&tail)
            }
        };
        OldLine { state, left }.write(payload);
        sorter.push(&by_request(identity, n), payload).await
    }
}
