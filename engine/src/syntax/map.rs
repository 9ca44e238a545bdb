//! The Map state in both its modes.

use super::distributed::Distributed;
use super::fields::{Fields, Number, Text};
use super::json::Node;
use super::state::Scope;
use crate::diagnostic::Report;
use crate::language::Language;
use crate::rule_violation::RuleViolation;

#[derive(Debug)]
pub(crate) struct MapFields {
    pub(crate) items_path: Option<Text>,
    /// JSONata's `Items`.
    pub(crate) items: Option<Node>,
    pub(crate) item_selector: Option<Node>,
    pub(crate) max_concurrency: Option<Number>,
    pub(crate) processor: Scope,
    pub(crate) distributed: Option<Distributed>,
}

/// The largest count: AWS accepts every whole number that it can represent.
const CHILD_LIMIT: f64 = i64::MAX as f64;

impl MapFields {
    /// `inherited` is the language of the processor, `language` that of the Map.
    pub(crate) fn read(inherited: Language, language: Language, fields: &mut Fields<'_, '_>) -> Option<Self> {
        let processor = match fields.take("Iterator") {
            Some(node) => Some(node),
            None => fields.required("ItemProcessor"),
        };
        let selector = fields.take("ItemSelector");
        let (items, items_path, parameters) = match language {
            Language::Jsonata => (fields.take("Items"), None, None),
            Language::JsonPath => (None, fields.text("ItemsPath"), fields.take("Parameters")),
        };
        let (processor, mode) = read_processor(inherited, processor?, fields.report)?;
        let distributed = match mode {
            Mode::Distributed { express } => Some(Distributed::read(express, fields)),
            Mode::Inline => {
                // AWS accepts these fields here, although they have no meaning.
                fields.number_or_path("ToleratedFailurePercentage", 0.0, 100.0, false);
                fields.number_or_path("ToleratedFailureCount", 0.0, CHILD_LIMIT, true);
                None
            }
        };
        Some(Self {
            items_path,
            items,
            item_selector: selector.or(parameters),
            max_concurrency: fields.number_or_path("MaxConcurrency", 0.0, CHILD_LIMIT, true),
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
        Some(node) => read_config(node, fields.report),
        None => Mode::Inline,
    };
    let scope = Scope::read(language, &mut fields);
    fields.finish();
    Some((scope?, mode))
}

fn read_config(node: Node, report: &mut Report<'_>) -> Mode {
    let Some(mut fields) = Fields::of(node, report) else { return Mode::Inline };
    let mode = fields.text("Mode");
    let execution_type = fields.text("ExecutionType");
    let distributed = match mode.as_ref().map(|mode| mode.value.as_str()) {
        None | Some("INLINE") => false,
        Some("DISTRIBUTED") => true,
        Some(_) => {
            let at = mode.map(|mode| mode.at).unwrap_or_default();
            fields.report.violation(
                &at,
                RuleViolation::Values(&["INLINE", "DISTRIBUTED"]),
                "must be INLINE or DISTRIBUTED",
            );
            false
        }
    };
    let express = execution_type.as_ref().is_some_and(|kind| kind.value == "EXPRESS");
    match (distributed, execution_type) {
        (true, Some(kind)) if kind.value == "STANDARD" || express => drop(kind),
        (true, Some(kind)) => fields.report.violation(
            &kind.at,
            RuleViolation::Values(&["STANDARD", "EXPRESS"]),
            "must be STANDARD or EXPRESS",
        ),
        (true, None) => fields.report.missing(&fields.at, "ExecutionType"),
        (false, Some(kind)) => {
            fields.report.violation(
                &kind.at,
                RuleViolation::Unsupported("ExecutionType"),
                "only a Distributed Map has an ExecutionType",
            );
        }
        (false, None) => {}
    }
    fields.finish();
    if distributed { Mode::Distributed { express } } else { Mode::Inline }
}
