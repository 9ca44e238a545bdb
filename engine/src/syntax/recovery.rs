//! `Retry` and `Catch`.

use super::fields::{Field, Fields, Language, Text};
use super::io::Leaving;
use super::json::{Kind as Json, Node};
use crate::breach::Breach;
use crate::problem::{Place, Report};

/// What a state does about its errors.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
}

#[derive(Debug)]
pub(crate) struct Retrier {
    pub(crate) errors: Vec<String>,
    pub(crate) interval_seconds: u32,
    pub(crate) max_attempts: u32,
    pub(crate) backoff_rate: f64,
    pub(crate) max_delay_seconds: Option<u32>,
    pub(crate) full_jitter: bool,
}

#[derive(Debug)]
pub(crate) struct Catcher {
    pub(crate) errors: Vec<String>,
    pub(crate) result_path: Field,
    pub(crate) leaving: Leaving,
    pub(crate) next: Text,
}

impl Recovery {
    pub(crate) fn read(language: Language, fields: &mut Fields, report: &mut Report<'_>) -> Recovery {
        Recovery {
            retry: read_list("Retry", fields, report, Retrier::read),
            catch: read_list("Catch", fields, report, |node, last, report| Catcher::read(node, last, language, report)),
        }
    }
}

fn read_list<T>(
    name: &str,
    fields: &mut Fields,
    report: &mut Report<'_>,
    read: impl Fn(Node, bool, &mut Report<'_>) -> Option<T>,
) -> Vec<T> {
    let Some((_, nodes)) = fields.list(name, report) else { return Vec::new() };
    let last = nodes.len().saturating_sub(1);
    nodes.into_iter().enumerate().filter_map(|(i, node)| read(node, i == last, report)).collect()
}

impl Retrier {
    fn read(node: Node, last: bool, report: &mut Report<'_>) -> Option<Retrier> {
        let mut fields = Fields::of(node, report)?;
        fields.ignore("Comment");
        let jitter = fields.text("JitterStrategy", report);
        if let Some(jitter) = jitter.as_ref().filter(|j| !matches!(j.value.as_str(), "FULL" | "NONE")) {
            report.breaks(&jitter.at, Breach::Values(&["NONE", "FULL"]), "must be FULL or NONE");
        }
        let retrier = Retrier {
            errors: error_names(&mut fields, last, report),
            interval_seconds: fields.integer("IntervalSeconds", 0, 99_999_999, report).unwrap_or(1),
            max_attempts: fields.integer("MaxAttempts", 0, 99_999_999, report).unwrap_or(3),
            backoff_rate: fields.number("BackoffRate", 1.0, f64::MAX, report).unwrap_or(2.0),
            max_delay_seconds: fields.integer("MaxDelaySeconds", 1, 31_622_400, report),
            full_jitter: jitter.is_some_and(|j| j.value == "FULL"),
        };
        fields.finish(report);
        Some(retrier)
    }
}

impl Catcher {
    fn read(node: Node, last: bool, language: Language, report: &mut Report<'_>) -> Option<Catcher> {
        let mut fields = Fields::of(node, report)?;
        fields.ignore("Comment");
        let errors = error_names(&mut fields, last, report);
        let result_path = match language {
            Language::JsonPath => fields.path("ResultPath", report),
            Language::Jsonata => Field::Absent,
        };
        let leaving = Leaving::read(true, language, &mut fields);
        let next = fields.required_text("Next", report);
        fields.finish(report);
        Some(Catcher { errors, result_path, leaving, next: next? })
    }
}

/// `ErrorEquals`; `States.ALL` stands alone and in the last retrier or catcher.
fn error_names(fields: &mut Fields, last: bool, report: &mut Report<'_>) -> Vec<String> {
    let Some((at, nodes)) = fields.required_list("ErrorEquals", report) else { return Vec::new() };
    let mut names = Vec::new();
    for node in nodes {
        match node.kind {
            Json::String(name) => names.push(name),
            _ => report.breaks(&node.at, Breach::Type("String"), "must be a string"),
        }
    }
    check_names(&at, &names, last, report);
    names
}

fn check_names(at: &Place, names: &[String], last: bool, report: &mut Report<'_>) {
    if names.is_empty() {
        report.breaks(at, Breach::Empty, "at least one error must be named");
    }
    if names.iter().any(|name| name == "States.ALL") && (names.len() > 1 || !last) {
        report.breaks(at, Breach::StatesAll, "States.ALL must stand alone, and last");
    }
}
