//! The split, from an object of the store to the objects of the run's folder.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use job::messages::{Object, RunRef};
use job::objects::StorageErrorKind;
use job::{ErrorName, Job, Objects, Plan, StepError, Upload};
use tokio::sync::mpsc;

use crate::Context;
use crate::source::ChannelReader;
use crate::split::{Sink, split};

/// Splits the event's object into the run's folder. The plan is written last: where it is, the split is complete.
pub(crate) async fn split_object(
    context: &Context,
    objects: &Objects,
    run: &RunRef,
    object: &Object,
    job: &Arc<Job>,
) -> Result<Plan, StepError> {
    let etag = object.etag.as_deref().map(|etag| format!("\"{}\"", etag.trim_matches('"')));
    let stream = objects.get_stream(&object.key, None, etag.as_deref()).await.map_err(|error| match error.kind {
        StorageErrorKind::NotFound => StepError::new(ErrorName::InputNotFound, format!("there is no input {}", object.key)),
        StorageErrorKind::Precondition => changed(&object.key),
        _ => error.into(),
    })?;
    let (bytes_in, chunks) = mpsc::channel(8);
    let (pieces_in, mut pieces) = mpsc::channel(8);
    let feeding = tokio::spawn(feed(stream, bytes_in));
    let splitting = {
        let (job, file) = (job.clone(), run.file.clone());
        let mut sink = ChannelSink { pieces: pieces_in, progress: context.progress.clone() };
        tokio::task::spawn_blocking(move || split(ChannelReader::new(chunks), &job, &file, &mut sink))
    };
    let mut uploads: HashMap<String, Upload> = HashMap::new();
    loop {
        let piece = tokio::select! {
            piece = pieces.recv() => piece,
            () = context.stop.cancelled() => return Err(StepError::new(ErrorName::Interrupted, "interrupted while the input was split")),
        };
        let Some((lane, items)) = piece else { break };
        let upload = uploads.entry(lane).or_insert_with_key(|lane| objects.upload(run.keys().items(lane)));
        upload.write(&items).await?;
    }
    let split = splitting.await.expect("splitting does not panic");
    feeding.abort();
    let plan = split?;
    for (_, upload) in uploads {
        upload.finish().await?;
    }
    if let Some(etag) = etag
        && objects.head(&object.key).await?.etag != etag
    {
        return Err(changed(&object.key));
    }
    objects.put(&run.keys().plan(), serde_json::to_vec(&plan).expect("a plan is always JSON")).await?;
    Ok(plan)
}

fn changed(key: &str) -> StepError {
    StepError::new(ErrorName::InputChanged, format!("{key} changed while it was read: start again"))
}

async fn feed(mut stream: aws_sdk_s3::primitives::ByteStream, chunks: mpsc::Sender<io::Result<bytes::Bytes>>) {
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            io::Error::other(StepError::new(ErrorName::StorageUnavailable, format!("reading the input broke off: {error}")))
        });
        let last = chunk.is_err();
        if chunks.send(chunk).await.is_err() || last {
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
