//! A split under way on a blocking thread, and the splits of this process that wait for their next call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use job::{Environment, Job, StepError};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::channels::{ChannelReader, ChannelSink};
use super::feed;
use super::input::Input;
use crate::Context;
use crate::split::{self, Checkpoint, Shape, Split};

/// The number of chunks of the input, and of pieces of items, that may wait between the store and the split.
const WAITING: usize = 8;

/// What a split sends.
pub(super) enum Piece {
    /// Items of a lane.
    Items(String, Vec<u8>),
    /// Its end, or a pause. All items before have been sent.
    Ended(Box<Result<Split, StepError>>),
}

/// A split under way. It ends when this is dropped.
pub(super) struct Going {
    pub(super) pieces: mpsc::Receiver<Piece>,
    pub(super) pause: Arc<AtomicBool>,
    go_on: Sender<()>,
    _feeding: AbortOnDropHandle<()>,
}

impl Going {
    /// Splits `stream`, which begins where the checkpoint says if there is one.
    pub(super) fn start(
        context: &Context,
        (job, file, size): (&Arc<Job>, &str, u64),
        stream: Input,
        from: Option<Checkpoint>,
    ) -> Self {
        let (chunks_in, chunks) = mpsc::channel(WAITING);
        let (pieces_in, pieces) = mpsc::channel(WAITING);
        let (go_on, go) = channel();
        let feeding = AbortOnDropHandle::new(tokio::spawn(feed(stream, chunks_in)));
        let pause = Arc::new(AtomicBool::new(false));
        let (job, file, asked) = (job.clone(), file.to_owned(), pause.clone());
        let (environment, progress) = (context.environment, context.progress.clone());
        let shape = Shape::new(environment, size);
        tokio::task::spawn_blocking(move || {
            let mut sink = ChannelSink { pieces: pieces_in.clone(), progress };
            let (stream, pause) = (ChannelReader::new(chunks), || asked.load(Ordering::Relaxed));
            let hold =
                |checkpoint: &Checkpoint| holds(environment, checkpoint) && wait(&pieces_in, checkpoint, &go);
            let ended = match from {
                None => split::start(stream, &job, &file, shape, &mut sink, (pause, hold)),
                Some(from) => split::resume(stream, from, &job, &file, shape, &mut sink, (pause, hold)),
            };
            // Nobody listens after an interruption.
            let _ = pieces_in.blocking_send(Piece::Ended(Box::new(ended)));
        });
        Self { pieces, pause, go_on, _feeding: feeding }
    }
}

/// Whether a paused split stays in the process. Most inputs can be read from the middle. One that is compressed or
/// has another encoding would have to be read again from its beginning, which takes the longer the further the
/// split has come. On AWS the next call may be in another process.
pub(super) fn holds(environment: Environment, checkpoint: &Checkpoint) -> bool {
    environment == Environment::Local && checkpoint.reads_again()
}

/// Says that the split has paused, and waits for the next call. Returns whether there is one.
fn wait(pieces: &mpsc::Sender<Piece>, checkpoint: &Checkpoint, go: &Receiver<()>) -> bool {
    let paused = Piece::Ended(Box::new(Ok(Split::Paused(checkpoint.clone()))));
    pieces.blocking_send(paused).is_ok() && go.recv().is_ok()
}

/// The paused splits of this process, by the keys of their checkpoints. Clones share them.
#[derive(Clone, Default)]
pub struct HeldSplits(Arc<Mutex<HashMap<String, Going>>>);

impl HeldSplits {
    pub(super) fn keep(&self, key: String, going: Going) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, going);
    }

    /// Lets the split go on that has paused at this checkpoint, if it is in this process.
    pub(super) fn continue_at(&self, key: &str) -> Option<Going> {
        let going = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key)?;
        going.pause.store(false, Ordering::Relaxed);
        going.go_on.send(()).ok().map(|()| going)
    }
}
