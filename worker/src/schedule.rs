//! Which line goes next: one queue per limit key, and a heap of the keys by the instant when each may send.
//! A line waits only for its own key.

mod handover;
mod key;
mod naming;
mod queue;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tokio::time::Instant;

pub(crate) use key::{Death, Key, KeyLimit, Line, Turn};
pub(crate) use naming::Ahead;

use crate::pace::Now;

/// All keys of one call.
#[derive(Default)]
pub(crate) struct Schedule {
    keys: Vec<Key>,
    due: BinaryHeap<Reverse<(Instant, u32)>>,
    /// Lines in the queues.
    waiting: usize,
    /// Keys that could send soon, if an intent named their lines.
    hungry: Vec<u32>,
    ahead: Ahead,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this line; its slot is taken.
    Send(Line),
    /// Nothing before this.
    At(Instant),
    /// Nothing until an attempt ends or something else changes.
    Idle,
}

impl Schedule {
    /// Adds a key; returns its index.
    pub(crate) fn add(&mut self, key: Key) -> u32 {
        self.keys.push(key);
        u32::try_from(self.keys.len() - 1).expect("a batch has fewer lines than that")
    }

    pub(crate) fn key(&self, index: u32) -> &Key {
        &self.keys[index as usize]
    }

    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Lines in the queues, those under way not counted.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// A line that was never sent joins the end of its key's queue.
    pub(crate) fn push(&mut self, key: u32, line: Line, now: Instant) {
        self.waiting += 1;
        self.change(key, now, |key| key.push(line));
    }

    /// A line waits to be sent again, not before `at`. `named`: the intent of its last attempt still names it.
    pub(crate) fn push_retry(&mut self, key: u32, line: Line, at: Instant, named: bool, now: Instant) {
        self.waiting += 1;
        self.change(key, now, |key| key.push_retry(line, at, named));
    }

    /// A line in the middle of a redirect goes before all others.
    pub(crate) fn push_hop(&mut self, key: u32, line: Line, now: Instant) {
        self.waiting += 1;
        self.change(key, now, |key| key.push_hop(line));
    }

    /// The next line that may be sent. `ready` prepares a line that was never sent; a line it refuses leaves the
    /// queue without a slot. With `fresh` unset only lines that were sent before may go.
    pub(crate) fn next(&mut self, now: Now, fresh: bool, ready: &mut dyn FnMut(Line) -> bool) -> Next {
        while let Some(&Reverse((at, index))) = self.due.peek() {
            if self.keys[index as usize].due != Some(at) {
                self.due.pop();
                continue;
            }
            if at > now.instant {
                return Next::At(at);
            }
            self.due.pop();
            let key = &mut self.keys[index as usize];
            key.due = None;
            let before = key.waiting();
            let turn = key.turn(now, fresh, ready);
            self.waiting -= before - key.waiting();
            match turn {
                Turn::Send(line) => {
                    self.put(index, now.instant);
                    return Next::Send(line);
                }
                turn => {
                    let look = self.look_ahead(index, now.instant, fresh);
                    if let Turn::Later(at) = turn.or_at(look) {
                        self.put(index, at);
                    }
                }
            }
        }
        Next::Idle
    }

    /// Changes a key, and looks at it again at once.
    pub(crate) fn change<T>(&mut self, index: u32, now: Instant, change: impl FnOnce(&mut Key) -> T) -> T {
        let result = change(&mut self.keys[index as usize]);
        if self.keys[index as usize].waiting() > 0 {
            self.put(index, now);
        }
        result
    }

    /// Looks at every key again.
    pub(crate) fn wake(&mut self, now: Instant) {
        for index in 0..self.keys.len() {
            if self.keys[index].waiting() > 0 {
                self.put(u32::try_from(index).expect("as added"), now);
            }
        }
    }

    /// Takes all waiting lines of a key out.
    pub(crate) fn drain(&mut self, index: u32) -> Vec<Line> {
        let lines = self.keys[index as usize].drain();
        self.waiting -= lines.len();
        lines
    }

    /// Takes those lines of a key out that were sent before and meet a condition.
    pub(crate) fn take_out(&mut self, index: u32, condition: impl Fn(Line) -> bool) -> Vec<Line> {
        let lines = self.keys[index as usize].take_out(condition);
        self.waiting -= lines.len();
        lines
    }

    /// Takes all waiting lines out.
    pub(crate) fn drain_all(&mut self) -> Vec<Line> {
        (0..self.keys.len()).flat_map(|index| self.drain(u32::try_from(index).expect("as added"))).collect()
    }

    fn put(&mut self, index: u32, at: Instant) {
        let due = &mut self.keys[index as usize].due;
        if due.is_none_or(|due| due > at) {
            *due = Some(at);
            self.due.push(Reverse((at, index)));
        }
    }
}

#[cfg(test)]
#[path = "schedule/tests.rs"]
mod tests;
