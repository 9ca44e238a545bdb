//! Writes an object in a task, while the next rows are made.

use job::{PausedUpload, StepError, StorageError, Upload};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pieces that may wait to be written.
const WAITING: usize = 4;

/// An upload in a separate task. Without [`Sink::finish`] or [`Sink::pause`] nothing is left of a new upload.
pub(crate) struct Sink {
    sender: mpsc::Sender<Piece>,
    /// Present until it has ended.
    task: Option<JoinHandle<Result<Option<PausedUpload>, StorageError>>>,
}

enum Piece {
    Bytes(Vec<u8>),
    End,
    /// With the key for the bytes that do not fill a part.
    Pause(String),
}

impl Sink {
    pub(crate) fn new(upload: Upload) -> Self {
        Self::of(upload, false)
    }

    /// Continues an upload that was paused. Its parts stay even if the call fails, since the call may be
    /// repeated.
    pub(crate) fn resumed(upload: Upload) -> Self {
        Self::of(upload, true)
    }

    fn of(mut upload: Upload, keep: bool) -> Self {
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            let mut failure = None;
            while let Some(piece) = receiver.recv().await {
                match piece {
                    Piece::End => return upload.finish().await.map(|_| None),
                    Piece::Pause(rest) => return upload.pause(rest).await.map(Some),
                    Piece::Bytes(bytes) => {
                        if let Err(error) = upload.write(&bytes).await {
                            failure = Some(error);
                            break;
                        }
                    }
                }
            }
            // The bucket's lifecycle rule removes parts that cannot be removed now.
            let aborted = if keep { Ok(()) } else { upload.abort().await };
            failure.map_or(aborted, Err).map(|()| None)
        });
        Self { sender, task: Some(task) }
    }

    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), StepError> {
        if !bytes.is_empty() && self.sender.send(Piece::Bytes(bytes)).await.is_err() {
            ended(&mut self.task).await?;
        }
        Ok(())
    }

    /// Completes the object, which makes it visible.
    ///
    /// # Errors
    /// The first error of the upload.
    pub(crate) async fn finish(mut self) -> Result<(), StepError> {
        // If this cannot be sent, the task has ended with the error that is returned here.
        let _ = self.sender.send(Piece::End).await;
        ended(&mut self.task).await.map(|_| ())
    }

    /// Leaves the upload to another call. Bytes that do not fill a part are written to the key `rest`.
    ///
    /// # Errors
    /// The first error of the upload.
    pub(crate) async fn pause(mut self, rest: String) -> Result<PausedUpload, StepError> {
        let _ = self.sender.send(Piece::Pause(rest)).await;
        Ok(ended(&mut self.task).await?.expect("an upload that was asked to pause has paused, or failed"))
    }

    /// Aborts the upload, and waits until its parts are removed.
    pub(crate) async fn abort(self) {
        let Self { sender, mut task } = self;
        drop(sender);
        if let Err(error) = ended(&mut task).await {
            tracing::warn!("an upload was abandoned: {error}");
        }
    }
}

async fn ended(
    task: &mut Option<JoinHandle<Result<Option<PausedUpload>, StorageError>>>,
) -> Result<Option<PausedUpload>, StepError> {
    let Some(task) = task.take() else { return Ok(None) };
    match task.await {
        Ok(ended) => Ok(ended?),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StepError::new(job::ErrorName::Interrupted, "the process is shutting down")),
    }
}
