//! The time of an execution's waits and retries, which a test may let pass faster.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

/// A clock.
#[async_trait]
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// The time.
    fn now(&self) -> OffsetDateTime;

    /// Returns when it shows this time.
    async fn sleep_until(&self, moment: OffsetDateTime);
}

/// The system's.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        // It may be set while we wait; look at it again now and then.
        loop {
            let left = moment - self.now();
            let Ok(left) = Duration::try_from(left) else { return };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(Duration::from_secs(60))).await;
        }
    }
}
