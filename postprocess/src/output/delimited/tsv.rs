//! TSV: cells have no quotes. A tab, a line end and a backslash are written as two characters: `\t`, `\n`,
//! `\r` and `\\`.

use memchr::memchr2;

use job::wire::json;

/// Appends a cell with a text.
pub(super) fn text(out: &mut Vec<u8>, text: &[u8]) {
    if memchr2(b'\t', b'\n', text).is_none() && memchr2(b'\r', b'\\', text).is_none() {
        out.extend_from_slice(text);
        return;
    }
    for byte in text {
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            other => out.push(*other),
        }
    }
}

/// Appends a cell with a JSON value, as [`super::csv::value`] does.
pub(super) fn value(out: &mut Vec<u8>, value: &str) {
    match value.as_bytes() {
        b"null" => {}
        [b'"', inner @ .., b'"'] => {
            let mut whole = Vec::with_capacity(inner.len());
            json::unescape(inner, |part| whole.extend_from_slice(part));
            text(out, &whole);
        }
        [b'{' | b'[', ..] => {
            let mut compact = Vec::with_capacity(value.len());
            json::compact(&mut compact, value);
            text(out, &compact);
        }
        other => text(out, other),
    }
}
