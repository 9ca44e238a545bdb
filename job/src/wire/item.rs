//! An item: one line of the input, normalised to JSON, as it is in `items/<lane>.jsonl`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::json;
use crate::run::LineId;

/// In [`Item::error`]: the line makes no request, and has not failed.
pub const SKIPPED: &str = "skipped";

/// One line of the input: one JSON object on a line of the items file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Item<'a> {
    /// The line. The header is not one.
    pub n: LineId,
    /// Byte offset of the record in the input, decompressed and decoded to UTF-8.
    pub at: u64,
    /// In a hashed lane, the key that the limit counts by: the host, or the value of `by`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
    /// The fields: an array of strings in the order of the plan's columns (text, CSV, TSV), or the line's
    /// object (JSON).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub v: Option<&'a RawValue>,
    /// The code of a line that could not be decoded, parsed or routed, which is a failed line; or [`SKIPPED`]. No
    /// request is made.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, str>>,
    /// What was wrong with the line, in words.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'a, str>>,
    /// The line's bytes in base64, where `v` cannot hold them without loss.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Cow<'a, str>>,
}

impl<'a> Item<'a> {
    /// Parses one line of an items file.
    ///
    /// # Errors
    /// The error of `serde_json`. A step writes the items file, so any error means damage.
    pub fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

/// Appends the item of a line that can be sent, with its line feed. `value` is the JSON of `v`, and comes
/// last. By hand, because it is the inner loop of the split.
pub fn write_item(out: &mut Vec<u8>, n: LineId, at: u64, key: Option<&str>, value: &[u8]) {
    out.extend_from_slice(b"{\"n\":");
    json::number(out, n.number());
    out.extend_from_slice(b",\"at\":");
    json::number(out, at);
    if let Some(key) = key {
        out.extend_from_slice(b",\"key\":");
        json::plain_string(out, key);
    }
    out.extend_from_slice(b",\"v\":");
    out.extend_from_slice(value);
    out.extend_from_slice(b"}\n");
}
