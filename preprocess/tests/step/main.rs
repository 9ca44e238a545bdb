//! The step in an S3 of a temporary folder: which run a run continues, and what it keeps.
#![allow(clippy::unwrap_used)]

mod compressed;
mod deaths;
mod decisions;
mod keeping;
mod lanes;
mod properties;
mod workers;
mod world;
