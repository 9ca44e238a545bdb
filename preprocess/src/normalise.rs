//! From a record to an item: one JSON object, on one line.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use job::json::{Kind, Tape};
use job::wire::json::plain_string as string;
use job::{Code, Item, LineId};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::records::Fields;

/// Keys of JSONL objects that become columns of a CSV output at most.
const MAX_COLUMNS: usize = 10_000;
/// Bytes of all these keys at most.
const MAX_COLUMN_BYTES: usize = 1 << 20;

/// Writes the fields of a CSV record as a JSON array of strings.
///
/// Returns why it is no text, if so.
pub(crate) fn fields(out: &mut Vec<u8>, fields: Fields<'_>) -> Option<(Code, String)> {
    out.push(b'[');
    // One look at the whole record: then a field is text unless its ends are within a character.
    let whole = std::str::from_utf8(fields.bytes).ok();
    for (index, (from, to)) in fields.places().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let field = &fields.bytes[from..to];
        match whole.and_then(|whole| whole.get(from..to)).map_or_else(|| std::str::from_utf8(field), Ok) {
            Ok(text) => string(out, text),
            Err(error) => {
                let detail = format!(
                    "field {} is not UTF-8: bad byte {:#04x} at its byte {}",
                    index + 1,
                    field[error.valid_up_to()],
                    error.valid_up_to() + 1
                );
                return Some((Code::Decode, detail));
            }
        }
    }
    out.push(b']');
    None
}

/// Writes a line of text as a JSON array of one string.
pub(crate) fn line(out: &mut Vec<u8>, raw: &[u8]) -> Option<(Code, String)> {
    match std::str::from_utf8(raw) {
        Err(error) => Some((
            Code::Decode,
            format!(
                "the line is not UTF-8: bad byte {:#04x} at its byte {}",
                raw[error.valid_up_to()],
                error.valid_up_to() + 1
            ),
        )),
        Ok(text) => {
            out.push(b'[');
            string(out, text);
            out.push(b']');
            None
        }
    }
}

/// Writes a JSON object as it is.
pub(crate) fn object(out: &mut Vec<u8>, raw: &[u8], keys: &mut Keys) -> Option<(Code, String)> {
    let raw = raw.trim_ascii();
    let text = match std::str::from_utf8(raw) {
        Err(error) => {
            return Some((
                Code::Decode,
                format!(
                    "the line is not UTF-8: bad byte {:#04x} at its byte {}",
                    raw[error.valid_up_to()],
                    error.valid_up_to() + 1
                ),
            ));
        }
        Ok(text) => text,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde::de::DeserializeSeed::deserialize(KeysOf(keys), &mut reader).and_then(|()| reader.end());
    match read {
        Err(error) => match odd(out, text, keys) {
            Some(()) => None,
            None => Some((Code::Parse, format!("the line is not a JSON object: {error}"))),
        },
        Ok(()) => {
            out.extend_from_slice(raw);
            None
        }
    }
}

/// Writes an object that is JSON but for `NaN`, `Infinity` or half a surrogate pair: as JSON.
fn odd(out: &mut Vec<u8>, text: &str, keys: &mut Keys) -> Option<()> {
    let tape = Tape::parse(text).ok()?;
    let object = Some(tape.root(text)).filter(|root| root.kind() == Kind::Object)?;
    object.members().enumerate().for_each(|(position, (name, _))| keys.add(name, position));
    object.write(out);
    Some(())
}

/// Writes the item of a line that failed: as much of its columns as can be told, and its bytes.
pub(crate) fn failed(
    n: u64,
    at: u64,
    raw: &[u8],
    columns: Option<(Fields<'_>, usize)>,
    code: Code,
    detail: &str,
) -> Vec<u8> {
    let values = columns.map(|(fields, count)| {
        let mut values = Vec::new();
        values.push(b'[');
        for (index, field) in fields.iter().take(count).enumerate() {
            if index > 0 {
                values.push(b',');
            }
            string(&mut values, &String::from_utf8_lossy(field));
        }
        values.push(b']');
        values
    });
    let v = values.as_deref().and_then(|values| serde_json::from_slice::<&RawValue>(values).ok());
    let item = Item {
        n: LineId::nth(n),
        at,
        key: None,
        v,
        error: Some(Cow::Owned(code.to_string())),
        detail: Some(Cow::Borrowed(detail)),
        raw: Some(Cow::Owned(STANDARD.encode(raw))),
    };
    serde_json::to_vec(&item).expect("an item is always JSON")
}

/// The keys of all objects, in order of first appearance.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) names: Vec<String>,
    known: HashMap<String, ()>,
    bytes: usize,
}

impl Keys {
    /// Goes on behind these.
    pub(crate) fn new(names: Vec<String>) -> Self {
        let known = names.iter().map(|name| (name.clone(), ())).collect();
        let bytes = names.iter().map(String::len).sum();
        Self { names, known, bytes }
    }

    fn add(&mut self, name: Cow<'_, str>, position: usize) {
        // Most objects have the same keys in the same order.
        if self.names.get(position).is_some_and(|known| *known == name)
            || self.known.contains_key(name.as_ref())
            || self.names.len() >= MAX_COLUMNS
            || self.bytes + name.len() > MAX_COLUMN_BYTES
        {
            return;
        }
        self.bytes += name.len();
        self.known.insert(name.clone().into_owned(), ());
        self.names.push(name.into_owned());
    }
}

struct KeysOf<'k>(&'k mut Keys);

impl<'de> serde::de::DeserializeSeed<'de> for KeysOf<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KeysOf<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut position = 0;
        while let Some(KeyName(name)) = map.next_key()? {
            self.0.add(name, position);
            map.next_value::<IgnoredAny>()?;
            position += 1;
        }
        Ok(())
    }
}

struct KeyName<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for KeyName<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = KeyName<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(KeyName(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(KeyName(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}
