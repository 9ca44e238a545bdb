//! `[output] columns`: what of an answer is kept.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::OutputFormat;

/// The extracted columns of a job.
#[derive(Debug, Clone)]
pub struct Extractor {
    columns: Vec<Column>,
}

/// One extracted column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name in the output.
    pub name: String,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// RFC 9535, on the body as JSON.
    Path(Box<JsonPath>),
    Body,
    Status,
    Url,
    Millis,
    Header(String),
}

/// An answer, as far as columns are read from it.
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// The URL it came from, after redirects.
    pub url: &'a str,
    /// How long it took, milliseconds.
    pub millis: u32,
    /// Its body.
    pub body: &'a [u8],
    /// Looks a header up by its name in lower case.
    pub header: &'a dyn Fn(&str) -> Option<String>,
}

impl Extractor {
    /// The columns as the job file has them; without any, the whole body is the column `response`.
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

    /// The values, beside the names. No match is null, several are an array; an empty body matches nothing.
    ///
    /// # Errors
    /// In words, why the body is not what the columns need.
    pub fn extract(&self, answer: &Answer<'_>, format: OutputFormat) -> Result<Vec<Value>, String> {
        let needs_json = self.columns.iter().any(|column| matches!(column.source, Source::Path(_)));
        let json = if needs_json && !answer.body.is_empty() {
            Some(serde_json::from_slice(answer.body).map_err(|error| format!("the answer's body is not JSON: {error}"))?)
        } else {
            None
        };
        Ok(self.columns.iter().map(|column| column.source.value(answer, json.as_ref(), format)).collect())
    }
}

impl Column {
    /// A column from `$…` (JSONPath), `body`, `status`, `url`, `latency_ms` or `header.NAME`.
    pub(super) fn new(name: &str, source: &str) -> Result<Self, String> {
        let source = match source {
            "body" => Source::Body,
            "status" => Source::Status,
            "url" => Source::Url,
            "latency_ms" => Source::Millis,
            _ if source.starts_with('$') => {
                let path = JsonPath::parse(source)
                    .map_err(|error| format!("bad JSONPath {source:?} at character {}: {}", error.position() + 1, error.message()))?;
                Source::Path(Box::new(path))
            }
            _ => match source.strip_prefix("header.") {
                Some(header) if !header.is_empty() => Source::Header(header.to_ascii_lowercase()),
                _ => {
                    return Err(format!(
                        "{source:?} is no source of a column: write a JSONPath that begins with $, or body, status, url, latency_ms, header.NAME"
                    ));
                }
            },
        };
        Ok(Self { name: name.to_owned(), source })
    }
}

impl Source {
    fn value(&self, answer: &Answer<'_>, json: Option<&Value>, format: OutputFormat) -> Value {
        match self {
            Self::Path(path) => match json.map(|json| path.query(json).all()).as_deref() {
                None | Some([]) => Value::Null,
                Some([one]) => (*one).clone(),
                Some(several) => several.iter().map(|value| (*value).clone()).collect(),
            },
            Self::Body if answer.body.is_empty() => Value::Null,
            Self::Body => {
                let text = || Value::String(String::from_utf8_lossy(answer.body).into_owned());
                match format {
                    OutputFormat::Csv => text(),
                    OutputFormat::Jsonl => serde_json::from_slice(answer.body).unwrap_or_else(|_| text()),
                }
            }
            Self::Status => answer.status.into(),
            Self::Url => answer.url.into(),
            Self::Millis => answer.millis.into(),
            Self::Header(name) => (answer.header)(name).map_or(Value::Null, Value::String),
        }
    }
}
