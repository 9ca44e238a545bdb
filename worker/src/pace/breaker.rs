//! The circuit breaker of one limit key. It is closed while responses come, open after many failures in a
//! row, and half-open while one probe is under way: a provider that is down gets a probe now and then, not a
//! request per line.

use std::time::Duration;

use tokio::time::Instant;

use super::Now;
use crate::failure::Nature;
use crate::parcel::ParcelId;
use crate::retry::FEW_UNPROCESSED;

/// At least this many lines must fail in a row before it opens. The few lines of a small host use up their
/// attempts first.
const MIN_THRESHOLD: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A circuit breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// It opens when this many lines have failed in a row.
    threshold: u32,
    /// Lines that have failed in a row.
    streak: u32,
    state: State,
    /// How long it stays open the next time.
    pause: Duration,
    /// Milliseconds since 1970 when it opened; 0 while the provider is up.
    down_since: u64,
    /// Another batch found the provider down, and this one has not tried yet.
    unconfirmed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// This parcel is the probe.
    HalfOpen(ParcelId),
}

/// What an attempt says about the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It responded, whatever the response.
    Up,
    /// No connection, a timeout, a reset, a 5xx. Only the first failure of a line counts: a line that fails
    /// again may itself be the cause.
    Unhealthy { first_failure: bool },
    /// Nothing: no request went out.
    Unknown,
}

/// Whether a request may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    Granted,
    /// One request may go out, as a probe.
    Probe,
    /// None before this instant.
    Later(Instant),
    /// None before the probe is back.
    ProbeUnderWay,
}

impl Breaker {
    /// Opens after at least `in_flight` failures: requests that fail together are one observation.
    pub(crate) fn new(in_flight: u32) -> Self {
        Self {
            threshold: in_flight.max(MIN_THRESHOLD),
            streak: 0,
            state: State::Closed,
            pause: FIRST_PAUSE,
            down_since: 0,
            unconfirmed: false,
        }
    }

    /// The breaker of a provider that an earlier call found down.
    pub(crate) fn down(in_flight: u32, down_since: u64, until: Instant, now: Now) -> Self {
        let pause = Duration::from_millis(now.millis.saturating_sub(down_since) / 2)
            .clamp(FIRST_PAUSE, LONGEST_PAUSE);
        Self { state: State::Open { until }, pause, down_since, ..Self::new(in_flight) }
    }

    /// The breaker of a provider that was down when another batch ended: it begins with a probe.
    pub(crate) fn suspected(in_flight: u32, now: Now) -> Self {
        Self { unconfirmed: true, ..Self::down(in_flight, now.millis, now.instant, now) }
    }

    /// From now on this many requests may be under way.
    pub(crate) fn set_in_flight(&mut self, in_flight: u32) {
        self.threshold = in_flight.max(MIN_THRESHOLD);
    }

    pub(crate) fn permit(&self, now: Instant) -> Permit {
        match self.state {
            State::Closed => Permit::Granted,
            State::Open { until } if until <= now => Permit::Probe,
            State::Open { until } => Permit::Later(until),
            State::HalfOpen(_) => Permit::ProbeUnderWay,
        }
    }

    /// A request for this parcel goes out.
    pub(crate) fn sent(&mut self, parcel: ParcelId) {
        if let State::Open { .. } = self.state {
            self.state = State::HalfOpen(parcel);
        }
    }

    /// Records what an attempt says. `Some`: the breaker opens for this long.
    pub(crate) fn record(&mut self, parcel: ParcelId, health: Health, now: Now) -> Option<Duration> {
        match (health, self.state) {
            (Health::Up, _) => {
                *self = Self { threshold: self.threshold, ..Self::new(0) };
                None
            }
            (_, State::Closed) => {
                self.streak += u32::from(health == Health::Unhealthy { first_failure: true });
                (self.streak >= self.threshold).then(|| {
                    self.down_since = now.millis;
                    self.open(now.instant)
                })
            }
            (Health::Unknown, State::HalfOpen(probe)) if probe == parcel => {
                self.state = State::Open { until: now.instant };
                None
            }
            (_, State::HalfOpen(probe)) if probe == parcel => {
                if std::mem::take(&mut self.unconfirmed) {
                    self.down_since = now.millis;
                }
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Some(self.open(now.instant))
            }
            _ => None,
        }
    }

    /// Milliseconds since 1970 when the provider was found down; 0 while it is up.
    pub(crate) fn down_since(&self) -> u64 {
        self.down_since
    }

    fn open(&mut self, now: Instant) -> Duration {
        self.state = State::Open { until: now + self.pause };
        self.pause
    }
}

impl Health {
    /// What a failed attempt says. `first_failure`: the line has not failed before. `unprocessed`: how many
    /// of the line's requests were not processed.
    pub(crate) fn of(nature: Nature, code: job::Code, first_failure: bool, unprocessed: u32) -> Self {
        match (nature, code) {
            (_, job::Code::AddressDenied | job::Code::Url) | (Nature::Local, _) => Self::Unknown,
            // 408 and 425 come from a server that is up.
            (Nature::Doubtful, job::Code::Http(status)) if status < 500 => Self::Up,
            // The server is up and says so itself. Only when a line has had this several times is it a sign
            // of trouble.
            (Nature::Unprocessed, _) if unprocessed <= FEW_UNPROCESSED => Self::Unknown,
            (Nature::Doubtful | Nature::Unreached | Nature::Unprocessed, _) => {
                Self::Unhealthy { first_failure }
            }
            (Nature::Final | Nature::Throttled | Nature::Asked, _) => Self::Up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Health = Health::Unhealthy { first_failure: true };

    fn at(start: Instant, millis: u64) -> Now {
        Now { instant: start + Duration::from_millis(millis), millis: 1_000_000 + millis }
    }

    #[test]
    fn opens_probes_and_closes() {
        let start = Instant::now();
        let mut breaker = Breaker::new(4);
        for n in 0..9 {
            assert_eq!(breaker.record(n, DOWN, at(start, 0)), None);
        }
        assert_eq!(breaker.record(9, DOWN, at(start, 0)), Some(FIRST_PAUSE));
        assert_eq!(breaker.down_since(), 1_000_000);
        assert_eq!(breaker.record(10, DOWN, at(start, 5)), None, "it was under way");
        assert_eq!(breaker.permit(at(start, 999).instant), Permit::Later(at(start, 1000).instant));
        assert_eq!(breaker.permit(at(start, 1000).instant), Permit::Probe);
        breaker.sent(11);
        assert_eq!(breaker.permit(at(start, 1001).instant), Permit::ProbeUnderWay);
        assert_eq!(breaker.record(11, DOWN, at(start, 1010)), Some(FIRST_PAUSE * 2));
        assert_eq!(breaker.permit(at(start, 3009).instant), Permit::Later(at(start, 3010).instant));
        breaker.sent(12);
        assert_eq!(breaker.record(12, Health::Up, at(start, 3020)), None);
        assert_eq!((breaker.permit(start), breaker.down_since()), (Permit::Granted, 0));
    }

    #[test]
    fn what_was_heard_is_found_out_by_a_probe() {
        let start = Instant::now();
        let mut breaker = Breaker::suspected(4, at(start, 0));
        assert_eq!(breaker.permit(start), Permit::Probe);
        breaker.sent(1);
        assert_eq!(breaker.record(1, DOWN, at(start, 30_000)), Some(FIRST_PAUSE * 2));
        assert_eq!(breaker.down_since(), 1_030_000, "the probe's own time does not count");
        breaker.sent(2);
        assert_eq!(breaker.record(2, DOWN, at(start, 40_000)), Some(FIRST_PAUSE * 4));
        assert_eq!(breaker.down_since(), 1_030_000);
    }

    #[test]
    fn pauses_double_up_to_a_maximum() {
        let start = Instant::now();
        let mut breaker = Breaker::new(1);
        let mut longest = Duration::ZERO;
        for n in 0..40 {
            breaker.sent(n);
            longest = longest.max(breaker.record(n, DOWN, at(start, 0)).unwrap_or_default());
        }
        assert_eq!(longest, LONGEST_PAUSE);
    }

    #[test]
    fn repeated_failures_of_the_same_lines_do_not_open_it() {
        let start = Instant::now();
        let mut breaker = Breaker::new(1);
        for n in 0..1000 {
            assert_eq!(breaker.record(n, Health::Unhealthy { first_failure: false }, at(start, 0)), None);
        }
        assert_eq!(breaker.permit(start), Permit::Granted);
    }
}
