//! One task in the background whose result the loop waits for.

use job::StepError;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// At most one task; it is aborted when this is dropped.
pub(crate) struct Background<T>(Option<AbortOnDropHandle<Result<T, StepError>>>);

impl<T: Send + 'static> Background<T> {
    pub(crate) fn idle() -> Self {
        Self(None)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Starts a task whose log lines name the run and the lane, as the caller's do.
    pub(crate) fn start(&mut self, task: impl Future<Output = Result<T, StepError>> + Send + 'static) {
        self.0 = Some(AbortOnDropHandle::new(tokio::spawn(task.in_current_span())));
    }

    /// Waits for the result of the task; forever if there is none.
    pub(crate) async fn result(&mut self) -> Result<T, StepError> {
        match &mut self.0 {
            None => std::future::pending().await,
            Some(handle) => {
                let result = handle.await;
                self.0 = None;
                result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
            }
        }
    }
}
