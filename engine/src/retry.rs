//! The policy of a `Retry` entry: which errors it retries, how often, and after which delays.

use crate::quotas::MAX_RETRY_DELAY_SECONDS;

/// An entry of `Retry`.
#[derive(Debug)]
pub(crate) struct Retrier {
    pub(crate) errors: Vec<String>,
    pub(crate) interval_seconds: u32,
    pub(crate) max_attempts: u32,
    pub(crate) backoff_rate: f64,
    pub(crate) max_delay_seconds: Option<u32>,
    pub(crate) full_jitter: bool,
}

impl Retrier {
    /// The delay before the retry that follows `retries` earlier ones, in seconds and without jitter:
    /// exponential backoff up to the longest delay.
    pub(crate) fn delay_seconds(&self, retries: u32) -> f64 {
        let longest = self.max_delay_seconds.unwrap_or(MAX_RETRY_DELAY_SECONDS);
        let exponent = i32::try_from(retries).unwrap_or(i32::MAX);
        (f64::from(self.interval_seconds) * self.backoff_rate.powi(exponent)).min(longest.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_the_longest() {
        let retrier = Retrier {
            errors: Vec::new(),
            interval_seconds: 2,
            max_attempts: 9,
            backoff_rate: 3.0,
            max_delay_seconds: Some(50),
            full_jitter: false,
        };
        let delays: Vec<f64> = (0..5).map(|retries| retrier.delay_seconds(retries)).collect();
        assert_eq!(delays, [2.0, 6.0, 18.0, 50.0, 50.0]);
        assert_eq!(retrier.delay_seconds(100_000), 50.0);
    }
}
