//! How often and how long a batch may pause. Each pause adds nine events to the history of the batch's execution,
//! which has at most 25,000 (Step Functions Developer Guide, "Quotas").

use std::time::Duration;

use super::CALL_TIME;

/// A batch that pauses more often fails. These pauses are 18,000 events, which leaves 7,000 for calls that are
/// throttled or repeated.
pub const MOST_PAUSES: u32 = 2000;
/// After this many pauses, a wait must be twice as long for another pause.
const DOUBLES_EVERY: u32 = 150;

/// The longest wait that a call does itself, for a batch that has paused this often: at first `least`. The more
/// often a batch has paused, the longer its calls are, so that [`MOST_PAUSES`] last more than a week.
pub fn pause_after(least: Duration, pauses: u32) -> Duration {
    let doublings = (pauses / DOUBLES_EVERY).min(31);
    least.saturating_mul(1 << doublings).min(CALL_TIME.max(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_secs(20);

    #[test]
    fn pauses_become_longer() {
        assert_eq!(pause_after(LEAST, 0), LEAST);
        assert_eq!(pause_after(LEAST, 149), LEAST);
        assert_eq!(pause_after(LEAST, 150), LEAST * 2);
        assert_eq!(pause_after(LEAST, MOST_PAUSES), CALL_TIME);
        assert_eq!(pause_after(Duration::ZERO, u32::MAX), Duration::ZERO);
        assert_eq!(pause_after(CALL_TIME * 2, 0), CALL_TIME * 2, "what is asked for");
    }

    #[test]
    fn the_most_pauses_last_for_more_than_a_week() {
        // A call whose request may take as long as the call itself ends half way.
        let shortest = |pauses| pause_after(LEAST, pauses).min(CALL_TIME / 2);
        let all: Duration = (0..MOST_PAUSES).map(shortest).sum();
        assert!(all > Duration::from_secs(7 * 24 * 3600), "{all:?}");
        const { assert!(MOST_PAUSES * 9 + 7000 <= 25_000) };
    }
}
