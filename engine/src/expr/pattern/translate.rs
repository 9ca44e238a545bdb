//! Translates patterns of JavaScript into the syntax of Rust's libraries.

use std::fmt::Write;

/// A pattern in the syntax of Rust's libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::expr) struct Translation {
    pub(in crate::expr) pattern: String,
    /// Whether it looks around or back, which only a matcher that backtracks can do.
    pub(in crate::expr) backtracks: bool,
}

const WORD: &str = "A-Za-z0-9_";
const DIGIT: &str = "0-9";
const SPACE: &str =
    "\t\n\u{B}\u{C}\r \u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";
const EVERYTHING: &str = "\0-\u{10FFFF}";

/// Translates a pattern for a matcher that does not backtrack, unless the pattern demands it. None if the
/// pattern is wrong.
pub(in crate::expr) fn linear(pattern: &str) -> Option<Translation> {
    translate(pattern, r"(?-u:\b)")
}

/// Translates a pattern; None if it is wrong.
pub(super) fn translate(pattern: &str, boundary: &'static str) -> Option<Translation> {
    let groups = count_groups(pattern);
    let mut translator = Translator {
        rest: pattern,
        groups,
        boundary,
        to: Translation { pattern: String::with_capacity(pattern.len()), backtracks: false },
    };
    // Nothing, or the pattern's beginning, cannot be repeated.
    let mut repeatable = false;
    while let Some(c) = translator.next() {
        repeatable = translator.outside(c, repeatable)?;
    }
    Some(translator.to)
}

/// The number of groups that capture.
fn count_groups(pattern: &str) -> usize {
    let (mut groups, mut in_class) = (0, false);
    let mut chars = pattern.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => {
                let rest = &pattern[at + 1..];
                let named = rest.starts_with("?<") && !rest.starts_with("?<=") && !rest.starts_with("?<!");
                groups += usize::from(!rest.starts_with('?') || named);
            }
            _ => {}
        }
    }
    groups
}

struct Translator<'p> {
    rest: &'p str,
    groups: usize,
    /// The spelling of a word boundary.
    boundary: &'static str,
    to: Translation,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        if let Some(rest) = rest {
            self.rest = rest;
        }
        rest.is_some()
    }

    fn put(&mut self, text: &str) {
        self.to.pattern.push_str(text);
    }

    /// Translates what begins with `c` outside of a class. Returns whether it can be repeated.
    fn outside(&mut self, c: char, repeatable: bool) -> Option<bool> {
        match c {
            '\\' => return self.escape(),
            '[' => self.class()?,
            '.' => self.put("[^\n\r\u{2028}\u{2029}]"),
            '(' => {
                self.group()?;
                return Some(false);
            }
            '*' | '+' | '?' => {
                repeatable.then_some(())?;
                self.to.pattern.push(c);
                self.lazy();
                return Some(false);
            }
            '{' => {
                if let Some(counts) = self.counts() {
                    repeatable.then_some(())?;
                    self.put(&counts);
                    self.lazy();
                    return Some(false);
                }
                self.put(r"\{");
            }
            '}' | ']' => {
                self.to.pattern.push('\\');
                self.to.pattern.push(c);
            }
            ')' => self.put(")"),
            '|' | '^' | '$' => {
                self.to.pattern.push(c);
                return Some(false);
            }
            c => self.literal(c),
        }
        Some(true)
    }

    fn lazy(&mut self) {
        if self.eat("?") {
            self.to.pattern.push('?');
        }
    }

    /// Reads `2,3}`.
    fn counts(&mut self) -> Option<String> {
        let (counts, rest) = self.rest.split_once('}')?;
        let (from, to) = counts.split_once(',').unwrap_or((counts, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if from.is_empty() || !digits(from) || !digits(to) {
            return None;
        }
        self.rest = rest;
        Some(format!("{{{counts}}}"))
    }

    fn group(&mut self) -> Option<()> {
        for start in ["?=", "?!", "?<=", "?<!"] {
            if self.eat(start) {
                self.to.backtracks = true;
                self.put("(");
                self.put(start);
                return Some(());
            }
        }
        if self.eat("?:") {
            self.put("(?:");
        } else if self.eat("?<") {
            self.put("(?P<");
        } else if self.rest.starts_with('?') {
            return None;
        } else {
            self.put("(");
        }
        Some(())
    }

    fn escape(&mut self) -> Option<bool> {
        let c = self.next()?;
        match c {
            'b' | 'B' => {
                self.to.backtracks |= c == 'B';
                let boundary = if c == 'b' { self.boundary } else { NO_BOUNDARY };
                self.put(boundary);
                return Some(false);
            }
            'k' if self.rest.starts_with('<') => {
                let name = self.rest.get(1..)?.split_once('>')?.0;
                self.to.backtracks = true;
                let reference = format!(r"\k<{name}>");
                self.rest = &self.rest[name.len() + 2..];
                self.put(&reference);
            }
            '1'..='9' => {
                let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
                let number: usize = format!("{c}{}", &self.rest[..digits]).parse().ok()?;
                if number <= self.groups {
                    self.to.backtracks = true;
                    self.rest = &self.rest[digits..];
                    let reference = format!(r"(?:(?({number})\{number}|))");
                    self.put(&reference);
                } else {
                    self.literal(c);
                }
            }
            c => match class_of(c) {
                Some((set, not)) => {
                    let class = if not { format!("[^{set}]") } else { format!("[{set}]") };
                    self.put(&class);
                }
                None => {
                    let c = self.character(c)?;
                    self.literal(c);
                }
            },
        }
        Some(true)
    }

    /// The character of an escape that begins with `c`.
    fn character(&mut self, c: char) -> Option<char> {
        Some(match c {
            't' => '\t',
            'n' => '\n',
            'v' => '\u{B}',
            'f' => '\u{C}',
            'r' => '\r',
            '0' => '\0',
            'x' => self.hex(2).and_then(char::from_u32).unwrap_or('x'),
            'u' => match self.hex(4) {
                Some(high @ 0xD800..0xDC00) if self.eat(r"\u") => {
                    let low = self.hex(4).filter(|low| (0xDC00..0xE000).contains(low))?;
                    char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))?
                }
                Some(unit) => char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
                None => 'u',
            },
            'c' => match self.rest.chars().next().filter(char::is_ascii_alphabetic) {
                Some(letter) => {
                    self.next();
                    char::from(letter as u8 % 32)
                }
                None => {
                    self.literal('\\');
                    'c'
                }
            },
            c => c,
        })
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        let text = self.rest.get(..digits)?;
        let number = text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(text)?;
        self.rest = &self.rest[digits..];
        u32::from_str_radix(number, 16).ok()
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii_punctuation() && !"<>".contains(c) {
            self.to.pattern.push('\\');
        }
        self.to.pattern.push(c);
    }

    /// Translates a class, of which the bracket is read.
    fn class(&mut self) -> Option<()> {
        let negative = self.eat("^");
        if self.eat("]") {
            let everything = if negative { format!("[{EVERYTHING}]") } else { format!("[^{EVERYTHING}]") };
            self.put(&everything);
            return Some(());
        }
        self.put(if negative { "[^" } else { "[" });
        loop {
            match self.next()? {
                ']' => break,
                '\\' => self.class_escape()?,
                // A hyphen at an end or after a set is itself.
                '-' if self.rest.starts_with(']') || self.to.pattern.ends_with(['[', '^', ']']) => {
                    self.put(r"\-")
                }
                '-' => self.put("-"),
                c => self.literal(c),
            }
        }
        self.put("]");
        Some(())
    }

    fn class_escape(&mut self) -> Option<()> {
        match self.next()? {
            'b' => self.put(r"\x08"),
            c => match class_of(c) {
                Some((set, not)) => {
                    // A nested class, because a hyphen after it does not make a range.
                    let _ = write!(self.to.pattern, "[{}{set}]", if not { "^" } else { "" });
                }
                None => {
                    let c = self.character(c)?;
                    self.literal(c);
                }
            },
        }
        Some(())
    }
}

/// The places between two word characters, or between two others.
const NO_BOUNDARY: &str = "(?:(?<=[A-Za-z0-9_])(?=[A-Za-z0-9_])|(?<![A-Za-z0-9_])(?![A-Za-z0-9_]))";
/// The other places.
pub(super) const BOUNDARY: &str = "(?:(?<=[A-Za-z0-9_])(?![A-Za-z0-9_])|(?<![A-Za-z0-9_])(?=[A-Za-z0-9_]))";

/// The characters of `\w` and others, and whether they are excluded.
fn class_of(letter: char) -> Option<(&'static str, bool)> {
    let set = match letter.to_ascii_lowercase() {
        'w' => WORD,
        'd' => DIGIT,
        's' => SPACE,
        _ => return None,
    };
    Some((set, letter.is_ascii_uppercase()))
}
