//! How long an execution waits before it asks for a lease again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest wait of an execution that has not yet waited for a day.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// One part in this number of the time that it has waited so far: the longest wait after that.
const SHARE: u64 = 100;
/// After so many questions every wait has this share at least. An execution has at most 25,000 events, and each
/// question takes nine (Step Functions Developer Guide, "Quotas").
const FREQUENT: u32 = 1000;

/// The wait of an execution for a lease. It comes back with the next call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Whole seconds until it asks again, at least 1.
    pub wait_seconds: u64,
    /// The execution that holds the lease, or that comes first.
    pub holder: String,
    /// How often it has asked.
    #[serde(default)]
    pub asked: u32,
    /// When it asked first, in milliseconds since 1970.
    #[serde(default)]
    pub since: u64,
}

/// An execution that asks for a lease again and again.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Its last wait, if it has asked before.
    pub before: Option<&'a Wait>,
    /// The shortest wait.
    pub least: Duration,
    /// When it asked first, in milliseconds since 1970.
    pub since: u64,
    /// Milliseconds since 1970.
    pub now: u64,
}

impl Asking<'_> {
    /// The wait for `holder` and all others that come first, `ahead` in number.
    ///
    /// Each of them takes the shortest wait at least. While the same one holds the lease, the waits grow by a
    /// quarter, so that the lease is rarely free for longer than a fifth of the time that it was held.
    pub fn after(self, holder: String, ahead: u64) -> Wait {
        let waited = self.now.saturating_sub(self.since) / 1000;
        let longest = LONGEST.as_secs().max(waited / SHARE).max(self.least.as_secs());
        let grown = match self.before {
            Some(before) if before.holder == holder => before.wait_seconds + before.wait_seconds.div_ceil(4),
            _ => 0,
        };
        let seconds = self.least.as_secs().saturating_mul(ahead).max(grown).min(longest);
        let asked = self.asked();
        let seconds = if asked > FREQUENT { seconds.max(waited / SHARE) } else { seconds };
        Wait { wait_seconds: seconds.max(1), holder, asked, since: self.since }
    }

    /// The wait until the workers of an aborted execution have ended.
    pub fn draining(self, own: String, left: Duration) -> Wait {
        let wait_seconds = u64::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        Wait { wait_seconds, holder: own, asked: self.asked(), since: self.since }
    }

    fn asked(self) -> u32 {
        self.before.map_or(0, |before| before.asked).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_secs(2);
    const YEAR: u64 = 365 * 24 * 3600;

    /// The waits of an execution until `seconds` have passed. `holder` and `ahead` say what is before it after
    /// so many seconds.
    fn waits(seconds: u64, mut ahead: impl FnMut(u64) -> (String, u64)) -> Vec<Wait> {
        let mut waits: Vec<Wait> = Vec::new();
        let mut waited = 0;
        while waited < seconds {
            let asking = Asking { before: waits.last(), least: LEAST, since: 7, now: 7 + waited * 1000 };
            let (holder, ahead) = ahead(waited);
            let wait = asking.after(holder, ahead);
            waited += wait.wait_seconds;
            waits.push(wait);
        }
        waits
    }

    #[test]
    fn an_execution_can_wait_for_a_year_whatever_comes_before_it() {
        let one = waits(YEAR, |_| ("one".to_owned(), 1));
        let many = waits(YEAR, |waited| (format!("at {waited}"), 1));
        let hourly = waits(YEAR, |waited| (format!("at {}", waited / 3600), 1 + (YEAR - waited) / 3600));
        for waits in [one, many, hourly] {
            assert!(waits.len() * 9 < 20_000, "{} questions of nine events each", waits.len());
        }
    }

    #[test]
    fn waits_are_short_after_short_runs_and_grow_during_a_long_one() {
        let seconds = |waits: Vec<Wait>| waits.into_iter().map(|wait| wait.wait_seconds).collect::<Vec<_>>();
        assert_eq!(seconds(waits(20, |_| ("one".to_owned(), 1))), [2, 3, 4, 5, 7]);
        assert_eq!(seconds(waits(8, |waited| (format!("at {waited}"), 1))), [2, 2, 2, 2]);
        assert_eq!(seconds(waits(1, |_| ("one".to_owned(), 50))), [100]);
        // While one runs for a whole day, the last wait has 15 minutes.
        assert_eq!(seconds(waits(80_000, |_| ("one".to_owned(), 1))).last(), Some(&900));
    }

    #[test]
    fn a_wait_is_a_second_at_least() {
        let asking = Asking { before: None, least: Duration::ZERO, since: 0, now: 0 };
        assert_eq!(asking.after("one".to_owned(), 1).wait_seconds, 1);
        assert_eq!(asking.draining("own".to_owned(), Duration::from_millis(1001)).wait_seconds, 2);
    }
}
