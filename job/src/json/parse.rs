//! Parses a text into its tape, in one pass and without recursion.

use super::{Node, Tape};

/// The deepest nesting of values.
const DEEPEST: usize = 128;

/// A text that is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line} column {column}")]
pub struct JsonError {
    what: &'static str,
    line: usize,
    column: usize,
}

impl JsonError {
    fn new(what: &'static str, text: &str, at: usize) -> Self {
        let before = &text.as_bytes()[..at.min(text.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Self { what, line, column: before.len() - line_start + 1 }
    }

    pub(super) fn odd(text: &str) -> Self {
        Self::new("NaN, Infinity or half a surrogate pair", text, 0)
    }
}

pub(super) fn parse(text: &str) -> Result<Tape, JsonError> {
    let mut parser = Parser {
        bytes: text.as_bytes(),
        at: 0,
        open: Vec::new(),
        tape: Tape { nodes: Vec::new(), spaced: false, odd: false },
    };
    parser.document().map_err(|what| JsonError::new(what, text, parser.at))?;
    Ok(parser.tape)
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The nodes of the arrays and objects that are open here.
    open: Vec<u32>,
    tape: Tape,
}

impl Parser<'_> {
    fn document(&mut self) -> Result<(), &'static str> {
        if u32::try_from(self.bytes.len()).is_err() {
            return Err("4 GiB and more are too much");
        }
        // White space around the whole value does not count as white space within it.
        self.skip_space();
        self.tape.spaced = false;
        self.value()?;
        while let Some(open) = self.open.last().copied() {
            self.space();
            let is_object = self.bytes[self.tape.nodes[open as usize].start as usize] == b'{';
            let is_empty = open as usize + 1 == self.tape.nodes.len();
            match self.peek() {
                Some(b'}') if is_object => self.close(),
                Some(b']') if !is_object => self.close(),
                None => return Err("the text ends early"),
                Some(b',') if !is_empty => {
                    self.at += 1;
                    self.space();
                    self.member(is_object)?;
                }
                Some(_) if is_empty => self.member(is_object)?,
                Some(_) => {
                    return Err(if is_object { "expected a comma or }" } else { "expected a comma or ]" });
                }
            }
        }
        self.skip_space();
        if self.at < self.bytes.len() { Err("more text after the value") } else { Ok(()) }
    }

    /// A value of an array, or key and value of an object.
    fn member(&mut self, is_object: bool) -> Result<(), &'static str> {
        if is_object {
            if self.peek() != Some(b'"') {
                return Err("expected a key in quotes");
            }
            self.value()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err("expected a colon");
            }
            self.at += 1;
            self.space();
        }
        self.value()
    }

    /// A whole value, or the beginning of one that holds others.
    fn value(&mut self) -> Result<(), &'static str> {
        let start = self.at;
        match self.peek() {
            Some(b'{' | b'[') => {
                if self.open.len() == DEEPEST {
                    return Err("nested more than 128 deep");
                }
                self.open.push(self.count());
                self.at += 1;
            }
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') if !self.bytes[start..].starts_with(b"-I") => self.number()?,
            Some(_) => self.word()?,
            None => return Err("the text ends early"),
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked at the beginning")]
        let (start, end) = (start as u32, self.at as u32);
        let next = self.count() + 1;
        self.tape.nodes.push(Node { start, end, next });
        Ok(())
    }

    fn close(&mut self) {
        self.at += 1;
        let next = self.count();
        if let Some(open) = self.open.pop() {
            let node = &mut self.tape.nodes[open as usize];
            node.next = next;
            #[expect(clippy::cast_possible_truncation, reason = "checked at the beginning")]
            let end = self.at as u32;
            node.end = end;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "there are fewer values than bytes")]
    fn count(&self) -> u32 {
        self.tape.nodes.len() as u32
    }

    fn word(&mut self) -> Result<(), &'static str> {
        for (word, odd) in [
            ("null", false),
            ("true", false),
            ("false", false),
            ("NaN", true),
            ("Infinity", true),
            ("-Infinity", true),
        ] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                self.tape.odd |= odd;
                return Ok(());
            }
        }
        Err("expected a value")
    }

    fn number(&mut self) -> Result<(), &'static str> {
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) { Err("a number with a leading zero") } else { Ok(()) }
    }

    fn digits(&mut self) -> Result<(), &'static str> {
        let digits = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits == 0 { Err("expected a digit") } else { Ok(()) }
    }

    fn string(&mut self) -> Result<(), &'static str> {
        self.at += 1;
        loop {
            let plain = self.bytes[self.at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            self.at = plain.map_or(self.bytes.len(), |plain| self.at + plain);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err("a control character in a string"),
                None => return Err("a string that does not end"),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), &'static str> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let first = unit(&self.bytes[self.at..]).ok_or("a bad escape in a string")?;
                self.at += 6;
                match first {
                    0xd800..0xdc00
                        if unit(&self.bytes[self.at..])
                            .is_some_and(|second| (0xdc00..0xe000).contains(&second)) =>
                    {
                        self.at += 6
                    }
                    0xd800..0xe000 => self.tape.odd = true,
                    _ => {}
                }
            }
            _ => return Err("a bad escape in a string"),
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// White space between tokens.
    fn space(&mut self) {
        let before = self.at;
        self.skip_space();
        self.tape.spaced |= self.at > before;
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }
}

/// The UTF-16 unit of an escape `\uXXXX` at the beginning.
pub(super) fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}
