//! The result of one line, as it is in a result segment.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::file::Identity;
use crate::run::LineId;

/// The result of one finished line: one JSON object on a line. A result segment is sorted by `n`.
#[derive(Debug, Serialize, Deserialize)]
pub struct LineResult<'a> {
    /// The line.
    pub n: LineId,
    /// When the line was finished, in milliseconds since 1970.
    #[serde(default)]
    pub t: u64,
    /// How long the last attempt took, in milliseconds.
    #[serde(default)]
    pub ms: u32,
    /// Requests that the call sent for the line, redirects not counted.
    #[serde(default)]
    pub tries: u32,
    /// Status of the last response, 0 without one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub status: u16,
    /// The identity of its request; absent when it was not rendered, and before format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Identity>,
    /// The extracted values, in the order of the job's output columns; absent when the line failed, unless the job
    /// wants those of failed lines.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub v: Option<Vec<&'a RawValue>>,
    /// The code of a failed line.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, str>>,
    /// What was wrong, in words.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'a, str>>,
    /// The attempts of the call before the last one, as far as they are recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Tried>,
}

/// A failed attempt that was followed by another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// When it ended, in milliseconds since 1970.
    pub t: u64,
    /// How long it took, in milliseconds.
    pub ms: u32,
    /// Status of the response, 0 without one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub status: u16,
    /// Its code.
    pub error: String,
    /// What was wrong, in words.
    pub detail: String,
}

impl<'a> LineResult<'a> {
    /// Parses one line of a result segment.
    ///
    /// # Errors
    /// The error of `serde_json`. Steps write the segments, so any error means damage.
    pub fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// Whether the line succeeded.
    pub fn ok(&self) -> bool {
        self.error.is_none()
    }

    /// The result as one line of a segment.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(128);
        serde_json::to_writer(&mut line, self).expect("a result is plain JSON");
        line.push(b'\n');
        line
    }
}

/// The result of a line that has values as one line of a segment. `values`, a JSON array, becomes its last
/// member and is not parsed again; `figures` says everything else.
pub fn write_values(figures: &LineResult<'_>, values: &[u8]) -> Vec<u8> {
    const V: &[u8] = b",\"v\":";
    let mut line = Vec::with_capacity(128 + values.len());
    serde_json::to_writer(&mut line, figures).expect("a result is plain JSON");
    line.truncate(line.len() - b"}".len());
    for part in [V, values, b"}\n"] {
        line.extend_from_slice(part);
    }
    line
}

fn is_zero(status: &u16) -> bool {
    *status == 0
}
