//! One write in the background, while the next object is collected.

use job::StepError;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// At most one write; it is aborted when this is dropped.
#[derive(Default)]
pub(super) struct Writing(Option<AbortOnDropHandle<Result<(), StepError>>>);

impl Writing {
    /// Starts a write. The one before must have been finished.
    pub(super) fn start(&mut self, write: impl Future<Output = Result<(), StepError>> + Send + 'static) {
        self.0 = Some(AbortOnDropHandle::new(tokio::spawn(write.in_current_span())));
    }

    /// Waits for the write that was started last.
    ///
    /// # Errors
    /// Its error.
    pub(super) async fn finish(&mut self) -> Result<(), StepError> {
        let Some(writing) = self.0.take() else { return Ok(()) };
        writing.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}
