//! The step over a real S3 protocol: what it writes for which run folder.
#![allow(clippy::unwrap_used, missing_docs)]

mod again;
mod finished;
mod formats;
mod kept;
mod large;
mod model;
mod names;
mod verdicts;
mod world;
