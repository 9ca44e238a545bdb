//! JSON that the steps wrote, taken apart without building values (everything is a slice of the text), and
//! the writers of its simple values. For JSON from others there is [`crate::json`].

use std::borrow::Cow;

use memchr::memchr;

/// The values of an array, each as it is written there.
pub fn elements(array: &str) -> impl Iterator<Item = &str> {
    let mut at = 1;
    std::iter::from_fn(move || {
        let start = skip_space(array, at);
        if matches!(array.as_bytes().get(start), None | Some(b']')) {
            return None;
        }
        let end = value_end(array.as_bytes(), start);
        at = skip_space(array, end) + 1;
        Some(&array[start..end])
    })
}

/// The members of an object: the key without its quotes but with its escapes, and the range of the value.
pub fn members(object: &str) -> Members<'_> {
    Members { object, at: 1 }
}

/// See [`members`].
#[derive(Debug)]
pub struct Members<'a> {
    object: &'a str,
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, (usize, usize));

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.object.as_bytes();
        let start = skip_space(self.object, self.at);
        if bytes.get(start) != Some(&b'"') {
            return None;
        }
        let key_end = string_end(bytes, start);
        let value = skip_space(self.object, skip_space(self.object, key_end) + 1);
        let end = value_end(bytes, value);
        let key = self.object.get(start + 1..key_end - 1)?;
        self.object.get(value..end)?;
        self.at = skip_space(self.object, end) + 1;
        Some((key, (value, end)))
    }
}

impl Members<'_> {
    /// After the last member: whether the text was one object and nothing more. The values are not checked.
    pub fn ended_well(&self) -> bool {
        let bytes = self.object.as_bytes();
        bytes.first() == Some(&b'{') && self.at >= 2 && self.at == bytes.len() && bytes.last() == Some(&b'}')
    }
}

/// The text between a string's quotes, without escapes.
pub fn text(inner: &str) -> Cow<'_, str> {
    if memchr(b'\\', inner.as_bytes()).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut out = Vec::with_capacity(inner.len());
    unescape(inner.as_bytes(), |part| out.extend_from_slice(part));
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// Calls `part` with each part of the text between a string's quotes: runs without an escape, and the
/// character of each escape. Half of a surrogate pair, which JSON's grammar allows, becomes U+FFFD.
pub fn unescape(inner: &[u8], mut part: impl FnMut(&[u8])) {
    let mut at = 0;
    while let Some(length) = memchr(b'\\', &inner[at..]) {
        if length > 0 {
            part(&inner[at..at + length]);
        }
        let escape = &inner[at + length + 1..];
        at += length + 2;
        match escape.first() {
            Some(b'n') => part(b"\n"),
            Some(b't') => part(b"\t"),
            Some(b'r') => part(b"\r"),
            Some(b'b') => part(b"\x08"),
            Some(b'f') => part(b"\x0c"),
            Some(b'u') => {
                let (character, digits) = unicode(&escape[1..]);
                at += digits;
                part(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Some(_) => part(&escape[..1]),
            None => return,
        }
    }
    if at < inner.len() {
        part(&inner[at..]);
    }
}

/// Appends a value without the white space between its tokens.
pub fn compact(out: &mut Vec<u8>, value: &str) {
    let bytes = value.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = if bytes[at] == b'"' { string_end(bytes, at) } else { at + 1 };
        if !is_space(bytes[at]) {
            out.extend_from_slice(&bytes[at..end]);
        }
        at = end;
    }
}

/// Appends a text as a JSON string.
pub fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing to memory does not fail");
}

/// Appends a text as a JSON string, fast where nothing in it must be escaped.
pub fn plain_string(out: &mut Vec<u8>, text: &str) {
    // Without an early exit the compiler looks at many bytes at a time.
    let plain =
        text.bytes().fold(true, |plain, byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\'));
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        string(out, text);
    }
}

/// Appends a number.
pub fn number(out: &mut Vec<u8>, number: u64) {
    serde_json::to_writer(out, &number).expect("writing to memory does not fail");
}

/// The character of `\uXXXX`, from the bytes after the `u`, and the number of bytes that were read.
fn unicode(bytes: &[u8]) -> (char, usize) {
    let first = hex(bytes);
    if let (0xd800..=0xdbff, Some([b'\\', b'u', rest @ ..])) = (first, bytes.get(4..)) {
        let second = hex(rest);
        if let 0xdc00..=0xdfff = second {
            let character = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return (char::from_u32(character).unwrap_or(char::REPLACEMENT_CHARACTER), 10);
        }
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 4.min(bytes.len()))
}

fn hex(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |sum, digit| sum * 16 + char::from(*digit).to_digit(16).unwrap_or(0))
}

fn value_end(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start) {
        Some(b'"') => string_end(bytes, start),
        Some(b'{' | b'[') => nested_end(bytes, start),
        _ => bytes
            .get(start..)
            .unwrap_or_default()
            .iter()
            .position(|byte| is_space(*byte) || matches!(byte, b',' | b']' | b'}'))
            .map_or(bytes.len(), |at| start + at),
    }
}

/// By hand: most strings are too short for a vectorised search to pay off.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn nested_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return at + 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn skip_space(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| is_space(**byte)).count()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<i16>().prop_map(|x| Value::from(f64::from(x) / 8.0)),
            "[\\x00-\\x20\"\\\\a-c\u{e9}\u{1f600}\\]}{\\[,:]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c\"\\\\\n]{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn arrays_and_objects_are_taken_apart_as_serde_reads_them(values in prop::collection::vec(value(), 0..5), pretty: bool) {
            let array = Value::from(values.clone());
            let write = |value: &Value| if pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() };
            let text_of = write(&array);
            let found: Vec<Value> = elements(&text_of).map(|raw| serde_json::from_str(raw).unwrap()).collect();
            prop_assert_eq!(&found, &values);

            let object: Value = values.iter().enumerate().map(|(n, v)| (format!("k\"{n}"), v.clone())).collect::<serde_json::Map<_, _>>().into();
            let text_of = write(&object);
            let found: serde_json::Map<String, Value> = members(&text_of)
                .map(|(key, (start, end))| (text(key).into_owned(), serde_json::from_str(&text_of[start..end]).unwrap()))
                .collect();
            prop_assert_eq!(Value::Object(found), object.clone());

            let mut out = Vec::new();
            compact(&mut out, &text_of);
            prop_assert_eq!(String::from_utf8(out).unwrap(), object.to_string());
        }

        #[test]
        fn texts_are_what_was_escaped(chars: String) {
            let raw = Value::from(chars.as_str()).to_string();
            prop_assert_eq!(text(&raw[1..raw.len() - 1]), chars.as_str());
            let escaped: String = chars.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            prop_assert_eq!(text(&escaped), chars.as_str());
        }

        #[test]
        fn no_text_makes_the_readers_panic(junk in "[\\[{\"\\\\u,:}\\] 0d8]{0,12}") {
            elements(&junk).for_each(drop);
            members(&junk).for_each(drop);
            members(&format!("{{{junk}")).for_each(drop);
            text(&junk);
        }
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        assert_eq!(text("a\\ud83db"), "a\u{fffd}b");
        assert_eq!(text("\\ud83d\\ude00"), "\u{1f600}");
        assert_eq!(text("\\ude00\\ud83d"), "\u{fffd}\u{fffd}");
    }
}
