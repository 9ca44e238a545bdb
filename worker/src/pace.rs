//! How fast requests of a limit key may go out: the rate limiter, the circuit breaker, and the clock of both.

mod breaker;
mod pacer;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

pub(crate) use breaker::{Breaker, Health, Permit};
pub(crate) use pacer::{Pacer, Start, burst_of, period};

const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// An instant for timers, and the same in milliseconds since 1970 for messages and results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) millis: u64,
}

/// The wall clock, read once and continued by tokio's clock. It never jumps, and follows the time that a test
/// sets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wall {
    instant: Instant,
    millis: u64,
}

impl Wall {
    pub(crate) fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { instant: Instant::now(), millis: millis(since) }
    }

    pub(crate) fn now(&self) -> Now {
        self.at(Instant::now())
    }

    pub(crate) fn at(&self, instant: Instant) -> Now {
        Now { instant, millis: self.millis + millis(instant.saturating_duration_since(self.instant)) }
    }
}

impl Now {
    /// The instant of a time in milliseconds since 1970; the present for a time in the past. At most a year
    /// ahead.
    pub(crate) fn instant_of(self, millis: u64) -> Instant {
        self.instant + Duration::from_millis(millis.saturating_sub(self.millis)).min(YEAR)
    }

    /// An instant in milliseconds since 1970, rounded up; the present for an instant in the past.
    pub(crate) fn millis_of(self, instant: Instant) -> u64 {
        let ahead = instant.saturating_duration_since(self.instant);
        self.millis + u64::try_from(ahead.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX / 2)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
