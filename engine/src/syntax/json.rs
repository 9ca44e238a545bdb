//! JSON in which every value has its position.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::diagnostic::Position;

/// A value and its position.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) kind: Json,
}

#[derive(Debug, Clone)]
pub(crate) enum Json {
    /// Null, a boolean or a number.
    Plain(Value),
    String(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The value without positions.
    pub(crate) fn value(&self) -> Value {
        match &self.kind {
            Json::Plain(value) => value.clone(),
            Json::String(text) => Value::String(text.clone()),
            Json::Array(items) => items.iter().map(Node::value).collect(),
            Json::Object(fields) => fields.iter().map(|(name, node)| (name.clone(), node.value())).collect(),
        }
    }
}

/// The deepest nesting of values. A state inside a state takes three levels.
const DEEPEST: usize = 120;

/// The reason why a text cannot be read.
pub(crate) struct NoTree {
    pub(crate) offset: usize,
    pub(crate) message: String,
    pub(crate) too_deep: bool,
}

impl NoTree {
    fn new(offset: usize, message: String) -> Self {
        Self { offset, message, too_deep: false }
    }
}

/// Parses a text.
pub(crate) fn parse(text: &str) -> Result<Node, NoTree> {
    let raw: &RawValue =
        serde_json::from_str(text).map_err(|e| NoTree::new(offset_of(text, &e), format!("not JSON: {e}")))?;
    read(text, raw, String::new(), 0)
}

fn read(text: &str, raw: &RawValue, path: String, depth: usize) -> Result<Node, NoTree> {
    let json = raw.get();
    // Both slices are parts of the same text.
    let offset = json.as_ptr() as usize - text.as_ptr() as usize;
    let fail = |e: serde_json::Error| NoTree::new(offset, format!("not JSON: {e}"));
    if depth > DEEPEST {
        let message = format!("values are nested more than {DEEPEST} deep");
        return Err(NoTree { offset, message, too_deep: true });
    }
    let kind = match json.as_bytes().first() {
        Some(b'{') => {
            let members: Members<'_> = serde_json::from_str(json).map_err(fail)?;
            let mut fields: Vec<(String, Node)> = Vec::with_capacity(members.0.len());
            let mut seen = std::collections::HashSet::new();
            for (name, value) in members.0 {
                let node = read(
                    text,
                    value,
                    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")),
                    depth + 1,
                )?;
                if !seen.insert(name.clone()) {
                    return Err(NoTree::new(node.at.offset, format!("the field {name:?} is given twice")));
                }
                fields.push((name, node));
            }
            Json::Object(fields)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(fail)?;
            let items = items
                .into_iter()
                .enumerate()
                .map(|(i, item)| read(text, item, format!("{path}/{i}"), depth + 1));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Some(b'"') => Json::String(serde_json::from_str(json).map_err(fail)?),
        _ => Json::Plain(serde_json::from_str(json).map_err(fail)?),
    };
    Ok(Node { at: Position { path, offset }, kind })
}

fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut offset = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The members of an object in their order, including duplicates.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
