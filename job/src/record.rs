//! A record: the outcome of one line, as it stands in a flush object.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The outcome of one finished line. One JSON object a line; a flush object is sorted by `n`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record<'a> {
    /// Number of the line.
    pub n: u64,
    /// When it finished, milliseconds since 1970.
    #[serde(default)]
    pub t: u64,
    /// How long the last attempt took, milliseconds.
    #[serde(default)]
    pub ms: u32,
    /// Requests sent for this line by this invocation, redirects not counted.
    #[serde(default)]
    pub tries: u32,
    /// Status of the last answer, 0 without one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub status: u16,
    /// The extracted values beside the job's output columns, in order; absent when the line failed.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub v: Option<Vec<&'a RawValue>>,
    /// The code of a failed line.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, str>>,
    /// Says what was wrong.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'a, str>>,
}

impl<'a> Record<'a> {
    /// Parses one line of a flush object.
    ///
    /// # Errors
    /// Whatever `serde_json` finds wrong; flush objects are ours, so that is damage.
    pub fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// Whether the line succeeded.
    pub fn ok(&self) -> bool {
        self.error.is_none()
    }
}

/// What a worker without permission to repeat a request notes before it sends: after a crash, a line that is
/// noted as `sending`, has no record and is not among the later `unsent`, may have reached the provider.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// Lines that may be sent from now on.
    #[serde(default)]
    pub sending: Vec<u64>,
    /// Lines noted earlier by the same invocation that were not sent after all.
    #[serde(default)]
    pub unsent: Vec<u64>,
}

fn is_zero(status: &u16) -> bool {
    *status == 0
}
