//! An item: one line of the input, normalised to JSON, as it stands in `items/<lane>.jsonl`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One line of the input. One JSON object a line of the items file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Item<'a> {
    /// Number of the record, from 1, without the header.
    pub n: u64,
    /// Byte offset of the record in the input, decompressed and decoded to UTF-8.
    pub at: u64,
    /// In a hashed lane, what the limit counts by (the host, or the value of `by`).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
    /// The fields: an array of strings beside the plan's columns (text, CSV, TSV), or the line's own object (JSONL).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub v: Option<&'a RawValue>,
    /// Set when the line could not be decoded, parsed or routed: it is a failed line, and no request is made.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, str>>,
    /// Says what was wrong with the line.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'a, str>>,
    /// The line as it was, in base64, where `v` cannot hold it without loss.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Cow<'a, str>>,
}

impl<'a> Item<'a> {
    /// Parses one line of an items file.
    ///
    /// # Errors
    /// Whatever `serde_json` finds wrong; the items file is ours, so that is damage.
    pub fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}
