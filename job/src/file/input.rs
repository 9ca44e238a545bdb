//! `[input]`: what the job file says about the input.

use encoding_rs::Encoding;
use toml::Spanned;

use super::check::File;
use super::syntax::InputSyntax;
use super::template::Template;
use super::{Compression, Format, JobError, Selection};

/// The maximum number of lines before the header.
const MAX_SKIP: i64 = 10_000;

/// `[input]`. What the job file does not say is decided by the input's name and content.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// `format`
    pub format: Option<Format>,
    /// `compression`
    pub compression: Option<Compression>,
    /// `encoding`; default UTF-8. A byte order mark takes precedence.
    pub encoding: Option<&'static Encoding>,
    /// `header`: whether CSV and TSV begin with a header record; default true.
    pub header: bool,
    /// `delimiter` of CSV and TSV.
    pub delimiter: Option<u8>,
    /// `quote` of CSV and TSV; default `"` of CSV, none of TSV.
    pub quote: Option<Quote>,
    /// `escape` of CSV and TSV; default none.
    pub escape: Option<u8>,
    /// `skip`: lines before the header or the first line; default 0.
    pub skip: u32,
    /// `blank = "keep"`: blank lines are lines; default false.
    pub keep_blank: bool,
    /// `where`: the lines that make a request; default all of them.
    pub wanted: Option<Template>,
    /// Only these lines are read. No key says it: the event of a run does.
    pub selection: Option<Selection>,
}

/// `quote`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// No character quotes a field.
    None,
    /// This ASCII character begins and ends a quoted field.
    Char(u8),
}

impl File<'_> {
    pub(super) fn input(&self, syntax: InputSyntax) -> Result<Input, JobError> {
        let input = Input {
            format: self.optional(syntax.format.as_ref(), None, |text| format(text).map(Some))?,
            compression: self
                .optional(syntax.compression.as_ref(), None, |text| compression(text).map(Some))?,
            encoding: self.optional(syntax.encoding.as_ref(), None, |text| encoding(text).map(Some))?,
            header: syntax.header.unwrap_or(true),
            delimiter: self.optional(syntax.delimiter.as_ref(), None, |text| delimiter(text).map(Some))?,
            quote: self.optional(syntax.quote.as_ref(), None, |text| quote(text).map(Some))?,
            escape: self.optional(syntax.escape.as_ref(), None, |text| escape(text).map(Some))?,
            skip: self.optional(syntax.skip.as_ref(), 0, |lines| skip(*lines))?,
            keep_blank: self.optional(syntax.blank.as_ref(), false, |text| keep_blank(text))?,
            wanted: syntax.wanted.as_ref().map(|written| self.wanted(written)).transpose()?,
            selection: None,
        };
        self.differ("delimiter", input.delimiter, "quote", input.quote_char(), syntax.quote.as_ref())?;
        self.differ("delimiter", input.delimiter, "escape", input.escape, syntax.escape.as_ref())?;
        Ok(input)
    }

    /// An expression over the columns of a line.
    fn wanted(&self, written: &Spanned<String>) -> Result<Template, JobError> {
        let template = self.value(written, |text| {
            self.condition(text).map_err(|error| format!("bad expression: {error}"))
        })?;
        let refused = |why: &str| Err(self.error(&written.span(), why));
        if !template.secrets().is_empty() {
            return refused("`where` decides before a secret is read: it cannot name one");
        }
        if template.draws_besides("line_number") {
            return refused(
                "`where` decides before a line has a request: of what is drawn it knows line_number() only",
            );
        }
        Ok(template)
    }

    fn differ(
        &self,
        one: &str,
        a: Option<u8>,
        other: &str,
        b: Option<u8>,
        at: Option<&Spanned<String>>,
    ) -> Result<(), JobError> {
        match at {
            Some(at) if a.is_some() && a == b => {
                Err(self.error(&at.span(), format!("`{one}` and `{other}` are the same character")))
            }
            _ => Ok(()),
        }
    }
}

impl Input {
    fn quote_char(&self) -> Option<u8> {
        match self.quote {
            Some(Quote::Char(quote)) => Some(quote),
            _ => None,
        }
    }
}

fn format(text: &str) -> Result<Format, String> {
    Format::named(text)
        .ok_or_else(|| format!("{text:?} is not a format: write text, csv, tsv, jsonl or json"))
}

fn compression(text: &str) -> Result<Compression, String> {
    Compression::named(text)
        .ok_or_else(|| format!("{text:?} is not a compression: write none, gzip, zstd or bzip2"))
}

fn encoding(text: &str) -> Result<&'static Encoding, String> {
    let known = Encoding::for_label_no_replacement(text.as_bytes());
    known.ok_or_else(|| {
        format!(
            "{text:?} is not a known encoding: write a label of the WHATWG Encoding Standard, for example \"windows-1252\""
        )
    })
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
        _ => Err(format!("{text:?} is not a delimiter: write one character, for example \";\"")),
    }
}

fn quote(text: &str) -> Result<Quote, String> {
    match text.as_bytes() {
        b"none" => Ok(Quote::None),
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(Quote::Char(*byte)),
        _ => Err(format!("{text:?} is not a quote: write one character, for example \"'\", or \"none\"")),
    }
}

fn escape(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(*byte),
        _ => Err(format!("{text:?} is not an escape character: write one character, for example \"\\\\\"")),
    }
}

fn skip(lines: i64) -> Result<u32, String> {
    match u32::try_from(lines) {
        Ok(count) if lines <= MAX_SKIP => Ok(count),
        _ => Err(format!("skip = {lines} must be from 0 to 10000")),
    }
}

fn keep_blank(text: &str) -> Result<bool, String> {
    match text {
        "skip" => Ok(false),
        "keep" => Ok(true),
        other => Err(format!("{other:?} is not a rule for blank lines: write skip or keep")),
    }
}
