//! CSV (RFC 4180), written by hand into one buffer. A cell has quotes only if it needs them, and `\n` ends a
//! row.

use memchr::memchr;

use job::wire::json;

/// Appends a cell with a text.
pub(super) fn text(out: &mut Vec<u8>, text: &[u8], delimiter: u8) {
    // Without an early exit the compiler examines many bytes at a time.
    if !text
        .iter()
        .fold(false, |special, byte| special | (*byte == delimiter) | matches!(byte, b'"' | b'\n' | b'\r'))
    {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    quoted(out, text);
    out.push(b'"');
}

/// Appends a cell with a JSON value: a string as its text, null as an empty cell, anything else as compact
/// JSON.
pub(super) fn value(out: &mut Vec<u8>, value: &str, delimiter: u8) {
    match value.as_bytes() {
        b"null" => {}
        [b'"', inner @ .., b'"'] => string(out, inner, delimiter),
        [b'{' | b'[', ..] => {
            let mut compact = Vec::with_capacity(value.len());
            json::compact(&mut compact, value);
            text(out, &compact, delimiter);
        }
        other => text(out, other, delimiter),
    }
}

/// Appends a cell with the text of a JSON string, given the bytes between its quotes.
fn string(out: &mut Vec<u8>, inner: &[u8], delimiter: u8) {
    let (has_delimiter, has_escape) = inner.iter().fold((false, false), |(delimiters, escapes), byte| {
        (delimiters | (*byte == delimiter), escapes | (*byte == b'\\'))
    });
    if !has_escape {
        // A JSON string without escapes contains neither a quote nor a line break.
        if has_delimiter {
            out.push(b'"');
            out.extend_from_slice(inner);
            out.push(b'"');
        } else {
            out.extend_from_slice(inner);
        }
        return;
    }
    let start = out.len();
    let mut needs_quotes = has_delimiter;
    out.push(b'"');
    json::unescape(inner, |part| {
        // Each escape is a part, and only an escape can be a quote or a line break.
        if let [byte] = part {
            needs_quotes |= matches!(byte, b'"' | b'\n' | b'\r') || *byte == delimiter;
            if *byte == b'"' {
                out.push(b'"');
            }
        }
        out.extend_from_slice(part);
    });
    if needs_quotes {
        out.push(b'"');
    } else {
        out.remove(start);
    }
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}
