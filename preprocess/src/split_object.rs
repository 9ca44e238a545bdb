//! Splits an object of the store into the objects of the run's folder.

mod channels;
mod going;
mod input;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use job::run::{FORMAT, Object, RunRef, first_format, read_file};
use job::store::StorageErrorKind;
use job::{Environment, ErrorName, Job, Objects, PausedUpload, Plan, StepError, StorageError, Upload};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::Context;
use crate::split::{self, Split};
pub use going::HeldSplits;
use going::{Going, Piece, holds};
use input::Input;

/// Uploads of lanes that are finished, paused or continued at a time.
const AT_A_TIME: usize = 16;

/// How one call of the split, or of the join that follows it, ended.
#[expect(clippy::large_enum_variant, reason = "one value per call")]
pub(crate) enum Outcome {
    /// It is complete.
    Done(Plan),
    /// The call's time is nearly over; the next call needs the checkpoint at this key.
    Paused(String),
}

/// The state that one call saves for the next.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    /// See [`FORMAT`].
    #[serde(default = "first_format")]
    format: u32,
    split: split::Checkpoint,
    /// The uploads of the lanes that have items.
    uploads: HashMap<String, PausedUpload>,
}

/// The open uploads by lane.
type Uploads = HashMap<String, Upload>;

/// Splits the event's object into the run's folder.
pub(crate) struct ObjectSplit<'a> {
    pub(crate) context: &'a Context,
    pub(crate) objects: &'a Objects,
    pub(crate) run: &'a RunRef,
    pub(crate) object: &'a Object,
    pub(crate) job: &'a Arc<Job>,
}

impl ObjectSplit<'_> {
    /// Splits, from the checkpoint at a key if there is one.
    ///
    /// # Errors
    /// By the stable names of [`ErrorName`].
    pub(crate) async fn run(&self, checkpoint: Option<&str>) -> Result<Outcome, StepError> {
        match self.run_from(checkpoint).await {
            // The uploads are gone. Either a call completed them and then died or lost its response, or they
            // have expired.
            Err(error) if error.name == ErrorName::RunDamaged => {
                tracing::warn!(%error, "the split starts over");
                self.run_from(None).await
            }
            other => other,
        }
    }

    async fn run_from(&self, checkpoint: Option<&str>) -> Result<Outcome, StepError> {
        let etag = self.object.etag.as_deref().map(|etag| format!("\"{}\"", etag.trim_matches('"')));
        let held = checkpoint.and_then(|key| self.context.held.continue_at(key));
        let (from, mut uploads) = match checkpoint {
            Some(key) => {
                let (split, uploads) = self.resume(key).await?;
                (Some(split), uploads)
            }
            None => (None, Uploads::new()),
        };
        let mut going = match held {
            Some(going) => going,
            None => {
                let stream = self.open(etag.as_deref(), from.as_ref()).await?;
                let input = (self.job, self.run.file.as_str(), self.object.size);
                Going::start(self.context, input, stream, from)
            }
        };
        match self.take(&mut going, &mut uploads).await? {
            Split::Done(plan) => self.finish(plan, uploads, etag.as_deref()).await.map(Outcome::Done),
            Split::Paused(split) => {
                let holds = holds(self.context.environment, &split);
                let key = self.pause(split, uploads).await?;
                if holds {
                    self.context.held.keep(key.clone(), going);
                }
                Ok(Outcome::Paused(key))
            }
        }
    }

    /// Reads a checkpoint, and reopens its uploads.
    async fn resume(&self, key: &str) -> Result<(split::Checkpoint, Uploads), StepError> {
        let bytes = self.objects.get(key).await?;
        let Checkpoint { split, uploads: paused, .. } = read_file(&bytes, key, "a checkpoint")?;
        let resume = |(lane, upload)| async move { Ok((lane, self.objects.resume(upload).await?)) }.boxed();
        let uploads = some_at_a_time(paused.into_iter().map(resume).collect()).await?;
        tracing::info!(offset = split.offset(), "the split continues");
        Ok((split, uploads))
    }

    /// Opens the object, at the checkpoint's offset if that is an offset in the file.
    async fn open(&self, etag: Option<&str>, from: Option<&split::Checkpoint>) -> Result<Input, StepError> {
        let key = &self.object.key;
        let failed = |error: StorageError| match error.kind {
            StorageErrorKind::NotFound => {
                StepError::new(ErrorName::InputNotFound, format!("there is no input {key}"))
            }
            StorageErrorKind::Precondition => changed(key),
            _ => error.into(),
        };
        let offset = from.map_or(0, split::Checkpoint::begin);
        let stream = |download| Input::Stream(Box::new(download));
        if offset == 0 && self.context.environment == Environment::Local {
            return self.objects.read(key, None, etag).await.map(stream).map_err(failed);
        }
        // S3 refuses a range that begins at the end of an object ("GetObject", InvalidRange), so the end is
        // given.
        let facts = self.objects.head(key).await.map_err(failed)?;
        let range = offset..facts.size;
        match self.context.environment {
            Environment::Local => self.objects.read(key, Some(range), etag).await.map(stream).map_err(failed),
            Environment::Aws => {
                Ok(Input::Ranges(self.objects.read_ahead(key, range, etag.unwrap_or(&facts.etag))))
            }
        }
    }

    /// Uploads the items of a split as they come, until its end or a pause.
    async fn take(&self, going: &mut Going, uploads: &mut Uploads) -> Result<Split, StepError> {
        let Self { context, objects, run, .. } = *self;
        loop {
            let piece = tokio::select! {
                piece = going.pieces.recv() => piece,
                () = context.stop.cancelled() => {
                    let message = "interrupted while the input was split";
                    return Err(StepError::new(ErrorName::Interrupted, message));
                }
                () = context.pause.cancelled(), if !going.pause.load(Ordering::Relaxed) => {
                    going.pause.store(true, Ordering::Relaxed);
                    continue;
                }
            };
            match piece.expect("splitting does not panic") {
                Piece::Items(lane, items) => {
                    let upload =
                        uploads.entry(lane).or_insert_with_key(|lane| objects.upload(run.keys().items(lane)));
                    upload.write(&items).await?;
                }
                Piece::Ended(ended) => return *ended,
            }
        }
    }

    /// Writes a checkpoint, and returns its key.
    async fn pause(&self, split: split::Checkpoint, uploads: Uploads) -> Result<String, StepError> {
        let at = format!("{:015}-{:013}", split.offset(), (self.context.now)());
        let key = |part: &str| self.run.keys().checkpoint("split", &at, part);
        let pause = |(lane, upload): (String, Upload)| {
            let rest = key(&format!("{lane}.rest"));
            async move { Ok((lane, upload.pause(rest).await?)) }.boxed()
        };
        let paused = some_at_a_time(uploads.into_iter().map(pause).collect()).await?;
        tracing::info!(offset = split.offset(), "the split pauses; another call continues it");
        let checkpoint = Checkpoint { format: FORMAT, split, uploads: paused };
        let body = serde_json::to_vec(&checkpoint).expect("a checkpoint is plain JSON");
        self.objects.put(&key("state.json"), body).await?;
        Ok(key("state.json"))
    }

    /// Completes the uploads, and checks that the object is still the same.
    async fn finish(&self, plan: Plan, uploads: Uploads, etag: Option<&str>) -> Result<Plan, StepError> {
        let finish =
            |(lane, upload): (String, Upload)| async move { Ok((lane, upload.finish().await?)) }.boxed();
        some_at_a_time(uploads.into_iter().map(finish).collect()).await?;
        let key = &self.object.key;
        if let Some(etag) = etag
            && self.objects.head(key).await?.etag != etag
        {
            return Err(changed(key));
        }
        if self.context.environment == Environment::Aws {
            plan.check_duration_on_aws()?;
        }
        Ok(plan)
    }
}

/// The results of work on the lanes' uploads, of which some is done at the same time.
async fn some_at_a_time<T>(
    work: Vec<BoxFuture<'_, Result<(String, T), StorageError>>>,
) -> Result<HashMap<String, T>, StorageError> {
    stream::iter(work).buffer_unordered(AT_A_TIME).try_collect().await
}

fn changed(key: &str) -> StepError {
    let message =
        format!("{key} was replaced by a newer upload, which is a separate run; this run sent nothing");
    StepError::new(ErrorName::InputChanged, message)
}

/// Sends the chunks of a download, until its end or its first error.
async fn feed(mut input: Input, chunks: mpsc::Sender<io::Result<bytes::Bytes>>) {
    loop {
        let chunk = match input.next().await {
            Ok(None) => return,
            Ok(Some(chunk)) => Ok(chunk),
            Err(error) if error.kind == StorageErrorKind::Precondition => Err(changed(&error.key)),
            Err(error) => Err(error.into()),
        };
        let last = chunk.is_err();
        if chunks.send(chunk.map_err(io::Error::other)).await.is_err() || last {
            return;
        }
    }
}
