//! From text to typed syntax: which states there are and which fields they have, each with its
//! place. Names are not resolved here and expressions not parsed; see `compile`.

mod choice;
mod distributed;
mod fields;
mod json;
mod map;
mod state;

pub(crate) use choice::{Condition, Rule, as_text};
pub(crate) use distributed::{Batcher, Distributed};
pub(crate) use fields::{Field, Number, Text};
pub(crate) use json::{Kind as Json, Node};
pub(crate) use map::Map;
pub(crate) use state::{Catcher, Kind, Next, Retrier, Scope, State, Task, WaitFor};

use crate::problem::{Place, Report};
use fields::Fields;

/// A state machine as written.
pub(crate) fn parse(text: &str, report: &mut Report<'_>) -> Option<Scope> {
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
    fields.query_language(report);
    fields.not_yet(report, &["TimeoutSeconds"]);
    let scope = Scope::read(&mut fields, report);
    fields.finish(report);
    scope
}
