//! The clock of an execution's waits and retries. Tests may use a faster one.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use time::OffsetDateTime;

/// A source of time.
#[async_trait]
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// The current time.
    fn now(&self) -> OffsetDateTime;

    /// Returns when the clock has reached this time.
    async fn sleep_until(&self, moment: OffsetDateTime);
}

/// The clock of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        // The system clock may be set during the wait, so it is read again every minute.
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

/// A clock for tests, which runs faster than that of the system.
#[derive(Debug, Clone, Copy)]
pub struct FastClock {
    speed: u32,
    since: Instant,
    from: OffsetDateTime,
}

impl FastClock {
    /// A clock that begins now and runs this many times as fast. A speed of 0 is 1.
    pub fn new(speed: u32) -> Self {
        Self { speed: speed.max(1), since: Instant::now(), from: OffsetDateTime::now_utc() }
    }
}

#[async_trait]
impl Clock for FastClock {
    fn now(&self) -> OffsetDateTime {
        self.from + self.since.elapsed().saturating_mul(self.speed)
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        if let Ok(left) = Duration::try_from(moment - self.now()) {
            tokio::time::sleep(left / self.speed).await;
        }
    }
}
