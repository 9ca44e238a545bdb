//! `[output] columns`: which values of a response are kept.

mod conversion;

use std::borrow::Cow;

pub use conversion::{Conversion, Unmade};

use super::OutputFormat;
use crate::json::{Json, Path, Tape, TooMuch, write_string};

/// The extracted columns of a job.
#[derive(Debug, Clone)]
pub struct Extractor {
    columns: Vec<Column>,
}

/// One extracted column.
#[derive(Debug, Clone)]
pub struct Column {
    /// The column's name in the output.
    pub name: String,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// RFC 9535, on the body as JSON.
    Path(Path),
    /// The same; its matches are always a list.
    List(Path),
    Body,
    Status,
    Url,
    Millis,
    Header(String),
}

/// The parts of a response that columns are read from.
pub struct Response<'a> {
    /// The status.
    pub status: u16,
    /// The URL of the response, after redirects.
    pub url: &'a str,
    /// How long the request took, in milliseconds.
    pub millis: u32,
    /// The body as text.
    pub body: &'a str,
    /// The body as JSON, see [`Extractor::parse`].
    pub json: Option<&'a Tape>,
    /// Looks a header up by its name in lower case.
    pub header: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// The value of a column. A value from the body borrows it.
#[derive(Debug, Clone)]
pub enum Extracted<'a> {
    /// There is no value.
    Null,
    /// A status or a number of milliseconds.
    Number(u32),
    /// Text.
    Text(Cow<'a, str>),
    /// A JSON value, with the digits of its numbers.
    Json(Json<'a>),
    /// Several JSON values, which become an array.
    List(Vec<Json<'a>>),
}

impl Extractor {
    /// The columns of the job file. Without any, the whole body is the column `response`.
    pub(super) fn new(columns: Vec<Column>) -> Self {
        if columns.is_empty() {
            Self { columns: vec![Column { name: "response".to_owned(), source: Source::Body }] }
        } else {
            Self { columns }
        }
    }

    /// The columns' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Whether a column's value comes from the body.
    pub fn read_the_body(&self) -> bool {
        self.columns.iter().any(|column| column.source.reads_body())
    }

    /// The body as JSON, if a column needs it. `None` for a body without text.
    ///
    /// # Errors
    /// In words, where a body that must be JSON is not.
    pub fn parse(&self, body: &str, format: OutputFormat) -> Result<Option<Tape>, String> {
        let needed = self.columns.iter().any(|column| column.source.reads_json());
        let wanted = format == OutputFormat::Jsonl
            && self.columns.iter().any(|column| matches!(column.source, Source::Body));
        if !(needed || wanted) || body.trim_ascii().is_empty() {
            return Ok(None);
        }
        match Tape::parse(body) {
            Err(error) if needed => Err(error.to_string()),
            tape => Ok(tape.ok()),
        }
    }

    /// Bytes of memory that extraction needs in addition to the body and its tape.
    pub fn memory(&self, json: Json<'_>) -> usize {
        let paths = self.columns.iter().filter_map(|column| match &column.source {
            Source::Path(path) | Source::List(path) => Some(path),
            _ => None,
        });
        paths.map(|path| path.memory(json)).max().unwrap_or_default()
    }

    /// The values, in the order of the names. No match is null and several matches are a list. An empty body
    /// matches nothing.
    ///
    /// # Errors
    /// The values have more than `most` bytes together.
    pub fn extract<'a>(
        &self,
        response: &Response<'a>,
        format: OutputFormat,
        most: usize,
    ) -> Result<Vec<Extracted<'a>>, TooMuch> {
        let mut left = most;
        let mut values = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let value = column.source.value(response, format, left)?;
            left = left.checked_sub(value.size()).ok_or(TooMuch)?;
            values.push(value);
        }
        Ok(values)
    }
}

impl Extracted<'_> {
    /// The bytes of the value's text.
    pub fn size(&self) -> usize {
        match self {
            Self::Null | Self::Number(_) => 0,
            Self::Text(text) => text.len(),
            Self::Json(json) => json.raw().len(),
            Self::List(values) => values.iter().map(|json| json.raw().len()).sum(),
        }
    }

    /// Appends the value as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => write_string(out, text),
            Self::Json(json) => json.write(out),
            Self::List(values) => {
                out.push(b'[');
                for (n, json) in values.iter().enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    json.write(out);
                }
                out.push(b']');
            }
        }
    }
}

impl Column {
    /// A column from `$…` (JSONPath), `[$…]` (a list of its matches), `body`, `status`, `url`, `latency_ms` or
    /// `header.NAME`.
    pub(super) fn new(name: &str, source: &str) -> Result<Self, String> {
        let source = match source {
            "body" => Source::Body,
            "status" => Source::Status,
            "url" => Source::Url,
            "latency_ms" => Source::Millis,
            _ if source.starts_with('$') => Source::Path(Path::new(source)?),
            _ if source.starts_with("[$") && source.ends_with(']') => {
                Source::List(Path::new(&source[1..source.len() - 1])?)
            }
            _ => match source.strip_prefix("header.") {
                Some(header) if !header.is_empty() => Source::Header(header.to_ascii_lowercase()),
                _ => {
                    return Err(format!(
                        "{source:?} is not the source of a column: write a JSONPath that begins with $, one in brackets ([$.items[*]]) for a list of its matches, or body, status, url, latency_ms, header.NAME"
                    ));
                }
            },
        };
        Ok(Self { name: name.to_owned(), source })
    }
}

impl Source {
    /// Whether the value comes from the body.
    fn reads_body(&self) -> bool {
        self.reads_json() || *self == Self::Body
    }

    /// Whether the value comes from a body that must be JSON.
    fn reads_json(&self) -> bool {
        matches!(self, Self::Path(_) | Self::List(_))
    }

    fn value<'a>(
        &self,
        response: &Response<'a>,
        format: OutputFormat,
        most: usize,
    ) -> Result<Extracted<'a>, TooMuch> {
        let json = response.json.map(|tape| tape.root(response.body));
        Ok(match self {
            Self::Path(path) => {
                let mut matches = json.map_or(Ok(Vec::new()), |json| path.query(json, most))?;
                match matches.len() {
                    0 => Extracted::Null,
                    1 => Extracted::Json(matches.remove(0)),
                    _ => Extracted::List(matches),
                }
            }
            Self::List(path) => match json {
                Some(json) => Extracted::List(path.query(json, most)?),
                None => Extracted::Null,
            },
            Self::Body if response.body.is_empty() => Extracted::Null,
            Self::Body => match json.filter(|_| format == OutputFormat::Jsonl) {
                Some(json) => Extracted::Json(json),
                None => Extracted::Text(response.body.into()),
            },
            Self::Status => Extracted::Number(response.status.into()),
            Self::Url => Extracted::Text(response.url.into()),
            Self::Millis => Extracted::Number(response.millis),
            Self::Header(name) => {
                (response.header)(name).map_or(Extracted::Null, |value| Extracted::Text(value.into()))
            }
        })
    }
}
