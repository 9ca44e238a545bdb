//! The Map state in both its modes.

use super::distributed::Distributed;
use super::fields::{Fields, Language, Number, Text};
use super::json::Node;
use super::state::Scope;
use crate::breach::Breach;
use crate::problem::Report;

#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) items_path: Option<Text>,
    /// JSONata's `Items`.
    pub(crate) items: Option<Node>,
    pub(crate) item_selector: Option<Node>,
    pub(crate) max_concurrency: Option<Number>,
    pub(crate) processor: Scope,
    pub(crate) distributed: Option<Distributed>,
}

/// AWS takes any number, and no more than it can.
const CHILD_LIMIT: f64 = i64::MAX as f64;

impl Map {
    /// `inherited` is the language of the processor, `language` that of the Map.
    pub(crate) fn read(inherited: Language, language: Language, fields: &mut Fields, report: &mut Report<'_>) -> Option<Map> {
        let processor = match fields.take("Iterator") {
            Some(node) => Some(node),
            None => fields.required("ItemProcessor", report),
        };
        let selector = fields.take("ItemSelector");
        let (items, items_path, parameters) = match language {
            Language::Jsonata => (fields.take("Items"), None, None),
            Language::JsonPath => (None, fields.text("ItemsPath", report), fields.take("Parameters")),
        };
        let (processor, mode) = read_processor(inherited, processor?, report)?;
        let distributed = match mode {
            Mode::Distributed { express } => Some(Distributed::read(express, fields, report)),
            Mode::Inline => {
                // Accepted, as AWS does, and without a meaning.
                fields.number_or_path("ToleratedFailurePercentage", 0.0, 100.0, false, report);
                fields.number_or_path("ToleratedFailureCount", 0.0, CHILD_LIMIT, true, report);
                None
            }
        };
        Some(Map {
            items_path,
            items,
            item_selector: selector.or(parameters),
            max_concurrency: fields.number_or_path("MaxConcurrency", 0.0, CHILD_LIMIT, true, report),
            processor,
            distributed,
        })
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Inline,
    Distributed { express: bool },
}

fn read_processor(language: Language, node: Node, report: &mut Report<'_>) -> Option<(Scope, Mode)> {
    let mut fields = Fields::of(node, report)?;
    fields.ignore("Comment");
    let mode = match fields.take("ProcessorConfig") {
        Some(node) => read_config(node, report),
        None => Mode::Inline,
    };
    let scope = Scope::read(language, &mut fields, report);
    fields.finish(report);
    Some((scope?, mode))
}

fn read_config(node: Node, report: &mut Report<'_>) -> Mode {
    let Some(mut fields) = Fields::of(node, report) else { return Mode::Inline };
    let mode = fields.text("Mode", report);
    let execution_type = fields.text("ExecutionType", report);
    let distributed = match mode.as_ref().map(|mode| mode.value.as_str()) {
        None | Some("INLINE") => false,
        Some("DISTRIBUTED") => true,
        Some(_) => {
            let at = mode.map(|mode| mode.at).unwrap_or_default();
            report.breaks(&at, Breach::Values(&["INLINE", "DISTRIBUTED"]), "must be INLINE or DISTRIBUTED");
            false
        }
    };
    let express = execution_type.as_ref().is_some_and(|kind| kind.value == "EXPRESS");
    match (distributed, execution_type) {
        (true, Some(kind)) if kind.value == "STANDARD" || express => drop(kind),
        (true, Some(kind)) => report.breaks(&kind.at, Breach::Values(&["STANDARD", "EXPRESS"]), "must be STANDARD or EXPRESS"),
        (true, None) => report.lacks(&fields.at, "ExecutionType"),
        (false, Some(kind)) => {
            report.breaks(&kind.at, Breach::Unsupported("ExecutionType"), "only a Distributed Map has an ExecutionType");
        }
        (false, None) => {}
    }
    fields.finish(report);
    if distributed { Mode::Distributed { express } } else { Mode::Inline }
}
