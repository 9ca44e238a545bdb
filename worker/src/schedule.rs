//! Which parcel goes next: one queue per limit key, and a heap of the keys by the instant at which each may
//! send. A parcel waits only for its own key.

mod handover;
mod health;
mod intents;
mod key;
mod queue;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use job::file::Rate;
use tokio::time::Instant;

pub(crate) use handover::KeyLimit;
pub(crate) use health::Abandoned;
pub(crate) use intents::Lookahead;
pub(crate) use key::{Key, Turn};

use crate::pace::Now;
use crate::parcel::ParcelId;

/// All keys of one call.
#[derive(Default)]
pub(crate) struct Schedule {
    keys: Vec<Key>,
    due: BinaryHeap<Reverse<(Instant, u32)>>,
    /// Parcels in the queues.
    waiting: usize,
    /// Keys that could send soon if an intent named their lines.
    wanting_intents: Vec<u32>,
    lookahead: Lookahead,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this parcel; its slot is taken.
    Send(ParcelId),
    /// Nothing before this.
    At(Instant),
    /// Nothing until an attempt ends or something else changes.
    Idle,
}

impl Schedule {
    /// Adds a key; returns its index.
    pub(crate) fn add(&mut self, key: Key) -> u32 {
        self.keys.push(key);
        u32::try_from(self.keys.len() - 1).expect("a batch has fewer parcels than that")
    }

    pub(crate) fn key(&self, index: u32) -> &Key {
        &self.keys[index as usize]
    }

    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Parcels in the queues, those under way not counted.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// A parcel that was never sent joins the end of its key's queue.
    pub(crate) fn push(&mut self, key: u32, parcel: ParcelId, now: Instant) {
        self.waiting += 1;
        self.change(key, now, |key| key.push(parcel));
    }

    /// A parcel waits to be sent again, not before `at`. `named`: the intent of its last attempt still names
    /// it.
    pub(crate) fn push_retry(&mut self, key: u32, parcel: ParcelId, at: Instant, named: bool, now: Instant) {
        self.waiting += 1;
        self.change(key, now, |key| key.push_retry(parcel, at, named));
    }

    /// A parcel in the middle of a redirect goes before all others.
    pub(crate) fn push_redirect(&mut self, key: u32, parcel: ParcelId, now: Instant) {
        self.waiting += 1;
        self.change(key, now, |key| key.push_redirect(parcel));
    }

    /// The next parcel that may be sent. `prepare` prepares a parcel that was never sent; one that it rejects
    /// leaves the queue without a slot. Without `fresh` only parcels that were sent before may go.
    pub(crate) fn next(&mut self, now: Now, fresh: bool, prepare: &mut dyn FnMut(ParcelId) -> bool) -> Next {
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
            let turn = key.turn(now, fresh, prepare);
            self.waiting -= before - key.waiting();
            match turn {
                Turn::Send(parcel) => {
                    self.put(index, now.instant);
                    return Next::Send(parcel);
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

    /// The rate of every key is another one from now on.
    pub(crate) fn set_rate(&mut self, rate: Rate, now: Instant) {
        self.keys.iter_mut().for_each(|key| key.set_rate(rate, now));
        self.wake(now);
    }

    /// Looks at every key again.
    pub(crate) fn wake(&mut self, now: Instant) {
        for index in (0..).take(self.keys.len()) {
            if self.key(index).waiting() > 0 {
                self.put(index, now);
            }
        }
    }

    /// Takes all waiting parcels of a key out.
    pub(crate) fn drain(&mut self, index: u32) -> Vec<ParcelId> {
        let parcels = self.keys[index as usize].drain();
        self.waiting -= parcels.len();
        parcels
    }

    /// Takes all parcels out that were sent before and meet a condition.
    pub(crate) fn take_out(&mut self, condition: impl Fn(ParcelId) -> bool) -> Vec<ParcelId> {
        let parcels: Vec<_> = self.keys.iter_mut().flat_map(|key| key.take_out(&condition)).collect();
        self.waiting -= parcels.len();
        parcels
    }

    /// Takes all waiting parcels out.
    pub(crate) fn drain_all(&mut self) -> Vec<ParcelId> {
        self.waiting = 0;
        self.keys.iter_mut().flat_map(Key::drain).collect()
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
mod tests;
