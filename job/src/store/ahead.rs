//! Reads an object in order, by several requests at a time.

use std::iter;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio_util::task::AbortOnDropHandle;

use super::error::StorageError;
use super::objects::Objects;

/// The bytes of an object in order. Some ranges are fetched ahead of their use, see [`super::Transfers`].
pub struct RangesAhead(BoxStream<'static, Result<Bytes, StorageError>>);

impl Objects {
    /// Reads bytes `range` of the version with this tag.
    pub fn read_ahead(&self, key: &str, range: Range<u64>, etag: &str) -> RangesAhead {
        let (objects, key, etag) = (self.clone(), key.to_owned(), etag.to_owned());
        let size = objects.transfers.range_bytes.max(1);
        let ahead = objects.transfers.ranges.max(1);
        let begins = iter::successors(Some(range.start), move |at| at.checked_add(size));
        let get = move |from: u64| {
            let (objects, key, etag) = (objects.clone(), key.clone(), etag.clone());
            let to = range.end.min(from.saturating_add(size));
            // A task of its own goes on while nobody asks for the next bytes.
            let range = AbortOnDropHandle::new(tokio::spawn(async move {
                objects.read(&key, Some(from..to), Some(&etag)).await?.all().await
            }));
            async move { range.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) }
        };
        let begins = begins.take_while(move |from| *from < range.end);
        RangesAhead(stream::iter(begins).map(get).buffered(ahead).boxed())
    }
}

impl RangesAhead {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// As [`super::Download::next`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        self.0.try_next().await
    }
}
