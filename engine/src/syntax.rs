//! Parses a definition into typed syntax: its states and their fields, each with its position. Names are
//! resolved and expressions parsed later; see `compile`.

mod broken;
mod choice;
mod distributed;
mod fields;
mod io;
mod json;
mod map;
mod reader;
mod recovery;
mod state;

pub(crate) use choice::{Condition, Rule, as_text};
pub(crate) use distributed::{Batcher, Distributed};
pub(crate) use fields::{Field, Number, Text, is_expression};
pub(crate) use io::{Io, OnExit};
pub(crate) use json::{Json, Node};
pub(crate) use map::MapFields;
pub(crate) use recovery::Recovery;
pub(crate) use state::{NextField, Scope, StateBody, StateFields, TaskFields, TextOrPath, WaitFor};

use crate::diagnostic::{Position, Report};
use crate::language::Language;
use crate::quotas::MAX_SECONDS;
use crate::rule_violation::RuleViolation;
use fields::Fields;

/// A parsed definition.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) scope: Scope,
    pub(crate) timeout_seconds: Option<u32>,
}

pub(crate) fn parse(text: &str, report: &mut Report<'_>) -> Option<Definition> {
    if text.trim().is_empty() {
        report.violation(&Position::default(), RuleViolation::NotAnObject, "there is no definition");
        return None;
    }
    let node = match json::parse(text) {
        Ok(node) => node,
        Err(json::NoTree { offset, message, too_deep }) => {
            let at = Position { path: String::new(), offset };
            let (aws, source) = broken::described(text, offset, &message);
            let breach = if too_deep { RuleViolation::TooDeep } else { RuleViolation::Json(&aws, &source) };
            report.violation(&at, breach, message);
            return None;
        }
    };
    if !matches!(node.kind, Json::Object(_)) {
        report.violation(&node.at, RuleViolation::NotAnObject, "a definition is a JSON object");
        return None;
    }
    let mut fields = Fields::of(node, report)?;
    fields.ignore("Comment");
    if let Some(version) = fields.text("Version").filter(|version| version.value != "1.0") {
        fields.report.violation(&version.at, RuleViolation::Values(&["1.0"]), "the only version is 1.0");
    }
    let language = fields.query_language(Language::JsonPath);
    let timeout_seconds = fields.integer("TimeoutSeconds", 0, MAX_SECONDS);
    let scope = Scope::read(language, &mut fields);
    fields.finish();
    Some(Definition { scope: scope?, timeout_seconds })
}
