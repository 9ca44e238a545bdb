//! `[batch]`: several lines in one request, and their results in its response.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::check::{File, positive};
use super::condition::Condition;
use super::statuses::{StatusSyntax, Statuses};
use super::template::{Place, Template};
use super::units::parse_bytes;
use super::{Job, JobError, Row};
use crate::json::Path;

/// The most lines of one request.
const MOST_LINES: u32 = 1000;
/// The name by which templates see the lines of a request.
pub(super) const ROWS: &str = "rows";

/// `[batch]`
#[derive(Debug, Clone)]
pub struct Packing {
    /// `lines`: the most lines of one request.
    pub lines: u32,
    /// `bytes`: the most bytes of a request's body.
    pub bytes: Option<u64>,
    /// `results`: the results in a response, one for each line; default the items of an array.
    pub results: Path,
    /// `key` and `line_key`: how a result finds its line. Without them, by position.
    pub matching: Option<Matching>,
    /// `fail_if`: a result fails its line where this holds. It sees the result as `body`.
    pub fail_if: Option<Condition>,
    /// `halve`: after a refusal with one of these statuses each half of the lines is sent by itself.
    pub halve: Statuses,
}

/// How a result finds its line: the two texts are equal.
#[derive(Debug, Clone)]
pub struct Matching {
    /// `key`: the key of a result.
    pub answer: Path,
    /// `line_key`: the key of a line.
    pub line: Template,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackingSyntax {
    lines: Spanned<i64>,
    bytes: Option<Spanned<String>>,
    results: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    line_key: Option<Spanned<String>>,
    fail_if: Option<Spanned<String>>,
    halve: Option<Vec<Spanned<StatusSyntax>>>,
}

impl Job {
    /// What the templates of a request see of a line: with `[batch]` it is one of several `rows`.
    pub fn framed<'a>(&self, row: &'a Arc<Row>) -> Cow<'a, Arc<Row>> {
        match (&self.packing, &**row) {
            (Some(_), Row::Fields { .. } | Row::Object(_)) => {
                Cow::Owned(Arc::new(Row::Several(vec![row.clone()])))
            }
            _ => Cow::Borrowed(row),
        }
    }

    /// The most lines of one request.
    pub fn lines_of_a_request(&self) -> u64 {
        self.packing.as_ref().map_or(1, |packing| packing.lines.into())
    }

    /// The most bytes of a request's body.
    pub fn most_bytes(&self) -> Option<u64> {
        self.packing.as_ref().and_then(|packing| packing.bytes)
    }

    /// Checks that several lines can share a request.
    pub(super) fn check_packing(&self) -> Result<(), JobError> {
        if self.packing.is_none() {
            return Ok(());
        }
        if let Some(follow) = &self.follow {
            let key = if follow.steps.is_empty() { "pages" } else { "then" };
            let message = "[batch] sends several lines in one request, and [[then]] and [pages] several requests for one line: leave one of them out";
            return Err(self.error_at(&[key], message));
        }
        if self.request.fixed_host.is_none() {
            let message = "[batch] sends several lines in one request, so the host must be the same for all: write it into the URL";
            return Err(self.error_at(&["request", "url"], message));
        }
        if let Some(by) = &self.limits.by
            && !by.is_literal()
        {
            let message = "[batch] sends several lines in one request, so they have one limit: leave by out";
            return Err(self.error_at(&["limits", "by"], message));
        }
        let names_rows = |(path, template): &(Vec<&str>, &Template)| {
            path[0] == "request" && template.variables().iter().any(|name| name == ROWS)
        };
        if !self.placed_templates().any(|placed| names_rows(&placed)) {
            let message = "[batch] sends several lines in one request, and no template of [request] names them: write for example body = '{\"ids\": {{ rows | map(attribute=\"id\") | list }}}'";
            return Err(self.error_at(&["batch", "lines"], message));
        }
        Ok(())
    }
}

impl File<'_> {
    pub(super) fn packing(&self, syntax: Option<&PackingSyntax>) -> Result<Option<Packing>, JobError> {
        let Some(syntax) = syntax else { return Ok(None) };
        let path = |written: &Spanned<String>| self.value(written, |text| Path::new(text));
        let results = match &syntax.results {
            Some(written) => path(written)?,
            None => Path::new("$[*]").expect("it is a JSONPath"),
        };
        let bytes = |text: &String| match parse_bytes(text)? {
            0 => Err("bytes must be at least 1".to_owned()),
            bytes => Ok(Some(bytes)),
        };
        let fail_if = syntax.fail_if.as_ref();
        let default = Statuses::new(&[], &[400, 413, 422]);
        Ok(Some(Packing {
            lines: self.value(&syntax.lines, |n| positive(*n, "lines", MOST_LINES))?,
            bytes: self.optional(syntax.bytes.as_ref(), None, bytes)?,
            results,
            matching: self.matching(syntax)?,
            fail_if: fail_if.map(|written| self.value(written, |text| Condition::new(text))).transpose()?,
            halve: self.statuses(syntax.halve.as_deref(), default)?,
        }))
    }

    fn matching(&self, syntax: &PackingSyntax) -> Result<Option<Matching>, JobError> {
        let Some(key) = &syntax.key else {
            return match &syntax.line_key {
                None => Ok(None),
                Some(line) => Err(self.error(
                    &line.span(),
                    "line_key is compared with the key of a result: add for example key = \"$.id\"",
                )),
            };
        };
        let answer = self.value(key, |text| Path::new(text))?;
        let line = match (&syntax.line_key, column_of(key.get_ref())) {
            (Some(line), _) => line.clone(),
            (None, Some(column)) => Spanned::new(key.span(), format!("{{{{ {column} }}}}")),
            (None, None) => {
                let message = "say what the key of a line is: add for example line_key = \"{{ id }}\"";
                return Err(self.error(&key.span(), message));
            }
        };
        let line = self.template(&line, Place::Text)?;
        if let Some(secret) = line.secrets().first() {
            return Err(self.error(&key.span(), format!("the key of a line cannot name a secret ({secret})")));
        }
        Ok(Some(Matching { answer, line }))
    }
}

/// The column with the name of the member that a path ends with, if it is a plain name.
fn column_of(path: &str) -> Option<&str> {
    let (_, name) = path.rsplit_once('.')?;
    let plain = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    (plain && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some(name)
}
