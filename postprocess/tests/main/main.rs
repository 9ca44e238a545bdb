//! The step over a real S3 protocol: what it writes for which run folder.
#![allow(clippy::unwrap_used, missing_docs)]

mod again;
mod formats;
mod large;
mod model;
mod names;
mod verdicts;
mod world;
