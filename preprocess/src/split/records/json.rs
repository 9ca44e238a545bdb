//! Records that are the items of a JSON array, or JSON values one after another, each on any number of lines.
//!
//! Only brackets and strings are examined, to find the end of a value; whether the value is valid JSON is
//! decided later, and for that item alone. The text between the items must be valid, since otherwise the
//! following items cannot be found.

use std::collections::BTreeMap;
use std::io::{self, Read};

use memchr::memchr2;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Fields, MAX_RECORD, Position, Record, WrappedArray, syntax_error, too_large};
use crate::split::source::Window;

pub(crate) struct JsonReader<R> {
    window: Window<R>,
    place: ArrayState,
    /// Bytes of the last record returned; the next call consumes them.
    taken: usize,
    /// The last item returned was too large: skip the rest of it.
    skipping: Option<Value>,
    /// An item without line breaks.
    compact: Vec<u8>,
    /// Line ends before the window.
    lines: u64,
    items: u64,
    /// The format was detected: one object around an array is more likely than a file of one item.
    guessed: bool,
    /// The member of the first object that holds an array of objects.
    around: Option<String>,
}

/// Where the next byte is in relation to an array.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ArrayState {
    /// Outside of any array.
    #[default]
    Outside,
    /// After `[`.
    Opened,
    /// After an item of an array.
    Item,
    /// After a comma.
    Comma,
}

/// How much of a value is read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Value {
    depth: u32,
    string: bool,
    escaped: bool,
    begun: bool,
}

impl<R: Read> JsonReader<R> {
    /// Reads from a position between two items.
    pub(super) fn at(window: Window<R>, guessed: bool, position: &Position) -> Self {
        let Position { place, value, lines, items, ref around, .. } = *position;
        Self {
            window,
            place,
            taken: 0,
            skipping: value,
            compact: Vec::new(),
            lines,
            items,
            guessed,
            around: around.clone(),
        }
    }

    pub(super) fn pause(&mut self) -> Position {
        self.consume_taken();
        let Self { place, lines, skipping, items, ref around, .. } = *self;
        let around = around.clone();
        Position {
            offset: self.window.offset(),
            place,
            lines,
            value: skipping,
            items,
            around,
            ..Position::default()
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.window.offset() + self.taken as u64
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        self.consume_taken();
        if let Some(value) = self.skipping.take() {
            self.skip(value)?;
        }
        loop {
            let Some(byte) = self.next_byte()? else { return self.end().map(|()| None) };
            self.place = match (self.place, byte) {
                (ArrayState::Outside, b'[') => ArrayState::Opened,
                (ArrayState::Opened | ArrayState::Item, b']') => ArrayState::Outside,
                (ArrayState::Item, b',') => ArrayState::Comma,
                (ArrayState::Item, _) => return Err(self.error("`,` or `]` is missing before this")),
                (_, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') => {
                    return self.item().map(Some);
                }
                _ => return Err(self.error("a JSON value is missing before this")),
            };
            self.consume(1);
        }
    }

    /// The first byte that is not white space.
    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        loop {
            let bytes = self.window.look(1)?;
            let found = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
            let (count, byte) = (found.unwrap_or(bytes.len()), found.map(|at| bytes[at]));
            self.consume(count);
            if byte.is_some() || self.window.ended() {
                return Ok(byte);
            }
        }
    }

    fn end(&self) -> io::Result<()> {
        match (self.place, &self.around) {
            (ArrayState::Outside, Some(member)) if self.items == 1 => {
                Err(io::Error::new(io::ErrorKind::InvalidData, WrappedArray { member: member.clone() }))
            }
            (ArrayState::Outside, _) => Ok(()),
            _ => Err(self.error("the JSON array ends without its `]`. Is the file complete?")),
        }
    }

    fn item(&mut self) -> io::Result<Record<'_>> {
        let mut value = Value::default();
        let mut length = 0;
        loop {
            let bytes = self.window.buffered();
            let (count, ended) = value.read(&bytes[length..]);
            length += count;
            if ended || (self.window.ended() && value.may_end()) {
                break;
            }
            if self.window.ended() {
                return Err(self.error("the JSON value that begins here has no end. Is the file complete?"));
            }
            if length > MAX_RECORD {
                self.skipping = Some(value);
                break;
            }
            self.window.fill()?;
        }
        self.taken = length;
        self.items += 1;
        if self.place != ArrayState::Outside {
            self.place = ArrayState::Item;
        }
        let (at, raw) = (self.window.offset(), &self.window.buffered()[..length]);
        if length > MAX_RECORD {
            return Ok(too_large(at, raw));
        }
        let raw = match memchr2(b'\n', b'\r', raw) {
            None => raw,
            Some(_) => {
                compact(&mut self.compact, raw);
                if self.items == 1 && self.guessed && self.place == ArrayState::Outside {
                    self.around = array_in(&self.compact);
                }
                &self.compact
            }
        };
        Ok(Record { at, raw, fields: Fields::default(), error: None })
    }

    fn skip(&mut self, mut value: Value) -> io::Result<()> {
        loop {
            let (count, ended) = value.read(self.window.look(1)?);
            self.consume(count);
            if ended {
                return Ok(());
            }
            if self.window.ended() && self.window.buffered().is_empty() {
                return if value.may_end() {
                    Ok(())
                } else {
                    Err(self.error("the JSON value has no end. Is the file complete?"))
                };
            }
        }
    }

    fn consume_taken(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        self.consume(taken);
    }

    fn consume(&mut self, count: usize) {
        self.lines += memchr::memchr_iter(b'\n', &self.window.buffered()[..count]).count() as u64;
        self.window.consume(count);
    }

    fn error(&self, what: &str) -> io::Error {
        syntax_error(self.lines + 1, self.window.offset(), what)
    }
}

impl Value {
    /// Continues to read: how many of the bytes belong to the value, and whether it ends with them.
    fn read(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            if self.string {
                if std::mem::take(&mut self.escaped) {
                    at += 1;
                    continue;
                }
                let Some(found) = memchr2(b'"', b'\\', &bytes[at..]) else { return (bytes.len(), false) };
                at += found + 1;
                if bytes[at - 1] == b'\\' {
                    self.escaped = true;
                } else {
                    self.string = false;
                    if self.depth == 0 {
                        return (at, true);
                    }
                }
                continue;
            }
            match byte {
                b'"' if self.depth > 0 || !self.begun => self.string = true,
                b'{' | b'[' if self.depth > 0 || !self.begun => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                // A number or a word ends where something else begins.
                b',' | b']' | b'}' | b'{' | b'[' | b'"' if self.depth == 0 => return (at, true),
                byte if self.depth == 0 && byte.is_ascii_whitespace() => return (at, true),
                _ => {}
            }
            self.begun = true;
            at += 1;
        }
        (at, false)
    }

    /// Whether the end of the file can be the value's end.
    fn may_end(self) -> bool {
        self.begun && self.depth == 0 && !self.string
    }
}

/// Replaces `out` by the JSON without white space between its tokens.
fn compact(out: &mut Vec<u8>, json: &[u8]) {
    out.clear();
    let (mut string, mut escaped) = (false, false);
    for byte in json {
        if string {
            (string, escaped) = (escaped || *byte != b'"', !escaped && *byte == b'\\');
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            string = *byte == b'"';
        }
        out.push(*byte);
    }
}

/// The name of the object's first member that is an array of objects.
fn array_in(object: &[u8]) -> Option<String> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(object).ok()?;
    members.into_iter().find(|(_, value)| value.get().starts_with("[{")).map(|(name, _)| name)
}
