//! The time of one call of a step, which is the same on AWS and on one machine. A step that needs more returns
//! `paused`, and continues in another call.

use std::time::Duration;

/// The time that a call has: the longest timeout of a function (Lambda Developer Guide, "Quotas").
pub const CALL_TIME: Duration = Duration::from_secs(15 * 60);
/// Time to write a checkpoint, which has a few hundred megabytes if many lanes are open.
const CHECKPOINT_TIME: Duration = Duration::from_secs(60);

/// The part of a call's time in which a step works, so that it can write a checkpoint afterwards.
pub fn working_time(left: Duration) -> Duration {
    left - CHECKPOINT_TIME.min(left / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_time_leaves_time_for_a_checkpoint() {
        assert_eq!(working_time(CALL_TIME), Duration::from_secs(840));
        assert_eq!(working_time(Duration::from_secs(8)), Duration::from_secs(6));
    }
}
