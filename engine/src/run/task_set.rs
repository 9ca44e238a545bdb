//! A set of branches or children that run concurrently.

use std::future::Future;

use tokio::task::{JoinError, JoinSet};

use super::Runtime;
use crate::error::{Fault, Halt, Stop};

/// Running tasks. Dropping the set aborts them.
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

    /// Waits until a task ends; None if all have ended.
    pub(super) async fn next(&mut self) -> Result<Option<T>, Stop> {
        self.0.join_next().await.transpose().map_err(|error| fault(&error))
    }

    /// A task that has ended already, if there is one.
    pub(super) fn try_next(&mut self) -> Result<Option<T>, Stop> {
        self.0.try_join_next().transpose().map_err(|error| fault(&error))
    }

    /// Aborts all tasks, and returns when none is running any more.
    pub(super) async fn abort(&mut self) {
        self.0.shutdown().await;
    }

    /// Stops the whole execution because a task cannot continue. The other tasks end as after a cancellation.
    pub(super) async fn wind_down(&mut self, runtime: &Runtime, stop: Stop) -> Halt {
        runtime.cancel.cancel();
        while self.0.join_next().await.is_some() {}
        stop.into()
    }
}

fn fault(error: &JoinError) -> Stop {
    Stop::Fault(Fault::Bug(format!("a task did not end: {error}")))
}
