//! Parcels of one key that wait for their turn.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use tokio::time::Instant;

use crate::parcel::ParcelId;

/// Parcels that were never sent, in order, and parcels that wait to be sent again.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) fresh: VecDeque<ParcelId>,
    retries: BinaryHeap<Reverse<(Instant, ParcelId)>>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.fresh.len() + self.retries.len()
    }

    pub(super) fn push_retry(&mut self, at: Instant, parcel: ParcelId) {
        self.retries.push(Reverse((at, parcel)));
    }

    /// When the first parcel may be sent again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retries.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn pop_retry(&mut self) -> Option<ParcelId> {
        self.retries.pop().map(|Reverse((_, parcel))| parcel)
    }

    /// The number of parcels that may be sent by `until`, without regard to the key's limit. Without `fresh`
    /// only parcels that were sent before.
    pub(super) fn due(&self, until: Instant, fresh: bool) -> usize {
        let again = self.retries.iter().filter(|Reverse((at, _))| *at <= until).count();
        again + if fresh { self.fresh.len() } else { 0 }
    }

    /// Moves up to `most` parcels to `other`: those that may be sent again by `until`, then new ones if
    /// `fresh`.
    pub(super) fn move_due(&mut self, other: &mut Self, most: usize, until: Instant, fresh: bool) {
        let mut left = most;
        while left > 0
            && let Some(Reverse((at, _))) = self.retries.peek()
            && *at <= until
        {
            other.retries.extend(self.retries.pop());
            left -= 1;
        }
        if fresh {
            other.fresh.extend(self.fresh.drain(..left.min(self.fresh.len())));
        }
    }

    /// Moves all parcels to the end of `other`.
    pub(super) fn append_to(&mut self, other: &mut Self) {
        other.fresh.append(&mut self.fresh);
        other.retries.append(&mut self.retries);
    }

    /// Moves all parcels to the beginning of `other`.
    pub(super) fn prepend_to(&mut self, other: &mut Self) {
        self.fresh.append(&mut other.fresh);
        std::mem::swap(&mut self.fresh, &mut other.fresh);
        other.retries.append(&mut self.retries);
    }

    /// Takes out the parcels that meet a condition.
    pub(super) fn split_off(&mut self, condition: impl Fn(ParcelId) -> bool) -> Self {
        let (out, fresh) = std::mem::take(&mut self.fresh).into_iter().partition(|parcel| condition(*parcel));
        self.fresh = fresh;
        let (gone, stays) = self.retries.drain().partition(|Reverse((_, parcel))| condition(*parcel));
        self.retries = stays;
        Self { fresh: out, retries: gone }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ParcelId> {
        self.fresh.iter().copied().chain(self.retries.iter().map(|Reverse((_, parcel))| *parcel))
    }

    pub(super) fn retain_retries(&mut self, stays: &mut dyn FnMut(ParcelId) -> bool) {
        self.retries.retain(|Reverse((_, parcel))| stays(*parcel));
    }

    /// Takes all parcels out, those to be sent again first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = ParcelId> {
        self.retries.drain().map(|Reverse((_, parcel))| parcel).chain(self.fresh.drain(..))
    }
}
