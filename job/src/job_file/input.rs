//! `[input]`: what the input is, as far as the job says it.

use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::JobError;
use super::check::File;
use super::syntax::InputSyntax;

/// Lines before the header at most.
const MAX_SKIP: i64 = 10_000;

/// `[input]`: what is not said is read off the file's name and content.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// `format`
    pub format: Option<Format>,
    /// `compression`
    pub compression: Option<Compression>,
    /// `encoding`; default UTF-8. A byte order mark counts more.
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
}

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A line is the column `line`.
    Text,
    /// RFC 4180.
    Csv,
    /// Fields separated by tabs.
    Tsv,
    /// A JSON object a line.
    Jsonl,
    /// An array of JSON objects, or JSON objects one after another.
    Json,
}

impl Format {
    /// Whether a line is a record of fields, whose names stand in a header.
    pub fn is_delimited(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }

    /// Whether a line is a JSON object, which brings its own keys.
    pub fn is_json(self) -> bool {
        matches!(self, Self::Jsonl | Self::Json)
    }
}

/// `quote`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// Quotes are characters like any other.
    None,
    /// This one, an ASCII character, begins and ends a quoted field.
    Char(u8),
}

/// How the file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
    /// Any number of streams.
    Bzip2,
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
        };
        self.differ("delimiter", input.delimiter, "quote", input.quote_char(), syntax.quote.as_ref())?;
        self.differ("delimiter", input.delimiter, "escape", input.escape, syntax.escape.as_ref())?;
        Ok(input)
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
    Ok(match text {
        "text" => Format::Text,
        "csv" => Format::Csv,
        "tsv" => Format::Tsv,
        "jsonl" => Format::Jsonl,
        "json" => Format::Json,
        other => return Err(format!("{other:?} is no format: write text, csv, tsv, jsonl or json")),
    })
}

fn compression(text: &str) -> Result<Compression, String> {
    Ok(match text {
        "none" => Compression::None,
        "gzip" => Compression::Gzip,
        "zstd" => Compression::Zstd,
        "bzip2" => Compression::Bzip2,
        other => return Err(format!("{other:?} is no compression: write none, gzip, zstd or bzip2")),
    })
}

fn encoding(text: &str) -> Result<&'static Encoding, String> {
    let known = Encoding::for_label_no_replacement(text.as_bytes());
    known.ok_or_else(|| {
        format!(
            "{text:?} is not an encoding that is known here: write a label of the WHATWG Encoding Standard, for example \"windows-1252\""
        )
    })
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
        _ => Err(format!("{text:?} is no delimiter: write one character, for example \";\"")),
    }
}

fn quote(text: &str) -> Result<Quote, String> {
    match text.as_bytes() {
        b"none" => Ok(Quote::None),
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(Quote::Char(*byte)),
        _ => Err(format!("{text:?} is no quote: write one character, for example \"'\", or \"none\"")),
    }
}

fn escape(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(*byte),
        _ => Err(format!("{text:?} is no escape: write one character, for example \"\\\\\"")),
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
        other => Err(format!("{other:?} says nothing about blank lines: write skip or keep")),
    }
}
