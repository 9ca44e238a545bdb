//! Which parcels of a key need a durable intent now, where a request must not be repeated.

use std::time::Duration;

use tokio::time::Instant;

use super::Schedule;
use super::key::{Key, Turn};
use super::queue::Queue;
use crate::parcel::ParcelId;

/// How far ahead intents name lines. A line that is named and not sent when the process dies has an unknown
/// outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lookahead {
    /// An intent is written this long before its lines may be sent: the time that writing takes.
    pub(crate) lead: Duration,
    /// One intent names all lines that are due in this time, and at least one.
    pub(crate) window: Duration,
}

impl Schedule {
    /// Takes the list of keys that need an intent.
    pub(crate) fn take_keys_wanting_intents(&mut self) -> Vec<u32> {
        let wanting = std::mem::take(&mut self.wanting_intents);
        for index in &wanting {
            self.keys[*index as usize].wants_intent = false;
        }
        wanting
    }

    /// Sets how far ahead intents name lines from now on.
    pub(crate) fn set_lookahead(&mut self, lookahead: Lookahead) {
        self.lookahead = lookahead;
    }

    /// Takes the parcels of a key that the next intent is to name.
    pub(crate) fn name_upcoming(&mut self, index: u32, now: Instant, fresh: bool) -> Vec<ParcelId> {
        let lookahead = self.lookahead;
        self.keys[index as usize].name_upcoming(now, fresh, lookahead)
    }

    /// Takes the parcels of a key that were not sent out of the intents, since none will be sent soon.
    pub(crate) fn take_back(&mut self, index: u32, unsent: impl Fn(ParcelId) -> bool) -> Vec<ParcelId> {
        self.keys[index as usize].take_back(unsent)
    }

    /// Marks a key that needs an intent. Returns when it will need one, if it does not yet.
    pub(super) fn look_ahead(&mut self, index: u32, now: Instant, fresh: bool) -> Option<Instant> {
        let key = &mut self.keys[index as usize];
        let at = key.intent_needed_at(now, fresh, self.lookahead)?;
        if at > now {
            return Some(at);
        }
        if !std::mem::replace(&mut key.wants_intent, true) {
            self.wanting_intents.push(index);
        }
        None
    }
}

impl Key {
    /// When the key needs an intent; `None`: not before something changes.
    fn intent_needed_at(&self, now: Instant, fresh: bool, lookahead: Lookahead) -> Option<Instant> {
        let waiting = self.needs_intent.as_ref()?;
        if self.intent_pending.len() > 0 || self.is_held(now) {
            return None;
        }
        let first = self.first_without_intent(waiting, now, fresh)?;
        match self.ready.due(now + lookahead.lead, fresh) {
            0 => Some(self.pacer.free_by().max(first).checked_sub(lookahead.lead).unwrap_or(now)),
            named if named <= self.low_mark(now, lookahead) => Some(first),
            _ => None,
        }
    }

    /// When the first parcel without an intent may be sent, without regard to the key's limit.
    fn first_without_intent(&self, waiting: &Queue, now: Instant, fresh: bool) -> Option<Instant> {
        if fresh && !waiting.fresh.is_empty() { Some(now) } else { waiting.retry_at() }
    }

    /// How many parcels should have an intent.
    fn wanted(&self, now: Instant, lookahead: Lookahead) -> usize {
        if self.wants_probe(now) { 1 } else { self.pacer.slots_in(lookahead.window).max(1) }
    }

    /// The low-water mark: about as many named parcels as are sent before another intent is durable.
    fn low_mark(&self, now: Instant, lookahead: Lookahead) -> usize {
        let wanted = self.wanted(now, lookahead);
        self.pacer.slots_in(lookahead.lead).max(wanted / 4).min(wanted.saturating_sub(1))
    }

    fn name_upcoming(&mut self, now: Instant, fresh: bool, lookahead: Lookahead) -> Vec<ParcelId> {
        if self.intent_pending.len() > 0 {
            return Vec::new();
        }
        let most = self.wanted(now, lookahead).saturating_sub(self.ready.due(now + lookahead.lead, fresh));
        let Some(waiting) = &mut self.needs_intent else { return Vec::new() };
        waiting.move_due(&mut self.intent_pending, most, now + lookahead.lead, fresh);
        self.intent_pending.iter().collect()
    }

    /// The intent under way is durable.
    pub(crate) fn intent_durable(&mut self) {
        self.intent_pending.append_to(&mut self.ready);
    }

    fn take_back(&mut self, unsent: impl Fn(ParcelId) -> bool) -> Vec<ParcelId> {
        let Some(waiting) = &mut self.needs_intent else { return Vec::new() };
        let mut back = self.ready.split_off(unsent);
        let parcels = back.iter().collect();
        back.prepend_to(waiting);
        parcels
    }

    /// Parcels that an intent names although no request for them is under way.
    pub(crate) fn named_unsent(&self) -> impl Iterator<Item = ParcelId> {
        let named = self.needs_intent.is_some().then_some([&self.ready, &self.intent_pending]);
        named.into_iter().flatten().flat_map(Queue::iter)
    }
}

impl Turn {
    /// The earlier of a turn and another instant.
    pub(super) fn or_at(self, at: Option<Instant>) -> Self {
        match (self, at) {
            (Self::Later(turn), Some(at)) => Self::Later(turn.min(at)),
            (Self::Never, Some(at)) => Self::Later(at),
            (turn, _) => turn,
        }
    }
}
