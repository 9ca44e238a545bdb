//! The split, from an object of the store to the objects of the run's folder.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use job::messages::{Object, RunRef};
use job::objects::StorageErrorKind;
use job::{Download, ErrorName, Job, Objects, PausedUpload, Plan, StepError, StorageError, Upload};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::Context;
use crate::source::ChannelReader;
use crate::split::{self, Sink, Split};

/// What became of the split of an object.
pub(crate) enum Outcome {
    /// It is complete.
    Done(Plan),
    /// The call's time is nearly over; the next one needs the checkpoint of this key.
    Paused(String),
}

/// What one call leaves to the next.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    split: split::Checkpoint,
    /// Of the lanes that have items.
    uploads: HashMap<String, PausedUpload>,
}

/// Splits the event's object into the run's folder, from a checkpoint if there is one. The plan is written last: where it
/// is, the split is complete.
pub(crate) async fn split_object(
    context: &Context,
    objects: &Objects,
    run: &RunRef,
    object: &Object,
    job: &Arc<Job>,
    checkpoint: Option<&str>,
) -> Result<Outcome, StepError> {
    match split_from(context, objects, run, object, job, checkpoint).await {
        // Its uploads are gone: completed by a call that died behind it or whose answer was lost, or swept.
        Err(error) if error.name == ErrorName::RunDamaged => {
            tracing::warn!(%error, "the split begins again");
            split_from(context, objects, run, object, job, None).await
        }
        other => other,
    }
}

async fn split_from(
    context: &Context,
    objects: &Objects,
    run: &RunRef,
    object: &Object,
    job: &Arc<Job>,
    checkpoint: Option<&str>,
) -> Result<Outcome, StepError> {
    let etag = object.etag.as_deref().map(|etag| format!("\"{}\"", etag.trim_matches('"')));
    let mut uploads: HashMap<String, Upload> = HashMap::new();
    let mut from = None;
    if let Some(key) = checkpoint {
        let Checkpoint { split, uploads: paused } = read(objects, key).await?;
        for (lane, upload) in paused {
            uploads.insert(lane, objects.resume(upload).await?);
        }
        tracing::info!(offset = split.offset(), "the split goes on");
        from = Some(split);
    }
    let stream = open(objects, object, etag.as_deref(), from.as_ref()).await?;
    let (bytes_in, chunks) = mpsc::channel(8);
    let (pieces_in, mut pieces) = mpsc::channel(8);
    let feeding = AbortOnDropHandle::new(tokio::spawn(feed(stream, bytes_in)));
    let pause = Arc::new(AtomicBool::new(false));
    let splitting = {
        let (job, file, pause) = (job.clone(), run.file.clone(), pause.clone());
        let mut sink = ChannelSink { pieces: pieces_in, progress: context.progress.clone() };
        tokio::task::spawn_blocking(move || {
            let (stream, pause) = (ChannelReader::new(chunks), || pause.load(Ordering::Relaxed));
            match from {
                None => split::start(stream, &job, &file, &mut sink, pause),
                Some(from) => split::resume(stream, from, &job, &file, &mut sink, pause),
            }
        })
    };
    loop {
        let piece = tokio::select! {
            piece = pieces.recv() => piece,
            () = context.stop.cancelled() => return Err(StepError::new(ErrorName::Interrupted, "interrupted while the input was split")),
            () = context.pause.cancelled(), if !pause.load(Ordering::Relaxed) => {
                pause.store(true, Ordering::Relaxed);
                continue;
            }
        };
        let Some((lane, items)) = piece else { break };
        let upload = uploads.entry(lane).or_insert_with_key(|lane| objects.upload(run.keys().items(lane)));
        upload.write(&items).await?;
    }
    let split = splitting.await.expect("splitting does not panic");
    drop(feeding);
    let plan = match split? {
        Split::Done(plan) => plan,
        Split::Paused(split) => {
            let at = format!("{:015}-{:013}", split.offset(), (context.now)());
            let key = |part: &str| run.keys().checkpoint("split", &at, part);
            let mut paused = HashMap::new();
            for (lane, upload) in uploads {
                let aside = key(&format!("{lane}.rest"));
                paused.insert(lane, upload.pause(aside).await?);
            }
            tracing::info!(offset = split.offset(), "the split is left to another call");
            let checkpoint = Checkpoint { split, uploads: paused };
            objects
                .put(&key("state.json"), serde_json::to_vec(&checkpoint).expect("a checkpoint is plain JSON"))
                .await?;
            return Ok(Outcome::Paused(key("state.json")));
        }
    };
    for (_, upload) in uploads {
        upload.finish().await?;
    }
    if let Some(etag) = etag
        && objects.head(&object.key).await?.etag != etag
    {
        return Err(changed(&object.key));
    }
    objects.put(&run.keys().plan(), serde_json::to_vec(&plan).expect("a plan is always JSON")).await?;
    Ok(Outcome::Done(plan))
}

async fn read(objects: &Objects, key: &str) -> Result<Checkpoint, StepError> {
    serde_json::from_slice(&objects.get(key).await?).map_err(|error| {
        StepError::new(ErrorName::RunDamaged, format!("{key} is not what this version writes: {error}"))
    })
}

/// The object, from the checkpoint's place on where it can be told.
async fn open(
    objects: &Objects,
    object: &Object,
    etag: Option<&str>,
    from: Option<&split::Checkpoint>,
) -> Result<Download, StepError> {
    let failed = |error: StorageError| match error.kind {
        StorageErrorKind::NotFound => {
            StepError::new(ErrorName::InputNotFound, format!("there is no input {}", object.key))
        }
        StorageErrorKind::Precondition => changed(&object.key),
        _ => error.into(),
    };
    let offset = from.map_or(0, split::Checkpoint::begin);
    let range = match offset {
        0 => None,
        // S3 refuses a range that begins at the end ("GetObject", InvalidRange); one that is empty is not asked for.
        offset => Some(offset..objects.head(&object.key).await.map_err(failed)?.size),
    };
    objects.read(&object.key, range, etag).await.map_err(failed)
}

fn changed(key: &str) -> StepError {
    let message = format!(
        "{key} was replaced by a newer upload, which is a run of its own; for this one nothing was sent"
    );
    StepError::new(ErrorName::InputChanged, message)
}

async fn feed(mut input: Download, chunks: mpsc::Sender<io::Result<bytes::Bytes>>) {
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

struct ChannelSink {
    pieces: mpsc::Sender<(String, Vec<u8>)>,
    progress: Arc<dyn Fn(u64, u64) + Send + Sync>,
}

impl Sink for ChannelSink {
    fn items(&mut self, lane: &str, items: Vec<u8>) -> io::Result<()> {
        let gone = |_| io::Error::other(StepError::new(ErrorName::Interrupted, "the split was given up"));
        self.pieces.blocking_send((lane.to_owned(), items)).map_err(gone)
    }

    fn progress(&mut self, lines: u64, bytes: u64) {
        (self.progress)(lines, bytes);
    }
}
