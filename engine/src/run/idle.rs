//! Finds out when an execution only waits, and until when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::journal::moment;

/// Counts the frames that do something, if the execution may be parked.
#[derive(Clone)]
pub(super) struct Idle(Option<Arc<Shared>>);

struct Shared {
    /// The shortest wait for which the execution is parked.
    after: Duration,
    /// Whether it is parked while it waits for a token.
    tokens: bool,
    frames: Mutex<Frames>,
    changed: Notify,
}

#[derive(Default)]
struct Frames {
    /// Frames that do not wait.
    busy: usize,
    /// The ends of waits, in microseconds since 1970, and how many waits end then.
    waits: BTreeMap<i64, usize>,
    /// Counts the changes.
    changes: u64,
}

/// The end of a wait that only a signal ends.
const OPEN: i64 = i64::MAX;

impl Idle {
    pub(super) fn new(after: Option<Duration>, tokens: bool) -> Self {
        let shared =
            |after| Arc::new(Shared { after, tokens, frames: Mutex::default(), changed: Notify::new() });
        Idle(after.map(shared))
    }

    /// A frame runs until the guard is dropped.
    pub(super) fn busy(&self) -> Guard {
        self.change(|frames| frames.busy += 1);
        Guard { idle: self.clone(), what: What::Frame }
    }

    /// A frame waits until the guard is dropped: until a time, or for a signal.
    pub(super) fn waits(&self, until: Option<i64>) -> Guard {
        let until = until.unwrap_or(OPEN);
        self.change(|frames| {
            frames.busy -= 1;
            *frames.waits.entry(until).or_default() += 1;
        });
        Guard { idle: self.clone(), what: What::Wait(until) }
    }

    /// A frame waits for a token until the guard is dropped. None if it is not parked meanwhile.
    pub(super) fn waits_for_token(&self, until: Option<i64>) -> Option<Guard> {
        let tokens = self.0.as_ref().is_some_and(|shared| shared.tokens);
        tokens.then(|| self.waits(until))
    }

    /// A frame waits for its branches until the guard is dropped.
    pub(super) fn waits_for_branches(&self) -> Guard {
        self.change(|frames| frames.busy -= 1);
        Guard { idle: self.clone(), what: What::Branches }
    }

    /// Waits until every frame waits for long. Returns the end of the first wait, or `limit` if that is earlier.
    pub(super) async fn long(
        &self,
        limit: OffsetDateTime,
        now: impl Fn() -> OffsetDateTime,
    ) -> OffsetDateTime {
        let Some(shared) = &self.0 else { return std::future::pending().await };
        loop {
            let changed = shared.changed.notified();
            if let Some((until, changes)) = shared.quiet() {
                let until = if until == OPEN { limit } else { moment(until).min(limit) };
                // A frame whose branch has ended is about to go on.
                tokio::task::yield_now().await;
                let still = shared.quiet().is_some_and(|(_, now)| now == changes);
                if still && until - now() >= shared.after {
                    return until;
                }
                if !still {
                    continue;
                }
            }
            changed.await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Frames)) {
        let Some(shared) = &self.0 else { return };
        let mut frames = shared.frames();
        change(&mut frames);
        frames.changes += 1;
        drop(frames);
        shared.changed.notify_one();
    }
}

impl Shared {
    /// The end of the first wait and the number of changes, if no frame is busy.
    fn quiet(&self) -> Option<(i64, u64)> {
        let frames = self.frames();
        let (first, _) = frames.waits.first_key_value()?;
        (frames.busy == 0).then_some((*first, frames.changes))
    }

    fn frames(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Guard {
    idle: Idle,
    what: What,
}

enum What {
    Frame,
    Wait(i64),
    Branches,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.idle.change(|frames| match self.what {
            What::Frame => frames.busy -= 1,
            What::Branches => frames.busy += 1,
            What::Wait(until) => {
                frames.busy += 1;
                if let Some(count) = frames.waits.get_mut(&until) {
                    *count -= 1;
                    if *count == 0 {
                        frames.waits.remove(&until);
                    }
                }
            }
        });
    }
}
