//! Items of lines that failed, and JSON arrays of texts.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use job::wire::SKIPPED;
use job::wire::json::plain_string;
use job::{Code, Item, LineId};
use serde_json::value::RawValue;

/// A line that fails before any request is made.
pub(crate) struct FailedLine<'a> {
    pub(crate) n: u64,
    pub(crate) at: u64,
    /// The line's bytes.
    pub(crate) raw: &'a [u8],
    /// The fields as far as they are known, a JSON array.
    pub(crate) fields: Option<&'a [u8]>,
    pub(crate) code: Code,
    pub(crate) detail: &'a str,
}

/// Appends the item of a line that failed.
pub(crate) fn failed_item(out: &mut Vec<u8>, line: &FailedLine<'_>) {
    let item = Item {
        n: LineId::nth(line.n),
        at: line.at,
        key: None,
        v: line.fields.and_then(|fields| serde_json::from_slice::<&RawValue>(fields).ok()),
        error: Some(Cow::Owned(line.code.to_string())),
        detail: Some(Cow::Borrowed(line.detail)),
        raw: Some(Cow::Owned(STANDARD.encode(line.raw))),
    };
    serde_json::to_writer(&mut *out, &item).expect("an item is always JSON");
    out.push(b'\n');
}

/// Appends the item of a line that makes no request. `value` is the JSON of its fields.
pub(crate) fn skipped_item(out: &mut Vec<u8>, n: u64, at: u64, value: &[u8]) {
    let item = Item {
        n: LineId::nth(n),
        at,
        key: None,
        v: serde_json::from_slice(value).ok(),
        error: Some(Cow::Borrowed(SKIPPED)),
        detail: Some(Cow::Borrowed("no request: `where` of the job does not hold for this line")),
        raw: None,
    };
    serde_json::to_writer(&mut *out, &item).expect("an item is always JSON");
    out.push(b'\n');
}

/// Appends a JSON array of strings.
pub(crate) fn strings<T: AsRef<str>>(out: &mut Vec<u8>, texts: impl IntoIterator<Item = T>) {
    out.push(b'[');
    for (index, text) in texts.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        plain_string(out, text.as_ref());
    }
    out.push(b']');
}
