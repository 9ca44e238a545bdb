//! The lines that the steps pass to each other, as bytes. Each kind of line has its writer and its readers
//! here, and property tests that they agree.
//!
//! An [`Item`] is a line of the input, and a [`LineResult`] is its outcome. Both are parsed with serde
//! where a step needs every field; the merge reads them as [`ItemView`] and [`ResultView`], which are slices
//! of the line. A result segment ends with a [sum](seal). [`Intents`] name the lines that a worker is about
//! to send, and [`Origins`] the lines that an earlier run may have sent.

mod begun;
mod intents;
mod item;
pub mod json;
mod line_result;
mod origins;
pub mod seal;
mod view;

pub use begun::Begun;
pub use intents::Intents;
pub use item::{Item, SKIPPED, write_item};
pub use line_result::{LineResult, Tried, write_values};
pub use origins::{Origin, Origins};
pub use view::{ItemView, ResultView, line_id, read_item, read_result};

#[cfg(test)]
mod tests;
