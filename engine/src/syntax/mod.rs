//! From text to typed syntax: which states there are and which fields they have, each with its
//! place. Names are not resolved here and expressions not parsed; see `compile`.

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

use crate::problem::{Place, Report};
use fields::Fields;

/// A state machine as written.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) scope: Scope,
    pub(crate) timeout_seconds: Option<u32>,
}

pub(crate) fn parse(text: &str, report: &mut Report<'_>) -> Option<Definition> {
    let node = match json::parse(text) {
        Ok(node) => node,
        Err((offset, message)) => {
            report.add(&Place { path: String::new(), offset }, message);
            return None;
        }
    };
    let mut fields = Fields::of(node, report)?;
    fields.ignore("Comment");
    fields.ignore("Version");
    let language = fields.query_language(Language::JsonPath, report);
    let timeout_seconds = fields.integer("TimeoutSeconds", 1, 99_999_999, report);
    let scope = Scope::read(language, &mut fields, report);
    fields.finish(report);
    Some(Definition { scope: scope?, timeout_seconds })
}
