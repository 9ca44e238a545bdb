//! From text to typed syntax: which states there are and which fields they have, each with its
//! place. Names are not resolved here and expressions not parsed; see `compile`.

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
pub(crate) use fields::{Field, Language, Number, Text, is_expression};
pub(crate) use io::{Io, Leaving};
pub(crate) use json::{Kind as Json, Node};
pub(crate) use map::Map;
pub(crate) use recovery::Recovery;
pub(crate) use state::{Kind, Next, Scope, State, Task, WaitFor, Words};

use crate::breach::Breach;
use crate::problem::{Place, Report};
use fields::Fields;

/// A state machine as written.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) scope: Scope,
    pub(crate) timeout_seconds: Option<u32>,
}

pub(crate) fn parse(text: &str, report: &mut Report<'_>) -> Option<Definition> {
    if text.trim().is_empty() {
        report.breaks(&Place::default(), Breach::NotAnObject, "there is no definition");
        return None;
    }
    let node = match json::parse(text) {
        Ok(node) => node,
        Err(json::NoTree { offset, message, too_deep }) => {
            let at = Place { path: String::new(), offset };
            let (aws, source) = broken::described(text, offset, &message);
            let breach = if too_deep { Breach::TooDeep } else { Breach::Json(&aws, &source) };
            report.breaks(&at, breach, message);
            return None;
        }
    };
    if !matches!(node.kind, Json::Object(_)) {
        report.breaks(&node.at, Breach::NotAnObject, "a definition is a JSON object");
        return None;
    }
    let mut fields = Fields::of(node, report)?;
    fields.ignore("Comment");
    if let Some(version) = fields.text("Version", report).filter(|version| version.value != "1.0") {
        report.breaks(&version.at, Breach::Values(&["1.0"]), "the only version is 1.0");
    }
    let language = fields.query_language(Language::JsonPath, report);
    let timeout_seconds = fields.integer("TimeoutSeconds", 0, 99_999_999, report);
    let scope = Scope::read(language, &mut fields, report);
    fields.finish(report);
    Some(Definition { scope: scope?, timeout_seconds })
}
