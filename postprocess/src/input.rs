//! What is merged, fetched ahead of the merge: the items of a lane, and beside them the results that won.

mod budget;
mod feed;
mod index;
mod items;
mod lines;
mod listing;
mod notes;
mod records;
mod window;

pub(crate) use budget::Budget;
pub(crate) use feed::Feed;
pub(crate) use job::wire::{ItemView, ResultView as RecordView, read_item, read_result};
pub(crate) use lines::{line_at, number};
pub(crate) use records::{Chunk, Outcome, Place, Source, Spent};

/// Whole lines of a lane's items, in order.
pub(crate) fn items(source: &Source) -> Feed<bytes::Bytes> {
    items::feed(source)
}

/// What became of a lane's lines, in line order; a line that does not occur has no result.
pub(crate) fn records(source: &Source) -> Feed<Chunk> {
    records::feed(source)
}
