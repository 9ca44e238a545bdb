//! Writes a value as JSON on one line, and a string as its text.

use std::borrow::Cow;

use memchr::memchr;

use super::parse::unit;
use super::{Json, Kind};

impl Json<'_> {
    /// Appends the value as strict JSON without white space. Numbers and strings are written unchanged,
    /// except that `NaN`, `Infinity` and `-Infinity` become strings, and that half of a surrogate pair
    /// becomes U+FFFD.
    pub fn write(self, out: &mut Vec<u8>) {
        if !self.tape.spaced && !self.tape.odd {
            return out.extend_from_slice(self.raw().as_bytes());
        }
        match self.kind() {
            Kind::Array => {
                let mut mark = b'[';
                for item in self.items() {
                    out.push(std::mem::replace(&mut mark, b','));
                    item.write(out);
                }
                out.extend_from_slice(if mark == b'[' { b"[]" } else { b"]" });
            }
            Kind::Object => {
                let mut mark = b'{';
                let mut parts = self.parts();
                while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
                    out.push(std::mem::replace(&mut mark, b','));
                    key.write(out);
                    out.push(b':');
                    value.write(out);
                }
                out.extend_from_slice(if mark == b'{' { b"{}" } else { b"}" });
            }
            Kind::String if self.tape.odd && self.raw().contains("\\u") => write_string(out, &self.text()),
            Kind::Word => write_string(out, self.raw()),
            _ => out.extend_from_slice(self.raw().as_bytes()),
        }
    }

    /// [`Self::write`] as text.
    pub fn compact(self) -> String {
        let mut out = Vec::with_capacity(self.raw().len());
        self.write(&mut out);
        String::from_utf8(out).expect("it is made of text")
    }
}

/// Appends a text as a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing to memory does not fail");
}

/// The text between a string's quotes, without escapes. Half of a surrogate pair becomes U+FFFD.
pub fn unescape(inner: &str) -> Cow<'_, str> {
    let Some(mut escape) = memchr(b'\\', inner.as_bytes()) else { return Cow::Borrowed(inner) };
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    loop {
        text.push_str(&rest[..escape]);
        let (character, length) = character(&rest[escape..]);
        text.push(character);
        rest = &rest[escape + length..];
        match memchr(b'\\', rest.as_bytes()) {
            Some(next) => escape = next,
            None => break,
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of the escape at the beginning, and the escape's length.
fn character(escape: &str) -> (char, usize) {
    let simple = |character| (character, 2);
    match escape.as_bytes().get(1) {
        Some(b'n') => simple('\n'),
        Some(b't') => simple('\t'),
        Some(b'r') => simple('\r'),
        Some(b'b') => simple('\x08'),
        Some(b'f') => simple('\x0c'),
        Some(byte @ (b'"' | b'\\' | b'/')) => simple(char::from(*byte)),
        Some(b'u') => match (unit(escape.as_bytes()), escape.as_bytes().get(6..).and_then(unit)) {
            (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => (
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                    .unwrap_or(char::REPLACEMENT_CHARACTER),
                12,
            ),
            (Some(unit), _) => (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            // Not an escape: the backslash is a character.
            (None, _) => ('\\', 1),
        },
        _ => ('\\', 1),
    }
}
