//! The columns of a job from the results that an earlier job has kept, without the responses.

use std::borrow::Cow;

use super::{Extracted, Extractor, Response, Source};
use crate::file::OutputFormat;
use crate::json::{Tape, TooMuch, unescape};
use crate::wire::ResultView;
use crate::wire::json::elements;

/// How the values of a kept result become the values of another job's columns.
#[derive(Debug, Clone)]
pub struct Conversion {
    columns: Vec<Origin>,
    /// The place of the whole body among the kept values, if a column is read from it.
    body: Option<usize>,
    /// Whether the kept values are the new ones as they are.
    unchanged: bool,
    /// Whether the kept job needed bodies that are JSON.
    only_json: bool,
    /// The format of the output that the results were kept for.
    kept: OutputFormat,
    format: OutputFormat,
}

/// Where a column's value comes from.
#[derive(Debug, Clone)]
enum Origin {
    /// The kept value at this place, as it is.
    Same(usize),
    /// What is left of the response: its status, its time and its body.
    Response(Source),
}

/// Why a kept result has no values for the new columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmade {
    /// The kept body is not JSON and must be: why, in words. A response with this body would fail the line.
    NotJson(String),
    /// The values have more bytes together than they may.
    TooMuch,
    /// The result does not have the values that its job keeps.
    Damaged,
}

impl Extractor {
    /// How to make this job's values from those of the job `kept`. `from` is the format of the output that
    /// they were kept for, and `to` that of this job's output.
    ///
    /// # Errors
    /// The names of the columns that cannot be made from what was kept.
    pub fn from_kept(
        &self,
        kept: &Self,
        from: OutputFormat,
        to: OutputFormat,
    ) -> Result<Conversion, Vec<String>> {
        let place = |source: &Source| kept.columns.iter().position(|column| column.source == *source);
        let body = place(&Source::Body);
        let (mut columns, mut lost) = (Vec::with_capacity(self.columns.len()), Vec::new());
        for column in &self.columns {
            let converted = column.source == Source::Body && is_json(from) != is_json(to);
            let made = match (&column.source, place(&column.source)) {
                (_, Some(place)) if !converted => Some(Origin::Same(place)),
                (source, _) if source.reads_body() && body.is_none() => None,
                (Source::Url | Source::Header(_), _) => None,
                (source, _) => Some(Origin::Response(source.clone())),
            };
            match made {
                Some(made) => columns.push(made),
                None => lost.push(column.name.clone()),
            }
        }
        if !lost.is_empty() {
            return Err(lost);
        }
        let reads_body = |column: &Origin| matches!(column, Origin::Response(source) if source.reads_body());
        let same = |(at, column): (usize, &Origin)| matches!(column, Origin::Same(place) if *place == at);
        Ok(Conversion {
            unchanged: columns.len() == kept.columns.len() && columns.iter().enumerate().all(same),
            body: body.filter(|_| columns.iter().any(reads_body)),
            columns,
            only_json: kept.columns.iter().any(|column| column.source.reads_json()),
            kept: from,
            format: to,
        })
    }
}

impl Conversion {
    /// Whether every success keeps its values as they are.
    pub fn changes_nothing(&self) -> bool {
        self.unchanged
    }

    /// The new values of a success, as a JSON array of at most about `most` bytes.
    ///
    /// # Errors
    /// Why they cannot be made.
    pub fn convert(&self, result: &ResultView<'_>, most: usize) -> Result<Vec<u8>, Unmade> {
        let values: Vec<&str> = result.v.map(|v| elements(v).collect()).unwrap_or_default();
        let value = |place: usize| values.get(place).copied().ok_or(Unmade::Damaged);
        let body = self.body.map(&value).transpose()?.map(|body| self.body_text(body)).unwrap_or_default();
        let tape = self.tape(&body)?;
        let response = Response {
            status: result.status,
            url: "",
            millis: result.ms,
            body: &body,
            json: tape.as_ref(),
            header: &|_| None,
        };
        let mut left = most;
        let mut out = vec![b'['];
        for (n, column) in self.columns.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            match column {
                Origin::Same(place) => out.extend_from_slice(value(*place)?.as_bytes()),
                Origin::Response(source) => {
                    let made = source.value(&response, self.format, left);
                    let made = made.map_err(|TooMuch| Unmade::TooMuch)?;
                    left = left.checked_sub(made.size()).ok_or(Unmade::TooMuch)?;
                    Extracted::write(&made, &mut out);
                }
            }
        }
        out.push(b']');
        Ok(out)
    }

    /// The body's text, from its kept value. For JSONL a body that is JSON was kept as its value, without
    /// white space, and any other body as a string.
    fn body_text<'a>(&self, value: &'a str) -> Cow<'a, str> {
        let inner = value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
        match inner.map(unescape) {
            None if value == "null" => "".into(),
            None => value.into(),
            // A text that is JSON would have been kept as a value, so this body was a string in quotes.
            Some(text) if is_json(self.kept) && (self.only_json || Tape::parse(&text).is_ok()) => {
                value.into()
            }
            Some(text) => text,
        }
    }

    fn tape(&self, body: &str) -> Result<Option<Tape>, Unmade> {
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        let needed = self
            .columns
            .iter()
            .any(|column| matches!(column, Origin::Response(source) if source.reads_json()));
        match Tape::parse(body) {
            Err(error) if needed => Err(Unmade::NotJson(format!("the kept body is not JSON: {error}"))),
            tape => Ok(tape.ok()),
        }
    }
}

/// Whether a body is kept as JSON.
fn is_json(format: OutputFormat) -> bool {
    format == OutputFormat::Jsonl
}
