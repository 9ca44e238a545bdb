//! Writes items as [`job::Item`] reads them. An item is written by hand since this is the step's inner loop.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use job::{Code, Item};
use serde_json::value::RawValue;

/// Appends the item of a line that was read: its `value` is JSON.
pub(crate) fn item(out: &mut Vec<u8>, n: u64, at: u64, key: Option<&str>, value: &[u8]) {
    out.extend_from_slice(b"{\"n\":");
    number(out, n);
    out.extend_from_slice(b",\"at\":");
    number(out, at);
    if let Some(key) = key {
        out.extend_from_slice(b",\"key\":");
        string(out, key);
    }
    out.extend_from_slice(b",\"v\":");
    out.extend_from_slice(value);
    out.extend_from_slice(b"}\n");
}

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
        n: line.n,
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

/// Appends a JSON array of strings.
pub(crate) fn strings<T: AsRef<str>>(out: &mut Vec<u8>, texts: impl IntoIterator<Item = T>) {
    out.push(b'[');
    for (index, text) in texts.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(out, text.as_ref());
    }
    out.push(b']');
}

/// Appends a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    // Without an early exit the compiler examines many bytes at a time.
    let plain =
        text.bytes().fold(true, |plain, byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\'));
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("writing to memory does not fail");
    }
}

/// Appends a JSON number.
fn number(out: &mut Vec<u8>, number: u64) {
    serde_json::to_writer(out, &number).expect("writing to memory does not fail");
}
