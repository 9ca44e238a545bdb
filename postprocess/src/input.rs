//! The input of the merge: the items of each lane and the results of their lines. Both are fetched ahead.

mod feed;
mod index;
mod items;
mod results;
mod segments;

pub(crate) use feed::{Budget, Feed, LaneInput};
pub(crate) use index::Slice;
pub(crate) use items::{lane_items, line_at, number};
pub(crate) use job::wire::{ItemView, ResultView, read_item, read_result};
pub(crate) use results::{Chunk, lane_results};
pub(crate) use segments::{RequestCounts, Writer};
