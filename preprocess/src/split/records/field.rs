//! Reads the fields of one record, without their quotes and escapes.

use memchr::{memchr, memchr2};

use super::dialect::Dialect;

/// Reads the fields of one record incrementally, as its bytes are buffered.
pub(super) struct FieldReader {
    dialect: Dialect,
    /// The text of all fields, one after the other.
    pub(super) text: Vec<u8>,
    /// The end of each field in the text.
    pub(super) ends: Vec<usize>,
    at: usize,
    state: State,
    /// The field is `\N` so far, which means no value.
    null: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Start,
    Plain,
    Quoted,
    /// After a quote within quotes: it is the first of two, or the closing one.
    Quote,
    /// After a closing quote and blanks.
    Closed,
    Escape {
        quoted: bool,
    },
    /// After an escaped CR: an LF belongs to it.
    EscapedCr {
        quoted: bool,
    },
}

/// How far the buffered bytes lead.
pub(super) enum Progress {
    /// To the end of the record, which has this many bytes without the line end.
    Record(usize),
    /// Not to the end of the record.
    More,
    /// There is no further record.
    End,
    Malformed(QuoteError),
}

/// Why a record with quotes cannot be read beyond its first line.
pub(super) struct QuoteError {
    column: usize,
    kind: QuoteErrorKind,
}

enum QuoteErrorKind {
    TextAfterQuote { escaped: bool },
    NeverClosed,
}

impl QuoteError {
    /// The error of the record at byte `at`, in words.
    pub(super) fn detail(&self, at: u64) -> String {
        let column = self.column;
        let what = match self.kind {
            QuoteErrorKind::NeverClosed => format!("the quote of column {column} is never closed"),
            QuoteErrorKind::TextAfterQuote { escaped: false } => {
                format!(
                    "column {column} has text after its closing quote: within quotes a quote is written twice"
                )
            }
            QuoteErrorKind::TextAfterQuote { escaped: true } => {
                format!(
                    r#"column {column} has text after its closing quote: if \ escapes quotes, set input.escape = "\\""#
                )
            }
        };
        format!("{what} (the record at byte {at}; its first line alone is taken as the record)")
    }
}

impl FieldReader {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, text: Vec::new(), ends: Vec::new(), at: 0, state: State::Start, null: false }
    }

    /// Begins another record.
    pub(super) fn begin(&mut self) {
        (self.at, self.state, self.null) = (0, State::Start, false);
        self.text.clear();
        self.ends.clear();
    }

    /// Bytes of the record so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The error of a record that exceeds the size limit.
    pub(super) fn too_long(&self) -> QuoteError {
        self.error(QuoteErrorKind::NeverClosed)
    }

    /// Continues to read in `bytes`, which begin with the record. `ended`: no bytes come after them.
    pub(super) fn read(&mut self, bytes: &[u8], ended: bool) -> Progress {
        let Dialect { delimiter, quote, escape } = self.dialect;
        while let Some(&byte) = bytes.get(self.at) {
            match self.state {
                State::Start if Some(byte) == quote => (self.at, self.state) = (self.at + 1, State::Quoted),
                State::Start => self.state = State::Plain,
                State::Plain => {
                    let rest = &bytes[self.at..];
                    let special = |byte: &u8| {
                        *byte == delimiter || matches!(byte, b'\n' | b'\r') || Some(*byte) == escape
                    };
                    let length = rest.iter().position(special).unwrap_or(rest.len());
                    self.take(&rest[..length]);
                    match rest.get(length) {
                        None => {}
                        Some(b'\n' | b'\r') => return self.end_record(),
                        Some(byte) if *byte == delimiter => self.end_field(),
                        Some(_) => (self.at, self.state) = (self.at + 1, State::Escape { quoted: false }),
                    }
                }
                State::Quoted => {
                    let rest = &bytes[self.at..];
                    let quote = quote.expect("a field is quoted by a quote");
                    let length = escape
                        .map_or_else(|| memchr(quote, rest), |escape| memchr2(quote, escape, rest))
                        .unwrap_or(rest.len());
                    self.take(&rest[..length]);
                    match rest.get(length) {
                        None => {}
                        Some(byte) if *byte == quote => (self.at, self.state) = (self.at + 1, State::Quote),
                        Some(_) => (self.at, self.state) = (self.at + 1, State::Escape { quoted: true }),
                    }
                }
                State::Quote if Some(byte) == quote => {
                    self.take(&[byte]);
                    self.state = State::Quoted;
                }
                State::Quote | State::Closed if byte == delimiter => self.end_field(),
                State::Quote | State::Closed if matches!(byte, b'\n' | b'\r') => return self.end_record(),
                State::Quote | State::Closed if matches!(byte, b' ' | b'\t') => {
                    (self.at, self.state) = (self.at + 1, State::Closed)
                }
                State::Quote | State::Closed => {
                    let escaped = escape.is_none() && self.at > 1 && bytes[self.at - 2] == b'\\';
                    return Progress::Malformed(self.error(QuoteErrorKind::TextAfterQuote { escaped }));
                }
                State::Escape { quoted } => {
                    self.null = byte == b'N' && !quoted && self.text.len() == self.start();
                    self.take(&[control(byte)]);
                    self.state = match byte {
                        b'\r' => State::EscapedCr { quoted },
                        _ => inside(quoted),
                    };
                }
                State::EscapedCr { quoted } => {
                    if byte == b'\n' {
                        self.take(&[byte]);
                    }
                    self.state = inside(quoted);
                }
            }
        }
        if ended { self.end_of_input() } else { Progress::More }
    }

    fn end_of_input(&mut self) -> Progress {
        match self.state {
            State::Start if self.at == 0 => Progress::End,
            State::Quoted | State::Escape { quoted: true } | State::EscapedCr { quoted: true } => {
                Progress::Malformed(self.error(QuoteErrorKind::NeverClosed))
            }
            State::Escape { quoted: false } => {
                // The escape character is the last one, and literal.
                self.text.extend(self.dialect.escape);
                self.end_record()
            }
            _ => self.end_record(),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
        self.at += bytes.len();
    }

    fn end_field(&mut self) {
        self.at += 1;
        self.state = State::Start;
        self.close();
    }

    fn end_record(&mut self) -> Progress {
        self.close();
        Progress::Record(self.at)
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.null) && self.text.len() == self.start() + 1 {
            self.text.pop();
        }
        self.ends.push(self.text.len());
    }

    /// The start of the open field in the text.
    fn start(&self) -> usize {
        self.ends.last().copied().unwrap_or_default()
    }

    fn error(&self, kind: QuoteErrorKind) -> QuoteError {
        QuoteError { column: self.ends.len() + 1, kind }
    }
}

fn inside(quoted: bool) -> State {
    if quoted { State::Quoted } else { State::Plain }
}

/// The meaning of an escaped character (MySQL 8.4 Reference Manual, "LOAD DATA Statement").
fn control(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 26,
        other => other,
    }
}
