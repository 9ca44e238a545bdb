//! The rate limiter of one limit key: governor's GCRA (generic cell rate algorithm) on tokio's clock. When
//! the provider asks to slow down, the rate follows AIMD: it is halved at once, and grows back by a twentieth
//! each second.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use job::file::Rate;
use tokio::time::Instant;

/// GCRA's burst: the requests of ten milliseconds may go out together. tokio's timer has a resolution of one
/// millisecond and may be two milliseconds late.
const BURST_SECONDS: f64 = 0.01;
/// From this rate on, requests a second, two requests may go out together: they are at most 2% of a second's
/// requests.
const PAIRS: f64 = 50.0;
/// AIMD's multiplicative decrease: the share of the rate that is left when the provider asks to slow down.
const DECREASE: f64 = 0.5;
/// AIMD's additive increase: the share of the full rate that is added after each second without such a
/// request.
const INCREASE: f64 = 0.05;
/// The smallest share of the rate.
const MIN_FACTOR: f64 = 0.01;
/// The shortest time between two changes of the rate.
const STEP: Duration = Duration::from_secs(1);
/// Governor counts nanoseconds in 64 bits.
const LONGEST: Duration = Duration::from_secs(1_000_000_000);

type Limiter = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>;

/// How many slots a limiter has at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The first slot is free after one interval: an earlier call may just have used one.
    Empty,
    /// One slot is free: an earlier call has waited for it.
    Waited,
}

/// Hands out the slots of one key.
pub(crate) struct Pacer {
    /// Requests a second; of an unlimited key that is slowed down, the rate that it reached before.
    rate: Option<f64>,
    /// The rate that an unlimited key is assumed to reach at least.
    reach: Option<f64>,
    /// Share of the rate in use.
    factor: f64,
    limiter: Option<Box<Limiter>>,
    changed: Instant,
    slowed: Option<Instant>,
    free_by: Instant,
    recent: Recent,
}

impl Pacer {
    /// `in_flight`: the requests a second that an unlimited key is assumed to reach at least.
    pub(crate) fn new(rate: Rate, factor: f64, start: Start, in_flight: u32, now: Instant) -> Self {
        let factor = if factor.is_finite() { factor.clamp(MIN_FACTOR, 1.0) } else { 1.0 };
        let reach = rate.per_second().is_none().then_some(f64::from(in_flight));
        let rate = rate.per_second().or(reach.filter(|_| factor < 1.0));
        let recent = Recent::new(now);
        let mut pacer =
            Self { rate, reach, factor, limiter: None, changed: now, slowed: None, free_by: now, recent };
        pacer.rebuild(start, now);
        pacer
    }

    /// Takes a slot, or says when there will be one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(limiter) = &self.limiter {
            limiter.check().map_err(|not_until| limiter.clock().start + not_until.earliest_possible())?;
            self.free_by = now + self.interval();
            self.recover(now);
        } else {
            self.recent.count(now);
        }
        Ok(())
    }

    /// Sets another full rate. What the provider asked for before says nothing about it.
    pub(crate) fn set_rate(&mut self, rate: Rate, in_flight: u32, now: Instant) {
        self.rate = rate.per_second();
        self.reach = self.rate.is_none().then_some(f64::from(in_flight));
        self.factor = 1.0;
        self.slowed = None;
        self.changed = now;
        self.recent = Recent::new(now);
        self.rebuild(Start::Empty, now);
    }

    /// The latest instant at which a slot becomes free.
    pub(crate) fn free_by(&self) -> Instant {
        self.free_by
    }

    /// The slots of `window` at the present rate. For an unlimited key: the requests that it sends in this
    /// time, and at least one for each request that may be in flight.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a line count; saturates")]
    pub(crate) fn slots_in(&self, window: Duration) -> usize {
        match (self.rate, self.reach) {
            (Some(rate), _) => (rate * self.factor * window.as_secs_f64()) as usize,
            (None, reach) => {
                (self.recent.per_second() * window.as_secs_f64()).max(reach.unwrap_or(1.0)) as usize
            }
        }
    }

    /// The provider asked to slow down in its response to a request sent at `sent`. Requests that were sent
    /// before the last slow-down say nothing about the new rate.
    pub(crate) fn slow_down(&mut self, sent: Instant, now: Instant) {
        let soon = |slowed: Instant| sent <= slowed || now < slowed + STEP;
        if self.slowed.is_some_and(soon) {
            return;
        }
        self.rate.get_or_insert_with(|| self.recent.per_second().max(self.reach.unwrap_or(0.0)));
        self.slowed = Some(now);
        self.changed = now;
        self.factor = (self.factor * DECREASE).max(MIN_FACTOR);
        self.rebuild(Start::Empty, now);
    }

    /// The present rate in requests a second; 0 without a limit.
    pub(crate) fn rate(&self) -> f64 {
        self.rate.map_or(0.0, |rate| rate * self.factor)
    }

    /// Share of the rate in use, at most 1.
    pub(crate) fn factor(&self) -> f64 {
        self.factor
    }

    /// Steps up at most once a second, and only when a request goes out: a pause is not a sign of health.
    fn recover(&mut self, now: Instant) {
        if self.factor >= 1.0 || now < self.changed + STEP {
            return;
        }
        self.changed = now;
        self.factor = (self.factor + INCREASE).min(1.0);
        if self.reach.is_some() && self.factor >= 1.0 {
            self.rate = None;
            self.limiter = None;
            self.recent = Recent::new(now);
        } else {
            self.rebuild(Start::Empty, now);
        }
    }

    /// Makes a new limiter, because governor cannot change a quota.
    fn rebuild(&mut self, start: Start, now: Instant) {
        self.limiter = self.rate.map(|rate| limiter(rate * self.factor, start, now));
        self.free_by = if start == Start::Empty { now + self.interval() } else { now };
    }

    /// The time that a number of slots takes at the present rate.
    pub(crate) fn interval_of(&self, slots: f64) -> Duration {
        Duration::try_from_secs_f64(self.interval().as_secs_f64() * slots).unwrap_or(LONGEST).min(LONGEST)
    }

    fn interval(&self) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| period(rate * self.factor))
    }
}

/// The interval of a rate in whole nanoseconds, rounded up: the rate never exceeds the limit.
pub(crate) fn period(rate: f64) -> Duration {
    Duration::try_from_secs_f64((1e9 / rate).ceil() / 1e9)
        .unwrap_or(LONGEST)
        .clamp(Duration::from_nanos(1), LONGEST)
}

/// The requests of a rate that may go out together.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=1000")]
pub(crate) fn burst_of(rate: f64) -> u32 {
    (rate * BURST_SECONDS).floor().clamp(if rate >= PAIRS { 2.0 } else { 1.0 }, 1000.0) as u32
}

fn limiter(rate: f64, start: Start, now: Instant) -> Box<Limiter> {
    let burst = NonZeroU32::new(burst_of(rate)).expect("at least 1");
    let quota = Quota::with_period(period(rate)).expect("a period above zero").allow_burst(burst);
    let limiter = RateLimiter::direct_with_clock(quota, TokioClock { start: now });
    // A new limiter is full.
    let spent = match start {
        Start::Empty => Some(burst),
        Start::Waited => NonZeroU32::new(burst.get() - 1),
    };
    if let Some(spent) = spent {
        let taken = limiter.check_n(spent);
        debug_assert!(matches!(taken, Ok(Ok(()))), "a new limiter holds its burst");
    }
    Box::new(limiter)
}

/// Counts the requests of the last full second: the rate of a key without a limit.
struct Recent {
    since: Instant,
    count: u32,
    before: u32,
}

impl Recent {
    fn new(now: Instant) -> Self {
        Self { since: now, count: 0, before: 0 }
    }

    fn count(&mut self, now: Instant) {
        if now >= self.since + STEP {
            *self = Self { since: now, count: 0, before: self.count };
        }
        self.count += 1;
    }

    fn per_second(&self) -> f64 {
        f64::from(self.before.max(self.count).max(1))
    }
}

/// tokio's clock, which a test can pause and move.
#[derive(Debug, Clone)]
struct TokioClock {
    start: Instant,
}

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }
}
