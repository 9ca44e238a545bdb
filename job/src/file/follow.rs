//! `[[then]]` and `[pages]`: the requests that follow the first one of a line.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::check::{File, positive};
use super::condition::Condition;
use super::syntax::Entries;
use super::template::{Place, Template};
use super::units::parse_duration;
use super::{JobError, Method, Row};
use crate::json::Path;

const DEFAULT_EVERY: Duration = Duration::from_secs(2);
const DEFAULT_WITHIN: Duration = Duration::from_secs(600);
const DEFAULT_PAGES: u32 = 100;
const MOST_PAGES: u32 = 10_000;
/// The places of steps in the list `then`, as many as there may be.
const PLACES: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];
/// The names by which a template of a step sees the responses before.
pub(super) const RESPONSES: [&str; 2] = ["response", "responses"];

/// What follows the first request of a line.
#[derive(Debug, Clone, Default)]
pub struct Follow {
    /// `[[then]]`, in the file's order.
    pub steps: Vec<Step>,
    /// `[pages]`: of the last step.
    pub pages: Option<Pages>,
    /// What it all says, to tell whether two jobs do the same.
    text: String,
}

/// One of `[[then]]`.
#[derive(Debug, Clone)]
pub struct Step {
    /// `method`: default GET.
    pub method: Method,
    /// `url`: may be relative to that of the response before.
    pub url: Template,
    /// `headers`, names in lower case.
    pub headers: Vec<(String, Template)>,
    /// `body`
    pub body: Option<Template>,
    /// Whether the body is JSON.
    pub json_body: bool,
    /// `idempotent`: a POST or PATCH may be sent again.
    pub idempotent: bool,
    /// `until`, `every` and `within`: the step is repeated until the condition holds.
    pub until: Option<Until>,
}

/// When a step that is repeated has ended.
#[derive(Debug, Clone)]
pub struct Until {
    /// `until`
    pub holds: Condition,
    /// `every`: the time between two requests; default 2 s.
    pub every: Duration,
    /// `within`: the line fails after this time; default 10 minutes.
    pub within: Duration,
}

/// `[pages]`
#[derive(Debug, Clone)]
pub struct Pages {
    /// Where the next page is.
    pub next: Next,
    /// `items`: what is kept of a page; default the whole page.
    pub items: Option<Path>,
    /// `most`: the most pages of a line; default 100.
    pub most: u32,
}

/// Where the next page is.
#[derive(Debug, Clone)]
pub enum Next {
    /// `next`: the URL, absolute or relative. The pages end where it does not match, or is null or empty.
    Url(Path),
    /// `next = "link"`: the URL of the header `Link` with `rel="next"` (RFC 8288).
    Link,
    /// `cursor` and `param`: the value of a parameter of the query.
    Cursor(Path, String),
    /// `number`: a parameter of the query that counts the pages. They end with one without items.
    Number(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepSyntax {
    method: Option<Spanned<String>>,
    url: Spanned<String>,
    #[serde(default)]
    headers: Entries<String>,
    body: Option<Spanned<String>>,
    #[serde(default)]
    idempotent: bool,
    until: Option<Spanned<String>>,
    every: Option<Spanned<String>>,
    within: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PagesSyntax {
    next: Option<Spanned<String>>,
    cursor: Option<Spanned<String>>,
    param: Option<Spanned<String>>,
    number: Option<Spanned<String>>,
    items: Option<Spanned<String>>,
    most: Option<Spanned<i64>>,
}

impl Step {
    /// Whether the step may be sent again although an earlier request may have arrived.
    pub fn repeatable(&self) -> bool {
        self.idempotent || self.method.is_idempotent()
    }

    /// Whether its requests carry a key by which the provider recognises a repetition.
    pub fn sends_idempotency_keys(&self) -> bool {
        self.idempotent && !self.method.is_idempotent()
    }

    /// What it says, apart from the times.
    fn text(&self) -> String {
        let mut parts = vec![self.method.as_str().to_owned(), self.url.source().to_owned()];
        parts.extend(self.headers.iter().map(|(name, value)| format!("{name}: {}", value.source())));
        parts.extend(self.body.iter().map(|body| body.source().to_owned()));
        parts.extend(self.until.iter().map(|until| until.holds.source().to_owned()));
        format!("{parts:?}")
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        std::iter::once(&self.url).chain(&self.body).chain(self.headers.iter().map(|(_, value)| value))
    }
}

impl PagesSyntax {
    /// What it says, apart from the most pages.
    fn text(&self) -> String {
        let keys = [&self.next, &self.cursor, &self.param, &self.number, &self.items];
        format!("{:?}", keys.map(|key| key.as_ref().map(Spanned::get_ref)))
    }
}

impl Follow {
    /// The templates, each with the path of its key.
    pub(super) fn placed_templates<'a>(&'a self) -> impl Iterator<Item = (Vec<&'a str>, &'a Template)> {
        self.steps.iter().zip(PLACES).flat_map(|(step, place)| {
            let header =
                move |(name, value): &'a (String, Template)| (vec!["then", place, "headers", &**name], value);
            let body = step.body.iter().map(move |body| (vec!["then", place, "body"], body));
            std::iter::once((vec!["then", place, "url"], &step.url))
                .chain(body)
                .chain(step.headers.iter().map(header))
        })
    }

    /// The parts of the identity of a line's request: what follows, and what it takes from the line.
    pub(super) fn identifying(&self, row: &Row) -> Vec<String> {
        let mut parts = vec![self.text.clone()];
        for template in self.steps.iter().flat_map(Step::templates) {
            parts.extend(template.vars().iter().map(|(name, value)| format!("{name}={value}")));
            for name in template.variables().iter().filter(|name| !RESPONSES.contains(&name.as_str())) {
                parts.push(format!(
                    "{name}={}",
                    row.get(name).map(|value| value.to_string()).unwrap_or_default()
                ));
            }
        }
        parts
    }

    /// What it says, without the values of lines and variables.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl File<'_> {
    pub(super) fn follow(
        &self,
        steps: &[Spanned<StepSyntax>],
        pages: Option<&Spanned<PagesSyntax>>,
    ) -> Result<Option<Follow>, JobError> {
        if steps.is_empty() && pages.is_none() {
            return Ok(None);
        }
        if let Some(one) = steps.get(PLACES.len()) {
            return Err(self.error(&one.span(), format!("a line has at most {} [[then]]", PLACES.len())));
        }
        let mut parts = Vec::new();
        let mut read = Vec::with_capacity(steps.len());
        for step in steps {
            let step = self.step(step.get_ref())?;
            parts.push(step.text());
            read.push(step);
        }
        let pages = match pages {
            Some(pages) => {
                parts.push(pages.get_ref().text());
                Some(self.pages(pages)?)
            }
            None => None,
        };
        Ok(Some(Follow { steps: read, pages, text: parts.join("\n") }))
    }

    fn step(&self, syntax: &StepSyntax) -> Result<Step, JobError> {
        let headers = self.headers(&syntax.headers)?;
        let (json_body, place) = self.body_place(&headers, syntax.body.as_ref());
        let until = match &syntax.until {
            None => {
                if let Some(alone) = syntax.every.as_ref().or(syntax.within.as_ref()) {
                    let message = "only a step that is repeated has every and within: add for example until = \"body.status == 'done'\"";
                    return Err(self.error(&alone.span(), message));
                }
                None
            }
            Some(until) => Some(Until {
                holds: self.value(until, |text| Condition::new(text))?,
                every: self.optional(syntax.every.as_ref(), DEFAULT_EVERY, |text| parse_duration(text))?,
                within: self.optional(syntax.within.as_ref(), DEFAULT_WITHIN, |text| parse_duration(text))?,
            }),
        };
        Ok(Step {
            method: self.optional(syntax.method.as_ref(), Method::default(), |text| Method::parse(text))?,
            url: self.template(&syntax.url, Place::Url)?,
            headers,
            body: syntax.body.as_ref().map(|body| self.template(body, place)).transpose()?,
            json_body,
            idempotent: syntax.idempotent,
            until,
        })
    }

    fn pages(&self, written: &Spanned<PagesSyntax>) -> Result<Pages, JobError> {
        let PagesSyntax { next, cursor, param, number, items, most } = written.get_ref();
        let path = |written: &Spanned<String>| self.value(written, |text| Path::new(text));
        let next = match (next, cursor, number) {
            (Some(next), None, None) if next.get_ref() == "link" => Next::Link,
            (Some(next), None, None) => Next::Url(path(next)?),
            (None, Some(cursor), None) => match param {
                Some(param) => Next::Cursor(path(cursor)?, param.get_ref().clone()),
                None => {
                    let message = "name the parameter of the query that has the cursor: param = \"cursor\"";
                    return Err(self.error(&cursor.span(), message));
                }
            },
            (None, None, Some(number)) if items.is_some() => Next::Number(number.get_ref().clone()),
            (None, None, Some(number)) => {
                let message = "the pages end with one that has no items: say where they are, for example items = \"$.items[*]\"";
                return Err(self.error(&number.span(), message));
            }
            _ => {
                let message = "say in one way where the next page is: next = \"$.next\", next = \"link\", cursor and param, or number = \"page\"";
                return Err(self.error(&written.span(), message));
            }
        };
        if let (Some(param), false) = (param, matches!(next, Next::Cursor(..))) {
            return Err(self.error(&param.span(), "param is the parameter of a cursor: leave it out"));
        }
        Ok(Pages {
            next,
            items: items.as_ref().map(path).transpose()?,
            most: self.optional(most.as_ref(), DEFAULT_PAGES, |n| positive(*n, "most", MOST_PAGES))?,
        })
    }
}
