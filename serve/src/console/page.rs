//! What a page consists of, and its response. A page is a title and parts, so that a stream can send the parts that change.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Shared, Who, assets, views};
use crate::api::ApiError;

/// A page, without what all pages have.
pub(super) struct Page {
    pub(super) title: String,
    /// The pages above this one: path and name.
    pub(super) above: Vec<(String, String)>,
    pub(super) parts: Vec<Part>,
}

/// A part of a page, by its id.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) id: &'static str,
    pub(super) html: String,
    /// Whether the stream replaces it when it changes. A form stays as somebody fills it in.
    pub(super) is_live: bool,
}

impl Page {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), above: Vec::new(), parts: Vec::new() }
    }

    pub(super) fn below(mut self, path: impl Into<String>, name: impl Into<String>) -> Self {
        self.above.push((path.into(), name.into()));
        self
    }

    pub(super) fn part(self, id: &'static str, template: &impl Template) -> Result<Self, ApiError> {
        self.with(id, template, true)
    }

    /// A part with a form.
    pub(super) fn form(self, id: &'static str, template: &impl Template) -> Result<Self, ApiError> {
        self.with(id, template, false)
    }

    fn with(mut self, id: &'static str, template: &impl Template, is_live: bool) -> Result<Self, ApiError> {
        let html = template.render().map_err(|error| ApiError::unavailable(error.to_string()))?;
        self.parts.push(Part { id, html, is_live });
        Ok(self)
    }
}

/// The path and the query of a page.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) path: Vec<String>,
    query: Vec<(String, String)>,
}

impl Wanted {
    pub(super) fn of(uri: &Uri) -> Self {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let path = uri.path().split('/').filter(|part| !part.is_empty()).map(decoded).collect();
        let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let query = pairs.map(|(name, value)| (decoded(name), decoded(&value.replace('+', " ")))).collect();
        Self { path, query }
    }

    /// A value of the query that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

/// A name as a part of a path or of a query.
pub(super) fn encode(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

#[derive(Template)]
#[template(path = "page.html")]
struct Frame<'a> {
    assets: String,
    title: &'a str,
    above: &'a [(String, String)],
    parts: &'a [Part],
    /// The path of the stream; empty if there is none.
    live: String,
    /// The first part of the path, which the navigation marks.
    section: &'a str,
    who: Option<&'a Who>,
}

pub(super) async fn respond(State(console): State<Shared>, who: Who, uri: Uri) -> Response {
    let wanted = Wanted::of(&uri);
    match views::view(&console, &who, &wanted).await {
        Ok(page) => {
            let own = uri.path_and_query().map_or("/", |own| own.as_str());
            framed(
                &who,
                &page,
                wanted.path.first().map_or("", String::as_str),
                format!("/live?page={}", encode(own)),
            )
        }
        Err(error) => refused(Some(&who), &error),
    }
}

/// A page that answers a form, which nothing changes any more.
pub(super) fn answer(who: &Who, page: &Page, section: &str) -> Response {
    framed(who, page, section, String::new())
}

fn framed(who: &Who, page: &Page, section: &str, live: String) -> Response {
    let frame = Frame {
        assets: assets::folder(),
        title: &page.title,
        above: &page.above,
        parts: &page.parts,
        live,
        section,
        who: Some(who),
    };
    rendered(StatusCode::OK, &frame)
}

/// The page that says why something was refused.
pub(super) fn refused(who: Option<&Who>, error: &ApiError) -> Response {
    let missing =
        error.code.ends_with("DoesNotExist") || ["ResourceNotFound", "NotFound"].contains(&error.code);
    let (status, title) = match error.code {
        _ if missing => (StatusCode::NOT_FOUND, "There is no such page"),
        "AccessDeniedException" => (StatusCode::FORBIDDEN, "Your key may not do this"),
        _ if error.status.is_server_error() => (error.status, "The server cannot do this now"),
        _ => (error.status, "This cannot be done"),
    };
    let said = Said { error };
    let part = Part { id: "error", html: said.render().unwrap_or_default(), is_live: false };
    let frame = Frame {
        assets: assets::folder(),
        title,
        above: &[],
        parts: &[part],
        live: String::new(),
        section: "-",
        who,
    };
    rendered(status, &frame)
}

#[derive(Template)]
#[template(path = "error.html")]
struct Said<'a> {
    error: &'a ApiError,
}

fn rendered(status: StatusCode, frame: &Frame<'_>) -> Response {
    match frame.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
