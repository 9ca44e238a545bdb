//! Iterations and children that run side by side.

use std::future::Future;

use tokio::task::{JoinError, JoinSet};

use super::Runtime;
use crate::error::{Fault, Halt, Stop};

/// Those that are under way. Dropped, it aborts them.
pub(super) struct TaskSet<T>(JoinSet<T>);

impl<T: Send + 'static> TaskSet<T> {
    pub(super) fn new() -> Self {
        TaskSet(JoinSet::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn spawn(&mut self, member: impl Future<Output = T> + Send + 'static) {
        self.0.spawn(member);
    }

    /// The next one that ends; none when all have ended.
    pub(super) async fn next(&mut self) -> Result<Option<T>, Stop> {
        self.0.join_next().await.transpose().map_err(|error| fault(&error))
    }

    /// One that has ended already.
    pub(super) fn try_next(&mut self) -> Result<Option<T>, Stop> {
        self.0.try_join_next().transpose().map_err(|error| fault(&error))
    }

    /// Gives up all that are under way, and returns when none runs any more.
    pub(super) async fn abort(&mut self) {
        self.0.shutdown().await;
    }

    /// One cannot go on: the whole execution stops, and the others end as a cancellation ends them.
    pub(super) async fn wind_down(&mut self, runtime: &Runtime, stop: Stop) -> Halt {
        runtime.cancel.cancel();
        while self.0.join_next().await.is_some() {}
        stop.into()
    }
}

fn fault(error: &JoinError) -> Stop {
    Stop::Fault(Fault::Bug(format!("a task did not come to its end: {error}")))
}
