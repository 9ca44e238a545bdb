//! A line whose first steps have been answered.

use serde::{Deserialize, Serialize};

use crate::LineId;

/// What is kept of a line between two of its requests, so that it goes on with the second one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begun {
    /// The line.
    pub n: LineId,
    /// The step to go on with, from 1.
    pub step: usize,
    /// When that step began, in milliseconds since 1970.
    pub since: u64,
    /// The URL of the response before, without its query.
    pub url: String,
    /// The responses so far, as [`crate::file::response_as_json`] writes them.
    pub responses: Vec<String>,
}
