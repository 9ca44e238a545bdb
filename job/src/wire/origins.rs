//! Origins: the lines of a batch that an earlier run may have sent, and as which line of it.

use serde::{Deserialize, Serialize};

use crate::run::LineId;

/// `origins.json` in a batch's folder of results. A line that may have been sent before carries the
/// idempotency key that it had then, which is made of the run and the line that it was then.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    /// See [`crate::run::FORMAT`].
    pub format: u32,
    /// At most one for each line of the batch.
    pub lines: Vec<Origin>,
}

/// Where the idempotency key of a line comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The line of this run.
    pub n: LineId,
    /// The id of the run that sent it first.
    pub run: String,
    /// The line that it was in that run.
    pub line: LineId,
}
