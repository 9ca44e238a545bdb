//! Whether a line is sent again, and when: policy and arithmetic, no waiting.

use std::time::Duration;

use job::file;

use crate::context::Rng;
use crate::failure::Nature;

/// The first backoff is between zero and this.
const BASE: Duration = Duration::from_millis(500);
/// The longest backoff.
const CAP: Duration = Duration::from_secs(30);

/// After this many requests that the server did not process, the line fails. A server that ends a connection
/// after ten or a thousand streams costs a line only a few.
const MAX_UNPROCESSED: u32 = 50;
/// This many are sent again at once and do not count as a sign that the provider is unhealthy.
pub(crate) const FEW_UNPROCESSED: u32 = 3;

/// The failed attempts of a parcel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RetryState {
    /// Attempts that count against the job's `attempts`.
    pub(crate) attempts: u32,
    /// Times the provider asked to slow down.
    pub(crate) throttles: u32,
    /// Requests that the provider did not process.
    pub(crate) unprocessed: u32,
    /// Milliseconds spent waiting because the provider asked for it.
    pub(crate) waited: u64,
}

impl RetryState {
    /// Records a failed attempt. It does not count if the provider is known to be down, because then the line
    /// is not the cause.
    pub(crate) fn record_failure(&mut self, nature: Nature, counted: bool) {
        match nature {
            Nature::Throttled => self.throttles += 1,
            Nature::Unprocessed => self.unprocessed += 1,
            Nature::Local => {}
            _ if !counted => {}
            _ => self.attempts += 1,
        }
    }
}

/// Whether a parcel with these failed attempts, the last one included, may be sent again.
pub(crate) fn may_retry(nature: Nature, state: RetryState, repeatable: bool, retry: &file::Retry) -> bool {
    match nature {
        Nature::Final => false,
        Nature::Local => true,
        Nature::Unprocessed => state.unprocessed < MAX_UNPROCESSED,
        Nature::Doubtful if !repeatable => false,
        Nature::Doubtful | Nature::Unreached | Nature::Asked => state.attempts < retry.attempts,
        Nature::Throttled => {
            state.throttles < throttles(retry.attempts)
                && u128::from(state.waited) <= retry.max_wait.as_millis()
        }
    }
}

/// How often the provider may ask to slow down. Such a response is pacing and not a failure, so the number is
/// larger than `attempts`; but a job that wants one attempt gets one.
fn throttles(attempts: u32) -> u32 {
    if attempts == 1 { 1 } else { attempts * 4 }
}

/// Exponential backoff with full jitter: between zero and `BASE`, which is doubled with each earlier failure.
/// Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
pub(crate) fn backoff(state: RetryState, rng: &dyn Rng) -> Duration {
    let failures = state.attempts + state.throttles + state.unprocessed.saturating_sub(FEW_UNPROCESSED);
    if failures == 0 {
        return Duration::ZERO;
    }
    let doublings = (failures - 1).min(16);
    let most = (BASE * 2_u32.pow(doublings)).min(CAP);
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.next_u64() % (nanos + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u64);

    impl Rng for Fixed {
        fn next_u64(&self) -> u64 {
            self.0
        }
    }

    fn policy(attempts: u32) -> file::Retry {
        file::Retry { attempts, max_wait: Duration::from_secs(600), statuses: file::Statuses::default() }
    }

    #[test]
    fn retries_by_nature_and_method() {
        let state = RetryState { attempts: 1, throttles: 1, ..RetryState::default() };
        for (nature, repeatable, expected) in [
            (Nature::Final, true, false),
            (Nature::Doubtful, true, true),
            (Nature::Doubtful, false, false),
            (Nature::Unreached, false, true),
            (Nature::Asked, false, true),
            (Nature::Unprocessed, false, true),
            (Nature::Throttled, false, true),
        ] {
            assert_eq!(may_retry(nature, state, repeatable, &policy(5)), expected, "{nature:?} {repeatable}");
        }
        assert!(!may_retry(Nature::Doubtful, RetryState { attempts: 5, ..state }, true, &policy(5)));
        assert!(may_retry(
            Nature::Unprocessed,
            RetryState { attempts: 4, unprocessed: 49, ..state },
            false,
            &policy(5)
        ));
        assert!(!may_retry(Nature::Unprocessed, RetryState { unprocessed: 50, ..state }, true, &policy(5)));
        assert!(may_retry(Nature::Throttled, RetryState { throttles: 19, ..state }, true, &policy(5)));
        assert!(!may_retry(Nature::Throttled, RetryState { throttles: 20, ..state }, true, &policy(5)));
        assert!(!may_retry(Nature::Throttled, RetryState { waited: 600_001, ..state }, true, &policy(5)));
        assert!(
            !may_retry(Nature::Throttled, RetryState { throttles: 1, ..state }, true, &policy(1)),
            "one attempt is one"
        );
    }

    #[test]
    fn backoff_doubles_to_a_cap() {
        let most = |attempts| {
            (0..64)
                .map(|shift| {
                    backoff(RetryState { attempts, ..RetryState::default() }, &Fixed(u64::MAX << shift))
                })
                .max()
        };
        assert!(most(1) <= Some(BASE));
        assert!(most(3) <= Some(BASE * 4));
        assert!(most(3) > Some(BASE * 2));
        assert!(most(90) <= Some(CAP));
        assert_eq!(
            backoff(RetryState { attempts: 3, ..RetryState::default() }, &Fixed(7)),
            Duration::from_nanos(7)
        );
    }

    #[test]
    fn attempts_during_an_outage_are_not_counted() {
        let mut state = RetryState::default();
        state.record_failure(Nature::Unreached, false);
        state.record_failure(Nature::Throttled, true);
        state.record_failure(Nature::Doubtful, true);
        assert_eq!((state.attempts, state.throttles), (1, 1));
    }
}
