//! The Map state in both its modes.

use super::distributed::Distributed;
use super::fields::{Field, Fields, Number, Text};
use super::json::Node;
use super::state::{Catcher, Next, Retrier, Scope};
use crate::problem::Report;

#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) items_path: Option<Text>,
    pub(crate) item_selector: Option<Node>,
    pub(crate) max_concurrency: Option<Number>,
    pub(crate) processor: Scope,
    pub(crate) distributed: Option<Distributed>,
    pub(crate) result_selector: Option<Node>,
    pub(crate) result_path: Field,
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
    pub(crate) next: Next,
}

const CHILD_LIMIT: f64 = u32::MAX as f64;

impl Map {
    pub(crate) fn read(fields: &mut Fields, report: &mut Report<'_>) -> Option<Map> {
        fields.not_yet(report, &["Items"]);
        let processor = match fields.take("Iterator") {
            Some(node) => Some(node),
            None => fields.required("ItemProcessor", report),
        };
        let selector = fields.take("ItemSelector");
        let (processor, mode) = read_processor(processor?, report)?;
        let distributed = match mode {
            Mode::Inline => None,
            Mode::Distributed { express } => Some(Distributed::read(express, fields, report)),
        };
        Some(Map {
            items_path: fields.text("ItemsPath", report),
            item_selector: selector.or_else(|| fields.take("Parameters")),
            max_concurrency: fields.number_or_path("MaxConcurrency", CHILD_LIMIT, true, report),
            processor,
            distributed,
            result_selector: fields.take("ResultSelector"),
            result_path: fields.path("ResultPath", report),
            retry: Retrier::read_list(fields, report),
            catch: Catcher::read_list(fields, report),
            next: Next::read(fields, report)?,
        })
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Inline,
    Distributed { express: bool },
}

fn read_processor(node: Node, report: &mut Report<'_>) -> Option<(Scope, Mode)> {
    let mut fields = Fields::of(node, report)?;
    fields.ignore("Comment");
    let mode = match fields.take("ProcessorConfig") {
        Some(node) => read_config(node, report),
        None => Mode::Inline,
    };
    let scope = Scope::read(&mut fields, report);
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
            report.add(&at, "must be INLINE or DISTRIBUTED");
            false
        }
    };
    let express = execution_type.as_ref().is_some_and(|kind| kind.value == "EXPRESS");
    match (distributed, execution_type) {
        (true, Some(kind)) if kind.value == "STANDARD" || express => drop(kind),
        (true, Some(kind)) => report.add(&kind.at, "must be STANDARD or EXPRESS"),
        (true, None) => report.add(&fields.at, "a Distributed Map needs an ExecutionType"),
        (false, Some(kind)) => report.add(&kind.at, "only a Distributed Map has an ExecutionType"),
        (false, None) => {}
    }
    fields.finish(report);
    if distributed { Mode::Distributed { express } } else { Mode::Inline }
}
