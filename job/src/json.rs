//! JSON from others, read in place: numbers keep their digits, and no key has a special meaning.
//!
//! A [`Tape`] holds the place of each value in the text, and a [`Json`] is one of the values. A tape takes
//! twelve bytes for any value, so that a small text never becomes a large tree.

mod parse;
mod path;
mod write;

use std::borrow::Cow;
use std::sync::Arc;

pub use parse::JsonError;
pub use path::{Path, TooMuch};
pub use write::{unescape, write_string};

/// The values of a JSON text, in the order in which they begin. Members of an object are two values: the key,
/// then its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tape {
    nodes: Vec<Node>,
    /// There is white space between tokens.
    spaced: bool,
    /// There is a value that strict JSON does not have: `NaN`, `Infinity`, `-Infinity`, or half a surrogate
    /// pair in a string.
    odd: bool,
}

/// The place of a value in its text, and the index of the next value outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node {
    start: u32,
    end: u32,
    next: u32,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number in JSON's grammar.
    Number,
    /// `NaN`, `Infinity` or `-Infinity`: not JSON, but many programs write it. It is read as the text of its
    /// name.
    Word,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Tape {
    /// Reads a text as one JSON value.
    ///
    /// # Errors
    /// The place where the text is not JSON.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        parse::parse(text)
    }

    /// The text's value; `text` is what was parsed.
    pub fn root<'a>(&'a self, text: &'a str) -> Json<'a> {
        Json { text, tape: self, at: 0 }
    }

    /// Bytes that the tape takes in memory.
    pub fn size(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
    }

    /// Whether a strict reader accepts the text too.
    pub fn is_strict(&self) -> bool {
        !self.odd
    }
}

/// A value in its text.
#[derive(Debug, Clone, Copy)]
pub struct Json<'a> {
    text: &'a str,
    tape: &'a Tape,
    at: u32,
}

impl<'a> Json<'a> {
    fn node(self) -> Node {
        self.tape.nodes[self.at as usize]
    }

    fn with(self, at: u32) -> Self {
        Self { at, ..self }
    }

    /// The value's place in its document, see [`Document::at`].
    pub fn place(self) -> u32 {
        self.at
    }

    /// The value as it is written in the text.
    pub fn raw(self) -> &'a str {
        let node = self.node();
        &self.text[node.start as usize..node.end as usize]
    }

    /// The kind of the value.
    pub fn kind(self) -> Kind {
        let raw = self.raw().as_bytes();
        match raw[0] {
            b'n' => Kind::Null,
            b't' => Kind::Bool(true),
            b'f' => Kind::Bool(false),
            b'"' => Kind::String,
            b'[' => Kind::Array,
            b'{' => Kind::Object,
            b'N' | b'I' => Kind::Word,
            b'-' if raw[1] == b'I' => Kind::Word,
            _ => Kind::Number,
        }
    }

    /// The text of a string without quotes and escapes. Any other value is as it is written.
    pub fn text(self) -> Cow<'a, str> {
        match self.raw().strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
            Some(inner) => unescape(inner),
            None => Cow::Borrowed(self.raw()),
        }
    }

    /// The values of an array, or the keys and values of an object in turn.
    fn parts(self) -> impl Iterator<Item = Json<'a>> {
        let end = self.node().next;
        let nested = matches!(self.kind(), Kind::Array | Kind::Object);
        let mut at = if nested { self.at + 1 } else { end };
        std::iter::from_fn(move || {
            let part = self.with(at);
            (at < end).then(|| {
                at = part.node().next;
                part
            })
        })
    }

    /// The values of an array; none of anything else.
    pub fn items(self) -> impl Iterator<Item = Json<'a>> {
        let array = self.kind() == Kind::Array;
        self.parts().take_while(move |_| array)
    }

    /// The members of an object in order; none of anything else.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Json<'a>)> {
        let object = self.kind() == Kind::Object;
        let mut parts = self.parts().take_while(move |_| object);
        std::iter::from_fn(move || Some((parts.next()?.text(), parts.next()?)))
    }

    /// Every key, and every value that is not an array or an object, in order.
    pub fn leaves(self) -> impl Iterator<Item = Json<'a>> {
        (self.at..self.node().next)
            .map(move |at| self.with(at))
            .filter(|json| !matches!(json.kind(), Kind::Array | Kind::Object))
    }

    /// A member of an object. If several have this name, the last one counts.
    pub fn get(self, name: &str) -> Option<Self> {
        self.members().filter(|(key, _)| key == name).last().map(|(_, value)| value)
    }

    /// The n-th value of an array, from its end if n is negative.
    pub fn index(self, n: i64) -> Option<Self> {
        let n = match usize::try_from(n) {
            Ok(n) => n,
            Err(_) => self.items().count().checked_sub(usize::try_from(n.unsigned_abs()).ok()?)?,
        };
        self.items().nth(n)
    }

    /// The value as `serde_json` has it. Numbers are rounded to 64 bits.
    pub fn value(self) -> serde_json::Value {
        use serde_json::{Map, Number, Value};
        match self.kind() {
            Kind::Null => Value::Null,
            Kind::Bool(bool) => Value::Bool(bool),
            Kind::String | Kind::Word => Value::String(self.text().into_owned()),
            Kind::Array => self.items().map(Json::value).collect(),
            Kind::Object => Value::Object(
                self.members().map(|(key, value)| (key.into_owned(), value.value())).collect::<Map<_, _>>(),
            ),
            Kind::Number => {
                let raw = self.raw();
                let whole = raw
                    .parse::<u64>()
                    .map(Number::from)
                    .or_else(|_| raw.parse::<i64>().map(Number::from))
                    .ok();
                let float = || {
                    raw.parse::<f64>()
                        .ok()
                        .map(|float| float.clamp(f64::MIN, f64::MAX))
                        .and_then(Number::from_f64)
                };
                whole.filter(|_| raw != "-0").or_else(float).map_or(Value::Null, Value::Number)
            }
        }
    }
}

/// Reads JSON from others as a value of `serde_json`, whose own reader gives some keys a special meaning.
///
/// # Errors
/// The place where the text is not strict JSON.
pub fn value(text: &str) -> Result<serde_json::Value, JsonError> {
    let tape = Tape::parse(text)?;
    if tape.is_strict() { Ok(tape.root(text).value()) } else { Err(JsonError::odd(text)) }
}

/// A text with its tape, which is cheap to clone.
#[derive(Debug, Clone)]
pub struct Document(Arc<(Box<str>, Tape)>);

impl Document {
    /// Reads a text as one JSON value.
    ///
    /// # Errors
    /// The place where the text is not JSON.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let tape = Tape::parse(text)?;
        Ok(Self(Arc::new((text.into(), tape))))
    }

    /// The text's value.
    pub fn root(&self) -> Json<'_> {
        self.0.1.root(&self.0.0)
    }

    /// The value that has this place, see [`Json::place`].
    pub fn at(&self, place: u32) -> Json<'_> {
        self.root().with(place)
    }
}

#[cfg(test)]
mod tests;
