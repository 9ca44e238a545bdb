//! The changes that were asked for, newest first.

use askama::Template;

use super::super::Console;
use super::super::page::{Page, Wanted};
use super::PAGE;
use crate::api::ApiError;
use crate::audit::Change;
use crate::executions::rfc3339;

#[derive(Template)]
#[template(path = "audit.html")]
struct Changes {
    rows: Vec<(String, Change)>,
    next: Option<String>,
}

pub(super) fn page(console: &Console, wanted: &Wanted) -> Result<Page, ApiError> {
    let before = wanted.number("time").zip(wanted.number("number"));
    let mut found = console.api.audit().list(before, PAGE + 1)?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found
        .last()
        .filter(|_| more)
        .map(|((time, number), _)| format!("/audit?time={time}&number={number}"));
    let rows = found.into_iter().map(|(_, change)| (rfc3339(change.at), change)).collect();
    Page::new("Audit").part("changes", &Changes { rows, next })
}
