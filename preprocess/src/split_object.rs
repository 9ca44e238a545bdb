//! Splits an object of the store into the objects of the run's folder.

mod channels;
mod input;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use job::run::{FORMAT, Object, RunRef, first_format, read_file};
use job::store::StorageErrorKind;
use job::{Environment, ErrorName, Job, Objects, PausedUpload, Plan, StepError, StorageError, Upload};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::Context;
use crate::split::{self, Shape, Split};
use channels::{ChannelReader, ChannelSink};
use input::Input;

/// The number of chunks of the input, and of pieces of items, that may wait between the store and the split.
const WAITING: usize = 8;

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
        let (from, mut uploads) = match checkpoint {
            Some(key) => {
                let (split, uploads) = self.resume(key).await?;
                (Some(split), uploads)
            }
            None => (None, Uploads::new()),
        };
        let stream = self.open(etag.as_deref(), from.as_ref()).await?;
        match self.split(stream, from, &mut uploads).await? {
            Split::Done(plan) => self.finish(plan, uploads, etag.as_deref()).await.map(Outcome::Done),
            Split::Paused(split) => self.pause(split, uploads).await.map(Outcome::Paused),
        }
    }

    /// Reads a checkpoint, and reopens its uploads.
    async fn resume(&self, key: &str) -> Result<(split::Checkpoint, Uploads), StepError> {
        let bytes = self.objects.get(key).await?;
        let Checkpoint { split, uploads: paused, .. } = read_file(&bytes, key, "a checkpoint")?;
        let mut uploads = Uploads::new();
        for (lane, upload) in paused {
            uploads.insert(lane, self.objects.resume(upload).await?);
        }
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

    /// Splits a stream on a blocking thread, and uploads the items as they come.
    async fn split(
        &self,
        stream: Input,
        from: Option<split::Checkpoint>,
        uploads: &mut Uploads,
    ) -> Result<Split, StepError> {
        let Self { context, objects, run, job, .. } = *self;
        let (chunks_in, chunks) = mpsc::channel(WAITING);
        let (items_in, mut items) = mpsc::channel(WAITING);
        let feeding = AbortOnDropHandle::new(tokio::spawn(feed(stream, chunks_in)));
        let pause = Arc::new(AtomicBool::new(false));
        let shape = Shape::new(context.environment, self.object.size);
        let splitting = {
            let (job, file, pause) = (job.clone(), run.file.clone(), pause.clone());
            let mut sink = ChannelSink { items: items_in, progress: context.progress.clone() };
            tokio::task::spawn_blocking(move || {
                let (stream, pause) = (ChannelReader::new(chunks), || pause.load(Ordering::Relaxed));
                match from {
                    None => split::start(stream, &job, &file, shape, &mut sink, pause),
                    Some(from) => split::resume(stream, from, &job, &file, shape, &mut sink, pause),
                }
            })
        };
        loop {
            let received = tokio::select! {
                received = items.recv() => received,
                () = context.stop.cancelled() => {
                    let message = "interrupted while the input was split";
                    return Err(StepError::new(ErrorName::Interrupted, message));
                }
                () = context.pause.cancelled(), if !pause.load(Ordering::Relaxed) => {
                    pause.store(true, Ordering::Relaxed);
                    continue;
                }
            };
            let Some((lane, items)) = received else { break };
            let upload =
                uploads.entry(lane).or_insert_with_key(|lane| objects.upload(run.keys().items(lane)));
            upload.write(&items).await?;
        }
        let split = splitting.await.expect("splitting does not panic");
        drop(feeding);
        split
    }

    /// Writes a checkpoint, and returns its key.
    async fn pause(&self, split: split::Checkpoint, uploads: Uploads) -> Result<String, StepError> {
        let at = format!("{:015}-{:013}", split.offset(), (self.context.now)());
        let key = |part: &str| self.run.keys().checkpoint("split", &at, part);
        let mut paused = HashMap::new();
        for (lane, upload) in uploads {
            let rest = key(&format!("{lane}.rest"));
            paused.insert(lane, upload.pause(rest).await?);
        }
        tracing::info!(offset = split.offset(), "the split pauses; another call continues it");
        let checkpoint = Checkpoint { format: FORMAT, split, uploads: paused };
        let body = serde_json::to_vec(&checkpoint).expect("a checkpoint is plain JSON");
        self.objects.put(&key("state.json"), body).await?;
        Ok(key("state.json"))
    }

    /// Completes the uploads, and checks that the object is still the same.
    async fn finish(&self, plan: Plan, uploads: Uploads, etag: Option<&str>) -> Result<Plan, StepError> {
        for (_, upload) in uploads {
            upload.finish().await?;
        }
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
