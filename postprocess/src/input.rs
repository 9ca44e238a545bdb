//! The input of the merge: the items of each lane and the results of their lines. Both are fetched ahead.

mod feed;
mod index;
mod items;
mod results;
mod segments;
mod view;

pub(crate) use feed::{Budget, Feed, LaneInput};
pub(crate) use index::Slice;
pub(crate) use items::{lane_items, line_at, number};
pub(crate) use results::{Chunk, lane_results};
pub(crate) use segments::RequestCounts;
pub(crate) use view::{ItemView, RecordView as ResultView, item as read_item, record as read_result};
