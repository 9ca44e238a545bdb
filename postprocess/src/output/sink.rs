//! An object that is written while the next rows are made.

use job::{PausedUpload, StepError, StorageError, Upload};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pieces that wait to be written.
const WAITING: usize = 4;

/// An upload in a task of its own. Unless [`Sink::finish`] or [`Sink::pause`] is called, nothing is left of a new one.
pub(crate) struct Sink {
    sender: mpsc::Sender<Piece>,
    /// Until it has ended.
    task: Option<JoinHandle<Result<Option<PausedUpload>, StorageError>>>,
}

enum Piece {
    Bytes(Vec<u8>),
    End,
    /// With the key of what does not fill a part.
    Pause(String),
}

impl Sink {
    pub(crate) fn new(upload: Upload) -> Self {
        Self::of(upload, false)
    }

    /// Goes on with an upload that was paused: whatever happens its parts stay, since the call may be repeated.
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
                    Piece::Pause(aside) => return upload.pause(aside).await.map(Some),
                    Piece::Bytes(bytes) => {
                        if let Err(error) = upload.write(&bytes).await {
                            failure = Some(error);
                            break;
                        }
                    }
                }
            }
            // Parts that cannot be removed now are left to the bucket's lifecycle rule.
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

    /// Makes the object visible.
    pub(crate) async fn finish(mut self) -> Result<(), StepError> {
        // When it cannot be sent, the task has ended with the error that is returned here.
        let _ = self.sender.send(Piece::End).await;
        ended(&mut self.task).await.map(|_| ())
    }

    /// Leaves the upload to another call.
    pub(crate) async fn pause(mut self, aside: String) -> Result<PausedUpload, StepError> {
        let _ = self.sender.send(Piece::Pause(aside)).await;
        Ok(ended(&mut self.task).await?.expect("an upload that was asked to pause has paused, or failed"))
    }

    /// Gives the upload up, and waits until its parts are gone.
    pub(crate) async fn abort(self) {
        let Self { sender, mut task } = self;
        drop(sender);
        if let Err(error) = ended(&mut task).await {
            tracing::warn!("an upload was given up: {error}");
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
