//! The items of a lane, and the lines of an object in general.

use std::iter;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use job::wire::line_id;
use job::{LineId, Objects, StorageError};
use memchr::{memchr, memrchr};
use tokio_util::task::AbortOnDropHandle;

use super::feed::{Budget, Feed, LaneInput};

/// Whole lines of a lane's items, in order.
pub(crate) fn lane_items(source: &LaneInput) -> Feed<Bytes> {
    let source = source.clone();
    Feed::spawn(async move |sender| {
        let key = source.keys.items(&source.lane().name);
        let from = source.lane().batches.get(source.from).map_or(0, |batch| batch.from);
        let Budget { items, ahead, .. } = source.budget;
        let mut lines = Lines::new(&source.objects, &key, from, source.lane().bytes, items, ahead);
        while let Ok(room) = sender.reserve().await {
            let Some((_, bytes)) = lines.next().await? else { break };
            room.send(bytes);
        }
        Ok(())
    })
}

/// Whole lines of an object. Its ranges are fetched ahead of their use.
pub(super) struct Lines {
    ranges: BoxStream<'static, Result<Bytes, StorageError>>,
    /// Bytes of the next range. Each range without the end of a line doubles it.
    size: Arc<AtomicU64>,
    /// What is left of the current range.
    rest: Bytes,
    /// The beginning of a line whose end is in a later range.
    begun: BytesMut,
    /// Offset of the next line.
    at: u64,
}

impl Lines {
    /// Reads `from..to` of an object in ranges of `size` bytes, of which `ahead` are under way at a time.
    pub(super) fn new(objects: &Objects, key: &str, from: u64, to: u64, size: u64, ahead: usize) -> Self {
        let (objects, key) = (objects.clone(), key.to_owned());
        let size = Arc::new(AtomicU64::new(size.max(1)));
        let (mut next, sizes) = (from, size.clone());
        let begins = iter::from_fn(move || {
            let begin = (next < to).then_some(next)?;
            next = to.min(begin.saturating_add(sizes.load(Ordering::Relaxed)));
            Some(begin..next)
        });
        let get = move |range: Range<u64>| {
            let (objects, key) = (objects.clone(), key.clone());
            // A task of its own goes on while nobody asks for the next lines.
            let range = AbortOnDropHandle::new(tokio::spawn(async move {
                objects.get_range(&key, range.start, range.end).await
            }));
            async move { range.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) }
        };
        let ranges = stream::iter(begins).map(get).buffered(ahead.max(1)).boxed();
        Self { ranges, size, rest: Bytes::new(), begun: BytesMut::new(), at: from }
    }

    /// The next lines and the offset of the first. Only a line that begins in one range and ends in another
    /// is copied. The last line may have no end.
    ///
    /// # Errors
    /// Errors of the store.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, Bytes)>, StorageError> {
        loop {
            let next_range = self.rest.is_empty();
            if next_range {
                match self.ranges.try_next().await? {
                    Some(range) if range.is_empty() => return Ok(self.last()),
                    Some(range) => self.rest = range,
                    None => return Ok(self.last()),
                }
            }
            let end =
                if self.begun.is_empty() { memrchr(b'\n', &self.rest) } else { memchr(b'\n', &self.rest) };
            let Some(end) = end else {
                if next_range {
                    self.size.fetch_add(self.size.load(Ordering::Relaxed), Ordering::Relaxed);
                }
                self.begun.extend_from_slice(&std::mem::take(&mut self.rest));
                continue;
            };
            let whole = self.rest.split_to(end + 1);
            if self.begun.is_empty() {
                return Ok(Some(self.advance(whole)));
            }
            self.begun.extend_from_slice(&whole);
            let line = self.begun.split().freeze();
            return Ok(Some(self.advance(line)));
        }
    }

    fn last(&mut self) -> Option<(u64, Bytes)> {
        let line = self.begun.split().freeze();
        (!line.is_empty()).then(|| self.advance(line))
    }

    fn advance(&mut self, lines: Bytes) -> (u64, Bytes) {
        let at = self.at;
        self.at += lines.len() as u64;
        (at, lines)
    }
}

/// The line that begins at `at`, without its end, and the start of the next line.
pub(crate) fn line_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
    match memchr(b'\n', rest) {
        Some(end) => Some((&rest[..end], at + end + 1)),
        None => Some((rest, bytes.len())),
    }
}

/// The line number of an item or a result as the steps write them, `{"n":17,…`; `None` if the line must be
/// parsed.
pub(crate) fn number(line: &[u8]) -> Option<u64> {
    line_id(line).map(LineId::number)
}
