//! From a record to the value of its item: a JSON array of strings, or an object.

use std::str::Utf8Error;

use job::Code;
use job::json::{Kind, Tape};
use job::wire::json::plain_string;

use super::keys::{Keys, KeysOf};
use crate::split::records::{Fields, LineError};
use crate::wire;

/// Appends the fields of a CSV record as a JSON array of strings.
///
/// # Errors
/// A field is not UTF-8.
pub(super) fn fields(out: &mut Vec<u8>, fields: Fields<'_>) -> Result<(), LineError> {
    out.push(b'[');
    // The whole record is checked once: then a field is text unless its ends are within a character.
    let whole = std::str::from_utf8(fields.bytes).ok();
    for (index, (from, to)) in fields.ranges().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let field = &fields.bytes[from..to];
        let text = whole.and_then(|whole| whole.get(from..to)).map_or_else(|| std::str::from_utf8(field), Ok);
        let text = text.map_err(|error| not_utf8(&format!("field {}", index + 1), field, error))?;
        plain_string(out, text);
    }
    out.push(b']');
    Ok(())
}

/// Appends a line of text as a JSON array of one string.
///
/// # Errors
/// The line is not UTF-8.
pub(super) fn line(out: &mut Vec<u8>, raw: &[u8]) -> Result<(), LineError> {
    let text = std::str::from_utf8(raw).map_err(|error| not_utf8("the line", raw, error))?;
    wire::strings(out, [text]);
    Ok(())
}

/// Appends a JSON object as it is, and adds its keys.
///
/// # Errors
/// The line is not UTF-8, or not a JSON object.
pub(super) fn object(out: &mut Vec<u8>, raw: &[u8], keys: &mut Keys) -> Result<(), LineError> {
    let raw = raw.trim_ascii();
    let text = std::str::from_utf8(raw).map_err(|error| not_utf8("the line", raw, error))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde::de::DeserializeSeed::deserialize(KeysOf(keys), &mut reader).and_then(|()| reader.end());
    match read {
        Ok(()) => {
            out.extend_from_slice(raw);
            Ok(())
        }
        Err(error) => lenient_object(out, text, keys)
            .ok_or_else(|| LineError::new(Code::Parse, format!("the line is not a JSON object: {error}"))),
    }
}

/// Appends an object that is JSON except for `NaN`, `Infinity` or half a surrogate pair. It is written as
/// JSON.
fn lenient_object(out: &mut Vec<u8>, text: &str, keys: &mut Keys) -> Option<()> {
    let tape = Tape::parse(text).ok()?;
    let object = Some(tape.root(text)).filter(|root| root.kind() == Kind::Object)?;
    object.members().enumerate().for_each(|(position, (name, _))| keys.add(name, position));
    object.write(out);
    Some(())
}

fn not_utf8(what: &str, bytes: &[u8], error: Utf8Error) -> LineError {
    let at = error.valid_up_to();
    LineError::new(
        Code::Decode,
        format!("{what} is not UTF-8: bad byte {:#04x} at its byte {}", bytes[at], at + 1),
    )
}
