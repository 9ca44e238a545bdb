//! A line of the batch while it is worked on.

use std::ops::Range;

use crate::failure::Failure;
use crate::request::Prepared;
use crate::retry::Past;

/// A line of the batch.
#[derive(Debug)]
pub(crate) struct LineState {
    /// Its number.
    pub(crate) n: u64,
    /// Where its fields stand in the batch's bytes.
    pub(crate) fields: Range<u32>,
    /// Index of its limit key.
    pub(crate) key: u32,
    /// Requests sent for it by this call, redirects not counted.
    pub(crate) tries: u32,
    /// Its next request follows a redirect, and is no new try.
    pub(crate) mid_redirect: bool,
    pub(crate) past: Past,
    /// Rendered when its turn comes, and kept while it may be sent again.
    pub(crate) prepared: Option<Box<Prepared>>,
    pub(crate) last: Option<Box<Failure>>,
}
