//! Reads JSON whose keys are not under our control. serde_json gives a meaning to objects whose first key is
//! one of its own (`$serde_json::private::…`); for these readers every key is a plain key.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Error, Map, Number, Value};

/// Reads a value.
///
/// # Errors
/// When the text is not JSON.
pub fn from_str(text: &str) -> Result<Value, Error> {
    serde_json::from_str::<Any>(text).map(|any| any.0)
}

/// Reads a value.
///
/// # Errors
/// When the bytes are not JSON.
pub fn from_slice(text: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice::<Any>(text).map(|any| any.0)
}

/// Reads an object.
pub(crate) fn object(text: &[u8]) -> Result<Map<String, Value>, Error> {
    serde_json::from_slice::<Fields>(text).map(|fields| fields.0)
}

/// Reads an array.
pub(crate) fn list(text: &str) -> Result<Vec<Value>, Error> {
    Ok(serde_json::from_str::<Vec<Any>>(text)?.into_iter().map(|any| any.0).collect())
}

/// For `deserialize_with`: a field that holds a value.
///
/// # Errors
/// Those of the format.
pub fn value<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    Any::deserialize(from).map(|any| any.0)
}

/// A field that may hold a value.
pub(crate) fn maybe<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Option::<Any>::deserialize(from).map(|any| any.map(|any| any.0))
}

/// A field that holds an object.
pub(crate) fn fields<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    Fields::deserialize(from).map(|fields| fields.0)
}

/// A field that holds an array.
pub(crate) fn items<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Value>, D::Error> {
    Ok(Vec::<Any>::deserialize(from)?.into_iter().map(|any| any.0).collect())
}

struct Any(Value);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Values).map(Any)
    }
}

struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_map(Values)? {
            Value::Object(fields) => Ok(Fields(fields)),
            _ => Err(D::Error::custom("an object expected")),
        }
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Any(item)) = from.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((name, Any(value))) = from.next_entry::<String, Any>()? {
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}
