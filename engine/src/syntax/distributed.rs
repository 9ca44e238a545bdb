//! The fields that only a Distributed Map has.

use super::fields::{Fields, Number, Text, is_expression};
use super::json::{Json, Node};
use super::reader::Reader;
use crate::dataset::{OutputType, Transformation};
use crate::diagnostic::Report;
use crate::quotas::MAX_DATA;
use crate::rule_violation::RuleViolation;

#[derive(Debug)]
pub(crate) struct Distributed {
    pub(crate) express: bool,
    pub(crate) label: Option<Text>,
    pub(crate) reader: Option<Reader>,
    pub(crate) batcher: Option<Batcher>,
    pub(crate) writer: Option<Writer>,
    pub(crate) tolerated_percentage: Option<Number>,
    pub(crate) tolerated_count: Option<Number>,
}

#[derive(Debug)]
pub(crate) struct Batcher {
    pub(crate) items: Option<Number>,
    pub(crate) bytes: Option<Number>,
    pub(crate) input: Option<Node>,
}

#[derive(Debug)]
pub(crate) struct Writer {
    /// None means that the results become the state's output.
    pub(crate) parameters: Option<Node>,
    pub(crate) transformation: Option<Transformation>,
    pub(crate) output_type: OutputType,
}

/// The largest count: AWS accepts every whole number that it can represent.
const MOST: f64 = i64::MAX as f64;
/// The most items of a Distributed Map.
pub(super) const MAX_ITEMS: f64 = 100_000_000.0;

impl Distributed {
    pub(super) fn read(express: bool, fields: &mut Fields<'_, '_>) -> Self {
        let label = fields.text("Label");
        if let Some(label) = &label {
            let forbidden =
                |c: char| c.is_whitespace() || c.is_control() || "?*<>{}[]:;,\\|^~$#%&`\"".contains(c);
            if label.value.is_empty() || label.value.chars().count() > 40 || label.value.contains(forbidden) {
                fields.report.violation(
                    &label.at,
                    RuleViolation::LabelName,
                    "a label has 1 to 40 characters, without spaces and ? * < > { } [ ] : ; , \\ | ^ ~ $ # % & ` \"",
                );
            }
        }
        Self {
            express,
            label,
            reader: fields.take("ItemReader").and_then(|node| Reader::read(node, fields.report)),
            batcher: fields.take("ItemBatcher").and_then(|node| Batcher::read(node, fields.report)),
            writer: fields.take("ResultWriter").and_then(|node| Writer::read(node, fields.report)),
            tolerated_percentage: fields.number_or_path("ToleratedFailurePercentage", 0.0, 100.0, false),
            tolerated_count: fields.number_or_path("ToleratedFailureCount", 0.0, MOST, true),
        }
    }
}

impl Batcher {
    fn read(node: Node, report: &mut Report<'_>) -> Option<Self> {
        let mut fields = Fields::of(node, report)?;
        let names = [
            "MaxItemsPerBatch",
            "MaxItemsPerBatchPath",
            "MaxInputBytesPerBatch",
            "MaxInputBytesPerBatchPath",
        ];
        if !names.iter().any(|name| fields.has(name)) {
            fields.report.add(&fields.at, "an ItemBatcher needs MaxItemsPerBatch or MaxInputBytesPerBatch");
        }
        let batcher = Self {
            items: fields.number_or_path("MaxItemsPerBatch", 0.0, MAX_ITEMS, true),
            bytes: fields.number_or_path("MaxInputBytesPerBatch", 0.0, MAX_DATA as f64, true),
            input: fields.take("BatchInput"),
        };
        for (name, number) in
            [("MaxItemsPerBatch", &batcher.items), ("MaxInputBytesPerBatch", &batcher.bytes)]
        {
            if matches!(number, Some(Number::Literal(0.0))) {
                fields.report.violation(
                    &fields.at,
                    RuleViolation::Minimum(1.0, true),
                    format!("{name} must be at least 1"),
                );
            }
        }
        fields.finish();
        Some(batcher)
    }
}

impl Writer {
    fn read(node: Node, report: &mut Report<'_>) -> Option<Self> {
        let mut fields = Fields::of(node, report)?;
        let resource = fields.text("Resource");
        if let Some(resource) =
            resource.as_ref().filter(|resource| integration(&resource.value) != Some("s3:putObject"))
        {
            fields.report.violation(
                &resource.at,
                RuleViolation::ReaderResource,
                "a ResultWriter writes by arn:aws:states:::s3:putObject",
            );
        }
        let parameters = arguments(&mut fields);
        if let Some(node) = &parameters {
            object_names(node, &["Bucket"], &["Prefix", "ExpectedBucketOwner"], fields.report);
        }
        let config = fields.take("WriterConfig");
        match (&resource, &parameters, &config) {
            (None, None, None) => fields
                .report
                .add(&fields.at, "a ResultWriter needs a Resource with Parameters, a WriterConfig, or both"),
            (Some(_), None, _) => fields.report.missing(&fields.at, "Parameters"),
            (None, Some(_), _) => fields.report.missing(&fields.at, "Resource"),
            _ => {}
        }
        let (transformation, output_type) = match config {
            Some(node) => read_writer_config(node, fields.report)?,
            None => (None, OutputType::Json),
        };
        fields.finish();
        Some(Self { parameters, transformation, output_type })
    }
}

fn read_writer_config(node: Node, report: &mut Report<'_>) -> Option<(Option<Transformation>, OutputType)> {
    let mut config = Fields::of(node, report)?;
    let transformation = config.text("Transformation");
    let transformation = transformation.and_then(|text| match text.value.as_str() {
        "NONE" => Some(Transformation::None),
        "COMPACT" => Some(Transformation::Compact),
        "FLATTEN" => Some(Transformation::Flatten),
        _ => {
            config.report.violation(
                &text.at,
                RuleViolation::Values(&["NONE", "COMPACT", "FLATTEN"]),
                "must be NONE, COMPACT or FLATTEN",
            );
            None
        }
    });
    let output_type = match config.text("OutputType") {
        None => OutputType::Json,
        Some(text) if text.value == "JSON" => OutputType::Json,
        Some(text) if text.value == "JSONL" => OutputType::JsonLines,
        Some(text) => {
            config.report.violation(
                &text.at,
                RuleViolation::Values(&["JSON", "JSONL"]),
                "must be JSON or JSONL",
            );
            OutputType::Json
        }
    };
    config.finish();
    Some((transformation, output_type))
}

/// The `s3:getObject` of `arn:aws:states:::s3:getObject`, in any partition.
pub(super) fn integration(arn: &str) -> Option<&str> {
    let (partition, name) = arn.strip_prefix("arn:")?.split_once(":states:::")?;
    partition.starts_with("aws").then_some(name)
}

/// `Parameters`, which JSONata calls `Arguments`.
pub(super) fn arguments(fields: &mut Fields<'_, '_>) -> Option<Node> {
    fields.take("Parameters").or_else(|| fields.take("Arguments"))
}

/// Checks the names of parameters, each of which may end in `.$`, and that their values are strings.
pub(super) fn object_names(node: &Node, required: &[&str], optional: &[&str], report: &mut Report<'_>) {
    let fields = match &node.kind {
        Json::Object(fields) => fields,
        Json::String(text) if is_expression(text) => return,
        _ => {
            report.add(&node.at, "must be an object");
            return;
        }
    };
    let plain = |name: &str| name.strip_suffix(".$").unwrap_or(name).to_owned();
    for (name, value) in fields {
        let name = plain(name);
        if !required.contains(&name.as_str()) && !optional.contains(&name.as_str()) {
            report.add(&value.at, format!("there is no parameter {name} here"));
        } else if !matches!(&value.kind, Json::String(_)) {
            report.add(&value.at, "must be a string");
        }
    }
    for name in required {
        if !fields.iter().any(|(field, _)| plain(field) == *name) {
            report.add(&node.at, format!("the parameter {name} is missing"));
        }
    }
}
