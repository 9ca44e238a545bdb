//! The Map state in both its modes.

use serde_json::Value;

use super::fields::{Fields, Language, Number, Text};
use super::json::{Kind as Json, Node};
use super::state::Scope;
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

/// The fields that only a Distributed Map has.
#[derive(Debug)]
pub(crate) struct Distributed {
    pub(crate) label: Option<Text>,
    pub(crate) reader: Option<Reader>,
    pub(crate) writer: Option<Writer>,
    pub(crate) tolerated_percentage: Option<Number>,
    pub(crate) tolerated_count: Option<Number>,
}

#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) parameters: Node,
    pub(crate) max_items: Option<Number>,
}

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) parameters: Node,
}

const CHILD_LIMIT: f64 = u32::MAX as f64;

impl Map {
    /// `inherited` is the language of the processor, `language` that of the Map.
    pub(crate) fn read(inherited: Language, language: Language, fields: &mut Fields, report: &mut Report<'_>) -> Option<Map> {
        fields.not_yet(report, &["ItemBatcher"]);
        let processor = match fields.take("Iterator") {
            Some(node) => Some(node),
            None => fields.required("ItemProcessor", report),
        };
        let selector = fields.take("ItemSelector");
        let (items, items_path, parameters) = match language {
            Language::Jsonata => (fields.take("Items"), None, None),
            Language::JsonPath => (None, fields.text("ItemsPath", report), fields.take("Parameters")),
        };
        let (processor, distributed) = read_processor(inherited, processor?, report)?;
        let distributed = match distributed {
            true => Some(Distributed::read(fields, report)),
            false => {
                // Accepted, as AWS does, and without a meaning.
                fields.number_or_path("ToleratedFailurePercentage", 100.0, false, report);
                fields.number_or_path("ToleratedFailureCount", CHILD_LIMIT, true, report);
                None
            }
        };
        Some(Map {
            items_path,
            items,
            item_selector: selector.or(parameters),
            max_concurrency: fields.number_or_path("MaxConcurrency", CHILD_LIMIT, true, report),
            processor,
            distributed,
        })
    }
}

/// The processor, and whether it is distributed.
fn read_processor(language: Language, node: Node, report: &mut Report<'_>) -> Option<(Scope, bool)> {
    let mut fields = Fields::of(node, report)?;
    fields.ignore("Comment");
    let distributed = match fields.take("ProcessorConfig") {
        Some(node) => read_config(node, report),
        None => false,
    };
    let scope = Scope::read(language, &mut fields, report);
    fields.finish(report);
    Some((scope?, distributed))
}

fn read_config(node: Node, report: &mut Report<'_>) -> bool {
    let Some(mut fields) = Fields::of(node, report) else { return false };
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
    match (distributed, execution_type) {
        (true, Some(kind)) if kind.value == "STANDARD" => {}
        (true, Some(kind)) if kind.value == "EXPRESS" => report.not_yet(&kind.at, "the execution type EXPRESS"),
        (true, Some(kind)) => report.add(&kind.at, "must be STANDARD or EXPRESS"),
        (true, None) => report.add(&fields.at, "a Distributed Map needs an ExecutionType"),
        (false, Some(kind)) => report.add(&kind.at, "only a Distributed Map has an ExecutionType"),
        (false, None) => {}
    }
    fields.finish(report);
    distributed
}

impl Distributed {
    fn read(fields: &mut Fields, report: &mut Report<'_>) -> Distributed {
        let label = fields.text("Label", report);
        if let Some(label) = &label {
            let forbidden = |c: char| c.is_whitespace() || c.is_control() || "?*<>{}[]:;,\\|^~$#%&`\"".contains(c);
            if label.value.is_empty() || label.value.chars().count() > 40 || label.value.contains(forbidden) {
                report.add(&label.at, "a label has 1 to 40 characters, without spaces and ? * < > { } [ ] : ; , \\ | ^ ~ $ # % & ` \"");
            }
        }
        Distributed {
            label,
            reader: fields.take("ItemReader").and_then(|node| Reader::read(node, report)),
            writer: fields.take("ResultWriter").and_then(|node| Writer::read(node, report)),
            tolerated_percentage: fields.number_or_path("ToleratedFailurePercentage", 100.0, false, report),
            tolerated_count: fields.number_or_path("ToleratedFailureCount", CHILD_LIMIT, true, report),
        }
    }
}

impl Reader {
    fn read(node: Node, report: &mut Report<'_>) -> Option<Reader> {
        let mut fields = Fields::of(node, report)?;
        fields.not_yet(report, &["Arguments"]);
        match fields.required_text("Resource", report) {
            Some(resource) if resource.value == "arn:aws:states:::s3:getObject" => {}
            Some(resource) => report.not_yet(&resource.at, &format!("an ItemReader on {}", resource.value)),
            None => {}
        }
        let mut max_items = None;
        match fields.take("ReaderConfig") {
            Some(node) => {
                let mut config = Fields::of(node, report)?;
                match config.required_text("InputType", report) {
                    Some(kind) if kind.value == "JSON" => {}
                    Some(kind) => report.not_yet(&kind.at, &format!("the InputType {}", kind.value)),
                    None => {}
                }
                max_items = config.number_or_path("MaxItems", 100_000_000.0, true, report);
                let later = ["ItemsPointer", "CSVHeaderLocation", "CSVHeaders", "CSVDelimiter", "ManifestType", "Transformation"];
                config.not_yet(report, &later);
                config.finish(report);
            }
            None => report.add(&fields.at, "a reader of s3:getObject needs a ReaderConfig"),
        }
        let parameters = fields.required("Parameters", report);
        if let Some(node) = &parameters {
            object_names(node, &["Bucket", "Key"], report);
        }
        fields.finish(report);
        Some(Reader { parameters: parameters?, max_items })
    }
}

impl Writer {
    fn read(node: Node, report: &mut Report<'_>) -> Option<Writer> {
        let mut fields = Fields::of(node, report)?;
        fields.not_yet(report, &["Arguments", "WriterConfig"]);
        match fields.required_text("Resource", report) {
            Some(resource) if resource.value == "arn:aws:states:::s3:putObject" => {}
            Some(resource) => report.add(&resource.at, "a ResultWriter writes by arn:aws:states:::s3:putObject"),
            None => {}
        }
        let parameters = fields.required("Parameters", report);
        if let Some(node) = &parameters {
            object_names(node, &["Bucket", "Prefix"], report);
        }
        fields.finish(report);
        Some(Writer { parameters: parameters? })
    }
}

/// The parameters are exactly these, each plain or with `.$`.
fn object_names(node: &Node, names: &[&str], report: &mut Report<'_>) {
    let Json::Object(fields) = &node.kind else {
        report.add(&node.at, "must be an object");
        return;
    };
    for (name, value) in fields {
        let plain = name.strip_suffix(".$").unwrap_or(name);
        if !names.contains(&plain) {
            report.not_yet(&value.at, &format!("the parameter {plain}"));
        } else if !matches!(&value.kind, Json::String(_)) || matches!(&value.kind, Json::Plain(Value::Null)) {
            report.add(&value.at, "must be a string");
        }
    }
    for name in names {
        if !fields.iter().any(|(field, _)| field.strip_suffix(".$").unwrap_or(field) == *name) {
            report.add(&node.at, format!("the parameter {name} is missing"));
        }
    }
}
