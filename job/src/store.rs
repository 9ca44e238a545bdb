//! The store: the few things that the steps do with S3, with errors that say what failed, where, and what to
//! do.
//!
//! [`Objects`] is a bucket. [`Download`] reads an object to its end although connections break, [`Upload`]
//! writes one in parts, and [`RetryPolicy`] is the one loop that makes an attempt again.

mod download;
mod error;
mod listing;
mod objects;
mod retry;
mod upload;

pub use download::Download;
pub use error::{StorageError, StorageErrorKind, in_words};
pub use listing::Listing;
pub use objects::{Entry, Facts, Objects, Stored};
pub use retry::RetryPolicy;
pub use upload::{PART_BYTES, PausedUpload, Upload};
