//! Which lines of a key need a durable intent now, where a request must not be repeated.

use std::time::Duration;

use tokio::time::Instant;

use super::Schedule;
use super::key::{Key, Turn};
use super::queue::Queue;
use crate::parcel::ParcelId;

/// How far ahead lines are named. Whatever is named and not sent when the process dies has an unknown outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lookahead {
    /// An intent is written so long before its line may be sent, for it takes that long.
    pub(crate) lead: Duration,
    /// Where more than one line is due in this time, one intent names them all.
    pub(crate) window: Duration,
}

impl Schedule {
    /// The keys that need an intent since this was last asked.
    pub(crate) fn take_keys_wanting_intents(&mut self) -> Vec<u32> {
        let wanting = std::mem::take(&mut self.wanting_intents);
        for index in &wanting {
            self.keys[*index as usize].wants_intent = false;
        }
        wanting
    }

    /// How far ahead lines are named from now on.
    pub(crate) fn set_lookahead(&mut self, lookahead: Lookahead) {
        self.lookahead = lookahead;
    }

    /// Names lines of a key that may be sent soon.
    pub(crate) fn name_ahead(&mut self, index: u32, now: Instant, fresh: bool) -> Vec<ParcelId> {
        let lookahead = self.lookahead;
        self.keys[index as usize].name_ahead(now, fresh, lookahead)
    }

    /// Takes back the names of those lines of a key that were not sent, for none will be soon.
    pub(crate) fn take_back(&mut self, index: u32, unsent: impl Fn(ParcelId) -> bool) -> Vec<ParcelId> {
        self.keys[index as usize].take_back(unsent)
    }

    /// Marks a key that needs an intent. Says when it will need one, if it does not yet.
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
    /// When lines have to be named; `None`: not before something changes.
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

    /// When the first line without an intent may be sent, as far as the line is concerned.
    fn first_without_intent(&self, waiting: &Queue, now: Instant, fresh: bool) -> Option<Instant> {
        if fresh && !waiting.fresh.is_empty() { Some(now) } else { waiting.retry_at() }
    }

    /// Lines that should have an intent.
    fn wanted(&self, now: Instant, lookahead: Lookahead) -> usize {
        if self.wants_probe(now) { 1 } else { self.pacer.slots_in(lookahead.window).max(1) }
    }

    /// Named lines that would be sent before another intent is durable, about.
    fn low_mark(&self, now: Instant, lookahead: Lookahead) -> usize {
        let wanted = self.wanted(now, lookahead);
        self.pacer.slots_in(lookahead.lead).max(wanted / 4).min(wanted.saturating_sub(1))
    }

    fn name_ahead(&mut self, now: Instant, fresh: bool, lookahead: Lookahead) -> Vec<ParcelId> {
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
        let lines = back.iter().collect();
        back.prepend_to(waiting);
        lines
    }

    /// Lines that an intent names, durable or under way, although they are not under way.
    pub(crate) fn named_unsent(&self) -> impl Iterator<Item = ParcelId> {
        let named = self.needs_intent.is_some().then_some([&self.ready, &self.intent_pending]);
        named.into_iter().flatten().flat_map(Queue::iter)
    }
}

impl Turn {
    /// The earlier of a turn and an instant to look again.
    pub(super) fn or_at(self, at: Option<Instant>) -> Self {
        match (self, at) {
            (Self::Later(turn), Some(at)) => Self::Later(turn.min(at)),
            (Self::Never, Some(at)) => Self::Later(at),
            (turn, _) => turn,
        }
    }
}
