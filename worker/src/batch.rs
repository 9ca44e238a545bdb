//! The lines of a batch, and what earlier calls left of them.

mod items;
mod seen;

pub(crate) use items::{Items, Parsed};
pub(crate) use seen::{Before, Seen, View};
