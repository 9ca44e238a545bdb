//! Which lines of a key need a durable intent now, where a request must not be repeated.

use std::time::Duration;

use tokio::time::Instant;

use super::key::{Key, Turn};
use super::queue::Queue;
use super::{Line, Schedule};

/// How far ahead lines are named. Whatever is named and not sent when the process dies has an unknown outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// An intent is written so long before its line may be sent, for it takes that long.
    pub(crate) lead: Duration,
    /// Where more than one line is due in this time, one intent names them all.
    pub(crate) window: Duration,
}

impl Schedule {
    /// The keys that need an intent since this was last asked.
    pub(crate) fn take_hungry(&mut self) -> Vec<u32> {
        let hungry = std::mem::take(&mut self.hungry);
        for index in &hungry {
            self.keys[*index as usize].hungry = false;
        }
        hungry
    }

    /// How far ahead lines are named from now on.
    pub(crate) fn set_ahead(&mut self, ahead: Ahead) {
        self.ahead = ahead;
    }

    /// Names lines of a key that may be sent soon.
    pub(crate) fn name_lines(&mut self, index: u32, now: Instant, fresh: bool) -> Vec<Line> {
        let ahead = self.ahead;
        self.keys[index as usize].name_lines(now, fresh, ahead)
    }

    /// Takes back the names of those lines of a key that were not sent, for none will be soon.
    pub(crate) fn take_back(&mut self, index: u32, unsent: impl Fn(Line) -> bool) -> Vec<Line> {
        self.keys[index as usize].take_back(unsent)
    }

    /// Marks a key that needs an intent. Says when it will need one, if it does not yet.
    pub(super) fn look_ahead(&mut self, index: u32, now: Instant, fresh: bool) -> Option<Instant> {
        let key = &mut self.keys[index as usize];
        let at = key.names_at(now, fresh, self.ahead)?;
        if at > now {
            return Some(at);
        }
        if !std::mem::replace(&mut key.hungry, true) {
            self.hungry.push(index);
        }
        None
    }
}

impl Key {
    /// When lines have to be named; `None`: not before something changes.
    fn names_at(&self, now: Instant, fresh: bool, ahead: Ahead) -> Option<Instant> {
        let unnamed = self.unnamed.as_ref()?;
        if self.naming.len() > 0 || self.is_held(now) {
            return None;
        }
        let first = self.first_unnamed(unnamed, now, fresh)?;
        match self.ready.due(now + ahead.lead, fresh) {
            0 => Some(self.pacer.free_by().max(first).checked_sub(ahead.lead).unwrap_or(now)),
            named if named <= self.few(now, ahead) => Some(first),
            _ => None,
        }
    }

    /// When the first line without an intent may be sent, as far as the line is concerned.
    fn first_unnamed(&self, unnamed: &Queue, now: Instant, fresh: bool) -> Option<Instant> {
        if fresh && !unnamed.fresh.is_empty() { Some(now) } else { unnamed.retry_at() }
    }

    /// Lines that should have an intent.
    fn wanted(&self, now: Instant, ahead: Ahead) -> usize {
        if self.is_probed(now) { 1 } else { self.pacer.slots_in(ahead.window).max(1) }
    }

    /// Named lines that would be sent before another intent is durable, about.
    fn few(&self, now: Instant, ahead: Ahead) -> usize {
        let wanted = self.wanted(now, ahead);
        self.pacer.slots_in(ahead.lead).max(wanted / 4).min(wanted.saturating_sub(1))
    }

    fn name_lines(&mut self, now: Instant, fresh: bool, ahead: Ahead) -> Vec<Line> {
        if self.naming.len() > 0 {
            return Vec::new();
        }
        let most = self.wanted(now, ahead).saturating_sub(self.ready.due(now + ahead.lead, fresh));
        let Some(unnamed) = &mut self.unnamed else { return Vec::new() };
        unnamed.move_due(&mut self.naming, most, now + ahead.lead, fresh);
        self.naming.iter().collect()
    }

    /// The intent under way is durable.
    pub(crate) fn named(&mut self) {
        self.naming.append_to(&mut self.ready);
    }

    fn take_back(&mut self, unsent: impl Fn(Line) -> bool) -> Vec<Line> {
        let Some(unnamed) = &mut self.unnamed else { return Vec::new() };
        let mut back = self.ready.split_off(unsent);
        let lines = back.iter().collect();
        back.prepend_to(unnamed);
        lines
    }

    /// Lines that an intent names, durable or under way, although they are not under way.
    pub(crate) fn named_unsent(&self) -> impl Iterator<Item = Line> {
        let named = self.unnamed.is_some().then_some([&self.ready, &self.naming]);
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
