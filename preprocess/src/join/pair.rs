//! Pairs the lines of two runs that ask the same thing. Both are sorted by request, then by line. The lines of
//! one request are paired in order. Where the new run has fewer of them, the lines that would be sent again
//! are left over first, then those that failed, then the successes.

use job::file::Identity;
use job::run::damaged;
use job::{LineId, StepError};
use serde::{Deserialize, Serialize};

use super::merge::Merge;
use super::record::{Place, State, by_place, is_kept, request_and_line, state_of};
use super::sort::{SortedRun, Sorter};

/// Bytes of old lines of one request that are held in memory until the number of its new lines is known.
/// The lines of a request with more of them are counted first.
const HELD: usize = 1 << 20;

/// Pairs the lines of two runs.
pub(super) struct Pairing<'a> {
    inputs: Inputs<'a>,
    old: Merge,
    new: Merge,
    surplus: Option<Surplus>,
    pairs: Sorter,
    held: usize,
}

/// What is paired, in sorted runs.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) objects: &'a job::Objects,
    pub(super) old: &'a [SortedRun],
    pub(super) new: &'a [SortedRun],
    pub(super) request_bytes: usize,
}

/// Where another call continues.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct PairingAt {
    old: Vec<u64>,
    new: Vec<u64>,
    surplus: Option<Surplus>,
}

/// How many old lines of a request are left over, by state.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Surplus {
    request: Identity,
    lines: States,
}

/// Lines by state, in the order of [`State::ALL`].
type States = [u64; State::ALL.len()];

/// The old lines of one request, in order.
type Group = Vec<Vec<u8>>;

impl<'a> Pairing<'a> {
    pub(super) async fn open(inputs: Inputs<'a>, at: PairingAt, pairs: Sorter) -> Result<Self, StepError> {
        let (old, new) = (inputs.open_old(&at.old).await?, inputs.open_new(&at.new).await?);
        Ok(Self { inputs, old, new, surplus: at.surplus, pairs, held: HELD })
    }

    /// Pairs the lines of the next request, or more than that where it has few. Returns whether there may be
    /// more.
    ///
    /// # Errors
    /// `Run.Damaged`, and errors of the store.
    pub(super) async fn step(&mut self) -> Result<bool, StepError> {
        let (Some(old), Some(new)) = (request(&self.old), request(&self.new)) else { return Ok(false) };
        match old.cmp(&new) {
            std::cmp::Ordering::Less => self.old.advance().await?,
            std::cmp::Ordering::Greater => self.new.advance().await?,
            std::cmp::Ordering::Equal => self.pair(old).await?,
        }
        Ok(true)
    }

    /// The sorted runs of the pairs, and where another call continues.
    ///
    /// # Errors
    /// Errors of the store.
    pub(super) async fn pause(self) -> Result<(Vec<SortedRun>, PairingAt), StepError> {
        let at = PairingAt { old: self.old.positions(), new: self.new.positions(), surplus: self.surplus };
        Ok((self.pairs.finish().await?, at))
    }

    async fn pair(&mut self, request: Identity) -> Result<(), StepError> {
        if self.surplus.as_ref().is_some_and(|surplus| surplus.request == request) {
            let payload = self.old.peek().map(|(_, payload)| payload.to_owned()).unwrap_or_default();
            self.old.advance().await?;
            return self.offer(&payload, request).await;
        }
        let (group, complete) = self.hold(request).await?;
        let states = count(&group)?;
        if !complete {
            self.surplus = Some(Surplus { request, lines: self.count_rest(request, states).await? });
            for payload in group {
                self.offer(&payload, request).await?;
            }
            return Ok(());
        }
        let mut lines = Vec::with_capacity(1);
        while lines.len() < group.len() && self::request(&self.new) == Some(request) {
            lines.extend(self.next_line()?);
            self.new.advance().await?;
        }
        let mut surplus = surplus(states, lines.len() as u64);
        let mut lines = lines.into_iter();
        for payload in group {
            let left = &mut surplus[state(&payload)? as usize];
            if *left > 0 {
                *left -= 1;
            } else if let Some((place, n)) = lines.next() {
                self.write(place, n, &payload).await?;
            }
        }
        Ok(())
    }

    /// Takes the old lines of a request into memory. Returns whether these are all.
    async fn hold(&mut self, request: Identity) -> Result<(Group, bool), StepError> {
        let (mut group, mut bytes) = (Group::new(), 0);
        while let Some((key, payload)) = self.old.peek()
            && request_and_line(key).0 == request
        {
            if bytes > self.held {
                return Ok((group, false));
            }
            bytes += payload.len() + size_of::<Vec<u8>>();
            group.push(payload.to_owned());
            self.old.advance().await?;
        }
        Ok((group, true))
    }

    /// Counts the lines of a request that are not in memory, on both sides, and returns to where they begin.
    /// Returns how many old lines are left over.
    async fn count_rest(&mut self, request: Identity, mut states: States) -> Result<States, StepError> {
        let (old_at, new_at) = (self.old.positions(), self.new.positions());
        while let Some((key, payload)) = self.old.peek()
            && request_and_line(key).0 == request
        {
            states[state(payload)? as usize] += 1;
            self.old.advance().await?;
        }
        let (all, mut lines) = (states.iter().sum(), 0);
        while lines < all && self::request(&self.new) == Some(request) {
            lines += 1;
            self.new.advance().await?;
        }
        self.old = self.inputs.open_old(&old_at).await?;
        self.new = self.inputs.open_new(&new_at).await?;
        Ok(surplus(states, lines))
    }

    /// Pairs an old line with the next new line of its request, unless it is left over.
    async fn offer(&mut self, payload: &[u8], request: Identity) -> Result<(), StepError> {
        let state = state(payload)?;
        if let Some(surplus) = &mut self.surplus
            && surplus.lines[state as usize] > 0
        {
            surplus.lines[state as usize] -= 1;
            return Ok(());
        }
        if self::request(&self.new) == Some(request)
            && let Some((place, n)) = self.next_line()?
        {
            self.new.advance().await?;
            self.write(place, n, payload).await?;
        }
        Ok(())
    }

    /// The next new line.
    fn next_line(&self) -> Result<Option<(Place, LineId)>, StepError> {
        let Some((key, place)) = self.new.peek() else { return Ok(None) };
        let place =
            Place::from_bytes(place).ok_or_else(|| damaged("checkpoint/join", "a line has no place"))?;
        Ok(Some((place, request_and_line(key).1)))
    }

    async fn write(&mut self, place: Place, n: LineId, payload: &[u8]) -> Result<(), StepError> {
        if is_kept(payload) { self.pairs.push(&by_place(place, n), payload).await } else { Ok(()) }
    }
}

impl Inputs<'_> {
    async fn open_old(&self, at: &[u64]) -> Result<Merge, StepError> {
        Merge::open(self.objects, self.old, Some(at), self.request_bytes).await
    }

    async fn open_new(&self, at: &[u64]) -> Result<Merge, StepError> {
        Merge::open(self.objects, self.new, Some(at), self.request_bytes).await
    }
}

fn request(merge: &Merge) -> Option<Identity> {
    merge.peek().map(|(key, _)| request_and_line(key).0)
}

fn state(payload: &[u8]) -> Result<State, StepError> {
    state_of(payload).ok_or_else(|| damaged("checkpoint/join", "a line has no state"))
}

fn count(group: &Group) -> Result<States, StepError> {
    let mut states = States::default();
    for payload in group {
        states[state(payload)? as usize] += 1;
    }
    Ok(states)
}

/// How many old lines of each state are left over where there are this many new ones.
fn surplus(states: States, lines: u64) -> States {
    let mut unpaired = states.iter().sum::<u64>().saturating_sub(lines);
    let mut surplus = States::default();
    for (surplus, lines) in surplus.iter_mut().zip(states).rev() {
        *surplus = unpaired.min(lines);
        unpaired -= *surplus;
    }
    surplus
}

#[cfg(test)]
mod tests;
