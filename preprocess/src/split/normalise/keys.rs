//! The keys of JSON objects, which become the columns of a CSV output.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The maximum number of keys.
const MAX_KEYS: usize = 10_000;
/// The maximum number of bytes of all keys.
const MAX_KEY_BYTES: usize = 1 << 20;

/// The keys of all objects, in order of first appearance.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) names: Vec<String>,
    known: HashMap<String, ()>,
    bytes: usize,
}

impl Keys {
    /// Continues with the keys that an earlier call collected.
    pub(crate) fn new(names: Vec<String>) -> Self {
        let known = names.iter().map(|name| (name.clone(), ())).collect();
        let bytes = names.iter().map(String::len).sum();
        Self { names, known, bytes }
    }

    pub(super) fn add(&mut self, name: Cow<'_, str>, position: usize) {
        // Most objects have the same keys in the same order.
        if self.names.get(position).is_some_and(|known| *known == name)
            || self.known.contains_key(name.as_ref())
            || self.names.len() >= MAX_KEYS
            || self.bytes + name.len() > MAX_KEY_BYTES
        {
            return;
        }
        self.bytes += name.len();
        self.known.insert(name.clone().into_owned(), ());
        self.names.push(name.into_owned());
    }
}

/// Reads an object, and adds its keys.
pub(super) struct KeysOf<'k>(pub(super) &'k mut Keys);

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
