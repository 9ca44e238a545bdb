//! The one loop that repeats requests to the store.

use std::time::Duration;

use super::error::{StorageError, StorageErrorKind};

/// Which errors of the store are worth another attempt, and how long to wait before each. These waits come
/// after the S3 client's own retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The kind of error that is retried; any other ends the loop at once.
    pub retried: StorageErrorKind,
    /// One wait before each further attempt; the error of the last attempt is returned.
    pub waits: &'static [Duration],
}

impl RetryPolicy {
    /// For a worker's writes: nothing is sent while they fail, so they wait seconds, not minutes.
    pub const WRITE: Self = Self {
        retried: StorageErrorKind::Unavailable,
        waits: &[Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)],
    };

    /// For the engine's own objects on one machine, where no other service restarts the execution.
    pub const PATIENT: Self = Self {
        retried: StorageErrorKind::Unavailable,
        waits: &[
            Duration::from_secs(1),
            Duration::from_secs(4),
            Duration::from_secs(16),
            Duration::from_secs(60),
        ],
    };

    /// For conditional writes that met another: one of the two has to ask again (S3 User Guide, "Conditional
    /// writes", 409 Conflict).
    pub const CONFLICT: Self = Self {
        retried: StorageErrorKind::Conflict,
        waits: &[
            Duration::from_millis(50),
            Duration::from_millis(100),
            Duration::from_millis(150),
            Duration::from_millis(200),
            Duration::from_millis(250),
            Duration::from_millis(300),
            Duration::from_millis(350),
            Duration::from_millis(400),
        ],
    };

    /// Makes attempts until one succeeds, one fails with another kind of error, or the waits are used up.
    /// `wait` is given each error that is retried and the time to sleep.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub async fn run<T, A, W>(
        self,
        mut attempt: impl FnMut() -> A,
        mut wait: impl FnMut(&StorageError, Duration) -> W,
    ) -> Result<T, StorageError>
    where
        A: Future<Output = Result<T, StorageError>>,
        W: Future<Output = ()>,
    {
        let mut waits = self.waits.iter();
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            match waits.next() {
                Some(time) if error.kind == self.retried => wait(&error, *time).await,
                _ => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn error(kind: StorageErrorKind) -> StorageError {
        let (bucket, key, message) = ("b".to_owned(), "k".to_owned(), "m".to_owned());
        StorageError { action: "write", bucket, key, message, kind }
    }

    /// Runs attempts with these outcomes: what came back, and the waits before.
    async fn waits(outcomes: Vec<Result<u8, StorageErrorKind>>) -> (Result<u8, StorageErrorKind>, Vec<u64>) {
        let (mut outcomes, waited) = (outcomes.into_iter(), RefCell::new(Vec::new()));
        let attempt = || std::future::ready(outcomes.next().expect("an attempt").map_err(error));
        let wait = |_: &StorageError, time: Duration| {
            waited.borrow_mut().push(u64::try_from(time.as_millis()).expect("short"));
            std::future::ready(())
        };
        let result = RetryPolicy::WRITE.run(attempt, wait).await.map_err(|error| error.kind);
        (result, waited.into_inner())
    }

    #[tokio::test]
    async fn only_errors_of_the_policys_kind_are_retried() {
        use StorageErrorKind::{Denied, Unavailable};
        assert_eq!(waits(vec![Ok(1)]).await, (Ok(1), vec![]));
        assert_eq!(waits(vec![Err(Unavailable), Err(Unavailable), Ok(2)]).await, (Ok(2), vec![200, 1000]));
        assert_eq!(waits(vec![Err(Denied)]).await, (Err(Denied), vec![]));
        assert_eq!(waits(vec![Err(Unavailable); 4]).await, (Err(Unavailable), vec![200, 1000, 3000]));
    }
}
