//! A task that fetches ahead.

use std::future::Future;

use job::{ErrorName, StepError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Values that a task of its own makes ahead of their use: one is made, or waits, while another is used.
/// The task ends with the feed.
pub(crate) struct Feed<T> {
    receiver: mpsc::Receiver<T>,
    task: Option<JoinHandle<Result<(), StepError>>>,
}

impl<T: Send + 'static> Feed<T> {
    pub(crate) fn spawn<F>(make: impl FnOnce(mpsc::Sender<T>) -> F) -> Self
    where
        F: Future<Output = Result<(), StepError>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(1);
        Self { receiver, task: Some(tokio::spawn(make(sender))) }
    }

    /// The next value; `None` when the task has ended well, and only then.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, StepError> {
        if let Some(value) = self.receiver.recv().await {
            return Ok(Some(value));
        }
        let Some(task) = self.task.take() else { return Ok(None) };
        match task.await {
            Ok(ended) => ended.map(|()| None),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StepError::new(ErrorName::Interrupted, "the process is shutting down")),
        }
    }
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
