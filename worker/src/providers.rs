//! What all runs of one process share of a provider: its ceiling, and until when it is to be left alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use job::file::{Limit, Limits};
use tokio::time::Instant;

use crate::pace::{burst_of, period};

/// A key that has its turn and does not come loses it after this time.
const GRACE: Duration = Duration::from_millis(20);
/// When all requests that the ceiling allows are under way, a key looks again after this time.
const FULL: Duration = Duration::from_millis(10);

/// The providers that the runs of a process share.
#[derive(Default)]
pub struct Providers {
    /// The ceilings, by the names of limits.
    ceilings: Option<Limits>,
    known: Mutex<HashMap<String, Arc<Provider>>>,
}

impl Providers {
    /// Providers of which some have a ceiling: all runs together stay within it.
    pub fn with_ceilings(ceilings: Limits) -> Self {
        Self {
            ceilings: Some(ceilings).filter(|limits| !limits.providers.is_empty()),
            known: Mutex::default(),
        }
    }

    /// The name and the limit of the ceiling that a limit key is under, as a job's own limits are found.
    pub fn ceiling(&self, key: &str) -> Option<(&str, Limit)> {
        let found = self.ceilings.as_ref()?.provider(key)?;
        Some((&found.name, found.limit))
    }

    /// What is shared of a limit key. A key that is not a host means something in its job only, unless it has a ceiling.
    pub(crate) fn of(&self, key: &str, is_host: bool) -> Option<Arc<Provider>> {
        let ceiling = self.ceiling(key);
        if ceiling.is_none() && !is_host {
            return None;
        }
        let name = ceiling.map_or(key, |(name, _)| name);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(name) {
            return Some(found.clone());
        }
        let now = Instant::now();
        if known.len() == known.capacity() {
            known.retain(|_, provider| Arc::strong_count(provider) > 1 || provider.is_busy(now));
        }
        let provider = Arc::new(Provider::new(ceiling.map(|(_, limit)| limit), now));
        known.insert(name.to_owned(), provider.clone());
        Some(provider)
    }
}

/// One provider. Keys of several calls use it; each has a [`Share`].
pub(crate) struct Provider(Mutex<State>);

struct State {
    /// The time between two requests, if there is a rate.
    interval: Option<Duration>,
    /// The requests that may go out together.
    burst: u32,
    most_in_flight: u32,
    in_flight: u32,
    /// GCRA's theoretical arrival time: when the next request is due if none goes early.
    due: Instant,
    /// Nothing is sent before this instant.
    hold: Option<Instant>,
    /// The keys that wait, in order, and when each loses its place.
    waiting: BTreeMap<u64, Instant>,
    next: u64,
}

impl Provider {
    fn new(ceiling: Option<Limit>, now: Instant) -> Self {
        let rate = ceiling.and_then(|limit| limit.rate.per_second());
        Self(Mutex::new(State {
            interval: rate.map(period),
            burst: rate.map_or(1, burst_of),
            most_in_flight: ceiling.map_or(u32::MAX, |limit| limit.most_in_flight.max(limit.in_flight)),
            in_flight: 0,
            due: now,
            hold: None,
            waiting: BTreeMap::new(),
            next: 0,
        }))
    }

    /// Nothing is sent before `until`, by any run.
    pub(crate) fn hold_until(&self, until: Instant) {
        let mut state = self.lock();
        state.hold = state.hold.max(Some(until));
    }

    /// Whether what it knows still says when the next request may go out.
    fn is_busy(&self, now: Instant) -> bool {
        let state = self.lock();
        state.due > now || state.hold.is_some_and(|hold| hold > now)
    }

    /// Until when nothing is sent, if that is in the future.
    pub(crate) fn held(&self, now: Instant) -> Option<Instant> {
        self.lock().hold.filter(|hold| *hold > now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// When the key with this place may send; now or earlier if it may.
    fn at(&mut self, place: Option<u64>, now: Instant) -> Instant {
        let Some(interval) = self.interval else { return now };
        self.waiting.retain(|_, until| *until > now);
        let ahead = self.waiting.range(..place.unwrap_or(u64::MAX)).count();
        let early = interval * (self.burst - 1);
        let first = self.due.checked_sub(early).unwrap_or(self.due).max(now);
        first + interval * u32::try_from(ahead).unwrap_or(u32::MAX)
    }
}

/// A key's part in a provider: its place among those that wait, and its requests under way.
pub(crate) struct Share {
    provider: Arc<Provider>,
    place: Option<u64>,
    /// How many requests it may send before it goes to the end.
    turns: u32,
    in_flight: u32,
}

impl Share {
    pub(crate) fn new(provider: Arc<Provider>) -> Self {
        Self { provider, place: None, turns: 0, in_flight: 0 }
    }

    pub(crate) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Takes a turn of the provider if `own` takes one of the key too, or says when to look again. Keys that wait
    /// get their turns in order.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        own: impl FnOnce() -> Result<(), Instant>,
    ) -> Result<(), Instant> {
        let mut state = self.provider.lock();
        if let Some(hold) = state.hold.filter(|hold| *hold > now) {
            return Err(hold);
        }
        if state.in_flight >= state.most_in_flight {
            return Err(now + FULL);
        }
        let at = state.at(self.place, now);
        if at > now {
            let place = match self.place {
                Some(place) => place,
                None => {
                    state.next += 1;
                    self.turns = state.burst;
                    *self.place.insert(state.next)
                }
            };
            state.waiting.insert(place, at + GRACE);
            return Err(at);
        }
        if let Err(at) = own() {
            // Its own limit is stricter now: others go first.
            if let Some(place) = self.place.take() {
                state.waiting.remove(&place);
            }
            return Err(at);
        }
        if let Some(interval) = state.interval {
            state.due = state.due.max(now) + interval;
        }
        self.turns = self.turns.saturating_sub(1);
        if let Some(place) = self.place {
            if self.turns == 0 {
                state.waiting.remove(&place);
                self.place = None;
            } else {
                state.waiting.insert(place, now + GRACE);
            }
        }
        state.in_flight += 1;
        self.in_flight += 1;
        Ok(())
    }

    /// The key has nothing to send for now: it gives up its place.
    pub(crate) fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            self.provider.lock().waiting.remove(&place);
        }
    }

    /// A request is back.
    pub(crate) fn returned(&mut self) {
        self.in_flight -= 1;
        self.provider.lock().in_flight -= 1;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.leave();
        self.provider.lock().in_flight -= self.in_flight;
    }
}

#[cfg(test)]
mod tests {
    use job::file::{LimitRules, Provider as Named, Rate};

    use super::*;

    fn providers(rate: Rate, in_flight: Option<u32>) -> Providers {
        let limit = Limit::new(rate, in_flight);
        let named = Named { name: "*.example.com".to_owned(), limit, rules: LimitRules::default() };
        Providers::with_ceilings(Limits {
            by: None,
            max_requests: None,
            max_cost: None,
            providers: vec![named],
            default: limit,
            default_rules: LimitRules::default(),
        })
    }

    fn share(providers: &Providers, key: &str) -> Share {
        Share::new(providers.of(key, true).expect("a host is always shared"))
    }

    /// How often each share sends in a time, if each tries whenever it is told to.
    fn sent(shares: &mut [Share], begin: Instant, time: Duration) -> Vec<u32> {
        let mut at: Vec<Instant> = vec![begin; shares.len()];
        let mut sent = vec![0; shares.len()];
        loop {
            let next = (0..at.len()).min_by_key(|index| at[*index]).expect("there are shares");
            let now = at[next];
            if now >= begin + time {
                return sent;
            }
            match shares[next].take(now, || Ok(())) {
                Ok(()) => {
                    sent[next] += 1;
                    shares[next].returned();
                }
                Err(later) => at[next] = later,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_share_a_ceiling_evenly_and_together_stay_within_it() {
        for rate in [10.0, 200.0, 3000.0] {
            let providers = providers(Rate::PerSecond(rate), None);
            let mut shares: Vec<Share> =
                ["a.example.com", "b.example.com", "a.example.com"].map(|key| share(&providers, key)).into();
            let counts = sent(&mut shares, Instant::now(), Duration::from_secs(10));
            let (all, most) = (counts.iter().sum::<u32>(), f64::from(burst_of(rate)) + rate * 10.0);
            assert!(f64::from(all) <= most && f64::from(all) > 0.98 * rate * 10.0, "{rate}: {counts:?}");
            let (least, most) = (counts.iter().min(), counts.iter().max());
            let even = most.zip(least).is_some_and(|(most, least)| most - least <= 2 * burst_of(rate));
            assert!(even, "{rate}: {counts:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_does_not_come_loses_its_place() {
        let providers = providers(Rate::PerSecond(10.0), None);
        let (mut gone, mut other) = (share(&providers, "a.example.com"), share(&providers, "a.example.com"));
        let now = Instant::now();
        assert_eq!(other.take(now, || Ok(())), Ok(()));
        let at = gone.take(now, || Ok(())).expect_err("the rate is used up");
        let later = other.take(now, || Ok(())).expect_err("it is behind");
        assert!(later > at);
        let after = at + GRACE + Duration::from_millis(1);
        assert_eq!(other.take(after, || Ok(())), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_is_held_for_all_and_counts_what_is_under_way() {
        let providers = providers(Rate::Unlimited, Some(2));
        let (mut a, mut b) = (share(&providers, "a.example.com"), share(&providers, "b.example.com"));
        let now = Instant::now();
        assert_eq!((a.take(now, || Ok(())), b.take(now, || Ok(()))), (Ok(()), Ok(())));
        assert_eq!(a.take(now, || Ok(())), Err(now + FULL));
        drop(b);
        assert_eq!(a.take(now, || Ok(())), Ok(()), "the end of a call gives back what it had under way");
        let until = now + Duration::from_secs(7);
        a.provider().hold_until(until);
        assert_eq!(share(&providers, "c.example.com").take(now, || Ok(())), Err(until));
        let mut other = share(&providers, "other.example");
        assert_eq!(other.take(now, || Ok(())), Ok(()));
        other.provider().hold_until(until);
        drop(other);
        (0..1000).for_each(|n| drop(share(&providers, &format!("{n}.example"))));
        assert_eq!(share(&providers, "other.example").take(now, || Ok(())), Err(until));
        assert!(providers.of("customer 7", false).is_none());
    }
}
