//! `Retry` and `Catch`.

use super::fields::{Field, Fields, Text};
use super::io::OnExit;
use super::json::{Json, Node};
use crate::diagnostic::{Position, Report};
use crate::language::Language;
use crate::quotas::{MAX_RETRY_DELAY_SECONDS, MAX_SECONDS};
use crate::retry::Retrier;
use crate::rule_violation::RuleViolation;

/// The handlers of a state's errors.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
}

#[derive(Debug)]
pub(crate) struct Catcher {
    pub(crate) errors: Vec<String>,
    pub(crate) result_path: Field,
    pub(crate) on_exit: OnExit,
    pub(crate) next: Text,
}

impl Recovery {
    pub(crate) fn read(language: Language, fields: &mut Fields<'_, '_>) -> Self {
        Self {
            retry: read_list("Retry", fields, read_retrier),
            catch: read_list("Catch", fields, |node, last, report| {
                Catcher::read(node, last, language, report)
            }),
        }
    }
}

fn read_list<T>(
    name: &str,
    fields: &mut Fields<'_, '_>,
    read: impl Fn(Node, bool, &mut Report<'_>) -> Option<T>,
) -> Vec<T> {
    let Some((_, nodes)) = fields.list(name) else { return Vec::new() };
    let last = nodes.len().saturating_sub(1);
    nodes.into_iter().enumerate().filter_map(|(i, node)| read(node, i == last, fields.report)).collect()
}

fn read_retrier(node: Node, last: bool, report: &mut Report<'_>) -> Option<Retrier> {
    let mut fields = Fields::of(node, report)?;
    fields.ignore("Comment");
    let jitter = fields.text("JitterStrategy");
    if let Some(jitter) = jitter.as_ref().filter(|j| !matches!(j.value.as_str(), "FULL" | "NONE")) {
        fields.report.violation(&jitter.at, RuleViolation::Values(&["NONE", "FULL"]), "must be FULL or NONE");
    }
    let retrier = Retrier {
        errors: error_names(&mut fields, last),
        interval_seconds: fields.integer("IntervalSeconds", 0, MAX_SECONDS).unwrap_or(1),
        max_attempts: fields.integer("MaxAttempts", 0, MAX_SECONDS).unwrap_or(3),
        backoff_rate: fields.number("BackoffRate", 1.0, f64::MAX, false).unwrap_or(2.0),
        max_delay_seconds: fields.integer("MaxDelaySeconds", 1, MAX_RETRY_DELAY_SECONDS),
        full_jitter: jitter.is_some_and(|j| j.value == "FULL"),
    };
    fields.finish();
    Some(retrier)
}

impl Catcher {
    fn read(node: Node, last: bool, language: Language, report: &mut Report<'_>) -> Option<Self> {
        let mut fields = Fields::of(node, report)?;
        fields.ignore("Comment");
        let errors = error_names(&mut fields, last);
        let result_path = match language {
            Language::JsonPath => fields.path("ResultPath"),
            Language::Jsonata => Field::Absent,
        };
        let on_exit = OnExit::read(true, language, &mut fields);
        let next = fields.required_text("Next");
        fields.finish();
        Some(Self { errors, result_path, on_exit, next: next? })
    }
}

/// Reads `ErrorEquals`. `States.ALL` must be alone, and in the last retrier or catcher.
fn error_names(fields: &mut Fields<'_, '_>, last: bool) -> Vec<String> {
    let Some((at, nodes)) = fields.required_list("ErrorEquals") else { return Vec::new() };
    let mut names = Vec::new();
    for node in nodes {
        match node.kind {
            Json::String(name) => names.push(name),
            _ => fields.report.violation(&node.at, RuleViolation::Type("String"), "must be a string"),
        }
    }
    check_names(&at, &names, last, fields.report);
    names
}

fn check_names(at: &Position, names: &[String], last: bool, report: &mut Report<'_>) {
    if names.is_empty() {
        report.violation(at, RuleViolation::Empty, "at least one error must be named");
    }
    if names.iter().any(|name| name == "States.ALL") && (names.len() > 1 || !last) {
        report.violation(at, RuleViolation::StatesAll, "States.ALL must be alone, and in the last entry");
    }
}
