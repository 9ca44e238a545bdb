//! The stages of a join, each until its end or until the call's time is nearly over.

use std::thread::available_parallelism;

use futures_util::{StreamExt, TryStreamExt, stream};
use job::run::damaged;
use job::store::Listing;
use job::{Batch, Plan, PlannedLane, StepError};

use super::Join;
use super::checkpoint::{At, Progress, Stage};
use super::identify::Items;
use super::merge::request_bytes;
use super::old_side::OldSide;
use super::outcomes::Folder;
use super::pair::{Inputs, Pairing, PairingAt};
use super::record::{Place, by_request};
use super::segments::{SegmentWriter, Written};
use super::sort::{SortedRun, Sorter};

/// The most batches that are rendered at a time.
const AT_ONCE: usize = 4;
/// Steps of the pairing between two looks at the clock.
const STEPS: usize = 1000;

impl Stage {
    /// The stage in a word, for logs.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Old { .. } => "old",
            Self::New { .. } => "new",
            Self::Pair { .. } => "pair",
            Self::Write { .. } => "write",
        }
    }
}

impl Join<'_> {
    /// Goes on with the stage, and leaves in `progress` what comes next. Returns what is written once that is
    /// everything.
    ///
    /// # Errors
    /// By the stable names of [`job::ErrorName`].
    pub(super) async fn advance(
        &self,
        progress: &mut Progress,
        before: &Plan,
        side: &OldSide<'_>,
        prefix: &str,
    ) -> Result<Option<Written>, StepError> {
        let stage = std::mem::replace(&mut progress.stage, Stage::Old { at: At::default(), old: Vec::new() });
        progress.stage = match stage {
            Stage::Old { at, old } => {
                self.read_old(before, side, at, self.sorter(prefix, "old-", old)).await?
            }
            Stage::New { at, old, new } => {
                self.read_new(&progress.plan, old, at, self.sorter(prefix, "new-", new)).await?
            }
            Stage::Pair { at, old, new, pairs } => {
                self.pair(at, (old, new), self.sorter(prefix, "pairs-", pairs)).await?
            }
            Stage::Write { at, pairs } => {
                let (at, complete) = self.write(&progress.plan, side, at, &pairs).await?;
                if complete {
                    return Ok(Some(at));
                }
                Stage::Write { at, pairs }
            }
        };
        Ok(None)
    }

    fn sorter(&self, prefix: &str, name: &str, runs: Vec<SortedRun>) -> Sorter {
        Sorter::new(self.objects, format!("{prefix}{name}"), runs)
    }

    fn pausing(&self) -> bool {
        self.context.pause.is_cancelled()
    }

    async fn read_old(
        &self,
        plan: &Plan,
        side: &OldSide<'_>,
        from: At,
        mut sorter: Sorter,
    ) -> Result<Stage, StepError> {
        let keys = &side.items.keys;
        let mut listing: Option<(usize, Listing<'_>)> = None;
        for (at, lane, batch) in batches(plan, from) {
            let listing = match &mut listing {
                Some((of, listing)) if *of == at.lane => listing,
                other => {
                    &mut other.insert((at.lane, Listing::new(self.objects, keys.lane_results(&lane.name)))).1
                }
            };
            let entries = listing.folder(&keys.batch_results(&lane.name, batch.first)).await?;
            if !entries.is_empty() || side.needs_origins {
                let folder = Folder::read(self.objects, entries).await?;
                side.add(lane, batch, folder, &mut sorter).await?;
            }
            if self.pausing() {
                let at = At { batch: at.batch + 1, ..at };
                return Ok(Stage::Old { at, old: sorter.finish().await? });
            }
        }
        let old = sorter.finish().await?;
        // Another call of this run may have joined it meanwhile, and have removed what this one was reading.
        let marker = keys.continued();
        if self.objects.find(&marker).await?.is_some() {
            return Err(damaged(&marker, "the run before was continued while it was read"));
        }
        Ok(Stage::New { at: At::default(), old, new: Vec::new() })
    }

    async fn read_new(
        &self,
        plan: &Plan,
        old: Vec<SortedRun>,
        from: At,
        mut sorter: Sorter,
    ) -> Result<Stage, StepError> {
        let items = Items::new(self.objects, self.run.keys(), self.job.clone(), plan);
        let at_once = available_parallelism().map_or(1, usize::from).min(AT_ONCE);
        let all: Vec<At> = batches(plan, from).map(|(at, ..)| at).collect();
        let mut rendered = stream::iter(all)
            .map(|at| {
                let (items, lane) = (items.clone(), &plan.lanes[at.lane]);
                let batch = lane.batches[at.batch];
                async move { Ok::<_, StepError>((at, items.identities(&lane.name, batch, |_| true).await?)) }
            })
            .buffered(at_once);
        while let Some((at, identities)) = rendered.try_next().await? {
            let lane = u16::try_from(at.lane).expect("a run has fewer than 65,536 lanes");
            let batch = u32::try_from(at.batch).expect("a lane has fewer than 2^32 batches");
            let place = Place { lane, batch }.to_bytes();
            for (n, identity) in identities {
                sorter.push(&by_request(identity, n), &place).await?;
            }
            if self.pausing() {
                let at = At { batch: at.batch + 1, ..at };
                return Ok(Stage::New { at, old, new: sorter.finish().await? });
            }
        }
        let (at, new) = (PairingAt::default(), sorter.finish().await?);
        Ok(Stage::Pair { at, old, new, pairs: Vec::new() })
    }

    async fn pair(
        &self,
        at: PairingAt,
        (old, new): (Vec<SortedRun>, Vec<SortedRun>),
        pairs: Sorter,
    ) -> Result<Stage, StepError> {
        let request_bytes = request_bytes(old.len() + new.len());
        let inputs = Inputs { objects: self.objects, old: &old, new: &new, request_bytes };
        let mut pairing = Pairing::open(inputs, at, pairs).await?;
        loop {
            for _ in 0..STEPS {
                if !pairing.step().await? {
                    let (pairs, _) = pairing.pause().await?;
                    return Ok(Stage::Write { at: Written::default(), pairs });
                }
            }
            if self.pausing() {
                let (pairs, at) = pairing.pause().await?;
                return Ok(Stage::Pair { at, old, new, pairs });
            }
            // Let other tasks run: most steps wait for nothing.
            tokio::task::yield_now().await;
        }
    }

    async fn write(
        &self,
        plan: &Plan,
        side: &OldSide<'_>,
        at: Written,
        pairs: &[SortedRun],
    ) -> Result<(Written, bool), StepError> {
        let pairs = (pairs, request_bytes(pairs.len()));
        let mut writer =
            SegmentWriter::open(self.objects, self.run.keys(), plan, &side.rewriter, pairs, at).await?;
        let mut complete = false;
        while !complete {
            complete = !writer.step().await?;
            if self.pausing() {
                break;
            }
        }
        Ok((writer.pause().await?, complete))
    }
}

/// The batches of a plan, from this one on.
fn batches(plan: &Plan, from: At) -> impl Iterator<Item = (At, &PlannedLane, Batch)> {
    plan.lanes.iter().enumerate().skip(from.lane).flat_map(move |(index, lane)| {
        let first = if index == from.lane { from.batch } else { 0 };
        let batches = lane.batches.iter().enumerate().skip(first);
        batches.map(move |(batch, of)| (At { lane: index, batch }, lane, *of))
    })
}
