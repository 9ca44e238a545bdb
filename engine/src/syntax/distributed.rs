//! The fields that only a Distributed Map has.

use super::fields::{Fields, Number, Text, is_expression};
use super::json::{Kind as Json, Node};
use crate::breach::Breach;
use crate::dataset::{self, Csv, Dataset, Format, OutputType, Transformation};
use crate::problem::Report;

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
pub(crate) struct Reader {
    pub(crate) parameters: Node,
    pub(crate) dataset: Dataset,
    pub(crate) max_items: Option<Number>,
}

#[derive(Debug)]
pub(crate) struct Batcher {
    pub(crate) items: Option<Number>,
    pub(crate) bytes: Option<Number>,
    pub(crate) input: Option<Node>,
}

#[derive(Debug)]
pub(crate) struct Writer {
    /// None: the results become the state's output.
    pub(crate) parameters: Option<Node>,
    pub(crate) transformation: Option<Transformation>,
    pub(crate) output_type: OutputType,
}

/// AWS takes any number, and no more than it can.
const MOST: f64 = i64::MAX as f64;
const MAX_ITEMS: f64 = 100_000_000.0;
/// The longest input of a child, in bytes.
const MAX_BYTES: f64 = 262_144.0;
/// All headers together, in bytes.
const HEADERS: usize = 10 * 1024;

impl Distributed {
    pub(super) fn read(express: bool, fields: &mut Fields, report: &mut Report<'_>) -> Distributed {
        let label = fields.text("Label", report);
        if let Some(label) = &label {
            let forbidden = |c: char| c.is_whitespace() || c.is_control() || "?*<>{}[]:;,\\|^~$#%&`\"".contains(c);
            if label.value.is_empty() || label.value.chars().count() > 40 || label.value.contains(forbidden) {
                report.breaks(
                    &label.at,
                    Breach::LabelName,
                    "a label has 1 to 40 characters, without spaces and ? * < > { } [ ] : ; , \\ | ^ ~ $ # % & ` \"",
                );
            }
        }
        Distributed {
            express,
            label,
            reader: fields.take("ItemReader").and_then(|node| Reader::read(node, report)),
            batcher: fields.take("ItemBatcher").and_then(|node| Batcher::read(node, report)),
            writer: fields.take("ResultWriter").and_then(|node| Writer::read(node, report)),
            tolerated_percentage: fields.number_or_path("ToleratedFailurePercentage", 0.0, 100.0, false, report),
            tolerated_count: fields.number_or_path("ToleratedFailureCount", 0.0, MOST, true, report),
        }
    }
}

impl Reader {
    fn read(node: Node, report: &mut Report<'_>) -> Option<Reader> {
        let mut fields = Fields::of(node, report)?;
        let resource = fields.required_text("Resource", report);
        let listing = match resource.as_ref().and_then(|resource| integration(&resource.value)) {
            Some("s3:getObject") => false,
            Some("s3:listObjectsV2") => true,
            _ => {
                if let Some(resource) = &resource {
                    report.breaks(
                        &resource.at,
                        Breach::ReaderResource,
                        "an ItemReader reads by arn:aws:states:::s3:getObject or arn:aws:states:::s3:listObjectsV2",
                    );
                }
                false
            }
        };
        let parameters = arguments(&mut fields);
        if let Some(node) = &parameters {
            match listing {
                true => object_names(node, &["Bucket"], &["Prefix", "ExpectedBucketOwner"], report),
                false => object_names(node, &["Bucket", "Key"], &["VersionId", "ExpectedBucketOwner"], report),
            }
        }
        let (dataset, max_items) = match fields.take("ReaderConfig") {
            Some(node) => {
                let mut config = Fields::of(node, report)?;
                let max_items = config.number_or_path("MaxItems", 0.0, MAX_ITEMS, true, report);
                let dataset = read_dataset(&mut config, listing, report);
                config.finish(report);
                (dataset?, max_items)
            }
            None if listing => (Dataset::Listing, None),
            None => {
                report.add(&fields.at, "a reader of s3:getObject needs a ReaderConfig");
                return None;
            }
        };
        if parameters.is_none() {
            missing(&fields, report);
        }
        fields.finish(report);
        Some(Reader { parameters: parameters?, dataset, max_items })
    }
}

fn read_dataset(config: &mut Fields, listing: bool, report: &mut Report<'_>) -> Option<Dataset> {
    let input_type = config.text("InputType", report);
    let manifest = config.text("ManifestType", report);
    let flatten = match config.text("Transformation", report) {
        None => false,
        Some(text) if text.value == "NONE" => false,
        Some(text) if text.value == "LOAD_AND_FLATTEN" => {
            if !listing {
                report.add(&text.at, "only a reader of s3:listObjectsV2 can LOAD_AND_FLATTEN");
            }
            true
        }
        Some(text) => {
            report.breaks(&text.at, Breach::Values(&["NONE", "LOAD_AND_FLATTEN"]), "must be NONE or LOAD_AND_FLATTEN");
            false
        }
    };
    if listing {
        if let Some(manifest) = &manifest {
            report.add(&manifest.at, "only a reader of s3:getObject reads a manifest");
        }
        return match (input_type, flatten) {
            (Some(kind), true) => Some(Dataset::Listed(read_format(&kind, config, report)?)),
            (None, true) => {
                report.add(&config.at, "LOAD_AND_FLATTEN needs an InputType");
                None
            }
            (Some(kind), false) => {
                report.add(&kind.at, "s3:listObjectsV2 reads objects only with the Transformation LOAD_AND_FLATTEN");
                None
            }
            (None, false) => Some(Dataset::Listing),
        };
    }
    match (input_type, manifest) {
        // MANIFEST alone is an inventory, as it was before there was a ManifestType.
        (Some(kind), None) if kind.value == "MANIFEST" => Some(Dataset::Inventory),
        (None, Some(manifest)) if manifest.value == "S3_INVENTORY" => Some(Dataset::Inventory),
        (Some(kind), Some(manifest)) if manifest.value == "S3_INVENTORY" => match kind.value.as_str() {
            "MANIFEST" => Some(Dataset::Inventory),
            _ => {
                report.add(&kind.at, "an S3_INVENTORY has no InputType");
                None
            }
        },
        (Some(kind), Some(manifest)) if manifest.value == "ATHENA_DATA" => match kind.value.as_str() {
            "CSV" | "JSONL" | "PARQUET" => Some(Dataset::Athena(read_format(&kind, config, report)?)),
            _ => {
                report.add(&kind.at, "the data of an Athena manifest is CSV, JSONL or PARQUET");
                None
            }
        },
        (None, Some(manifest)) if manifest.value == "ATHENA_DATA" => {
            report.add(&manifest.at, "ATHENA_DATA needs an InputType");
            None
        }
        (_, Some(manifest)) => {
            report.breaks(&manifest.at, Breach::Values(&["ATHENA_DATA", "S3_INVENTORY"]), "must be ATHENA_DATA or S3_INVENTORY");
            None
        }
        (Some(kind), None) => Some(Dataset::Object(read_format(&kind, config, report)?)),
        (None, None) => {
            report.lacks(&config.at, "InputType");
            None
        }
    }
}

fn read_format(kind: &Text, config: &mut Fields, report: &mut Report<'_>) -> Option<Format> {
    match kind.value.as_str() {
        "JSON" => {
            let pointer = match config.text("ItemsPointer", report) {
                None => Vec::new(),
                Some(text) => dataset::pointer(&text.value).map_err(|reason| report.add(&text.at, reason)).unwrap_or_default(),
            };
            Some(Format::Json { pointer })
        }
        "JSONL" => Some(Format::JsonLines),
        "CSV" => read_csv(config, report).map(Format::Csv),
        "PARQUET" if cfg!(feature = "parquet") => Some(Format::Parquet),
        "PARQUET" => {
            report.add(&kind.at, "this build reads no PARQUET; the engine's feature parquet adds it");
            None
        }
        "MANIFEST" => {
            report.add(&kind.at, "a manifest is read by s3:getObject");
            None
        }
        _ => {
            report.add(&kind.at, "must be CSV, JSON, JSONL, PARQUET or MANIFEST");
            None
        }
    }
}

fn read_csv(config: &mut Fields, report: &mut Report<'_>) -> Option<Csv> {
    let delimiter = match config.text("CSVDelimiter", report) {
        None => b',',
        Some(text) => Csv::delimiter(&text.value).unwrap_or_else(|| {
            report.add(&text.at, "must be COMMA, PIPE, SEMICOLON, SPACE or TAB");
            b','
        }),
    };
    let location = config.required_text("CSVHeaderLocation", report)?;
    let headers = config.list("CSVHeaders", report);
    match (location.value.as_str(), headers) {
        ("FIRST_ROW", None) => Some(Csv { delimiter, headers: None }),
        ("FIRST_ROW", Some((at, _))) => {
            report.add(&at, "with the header in the first row, no CSVHeaders are given");
            None
        }
        ("GIVEN", Some((at, nodes))) => {
            let mut headers = Vec::new();
            for node in nodes {
                match node.kind {
                    Json::String(header) => headers.push(header),
                    _ => report.add(&node.at, "must be a string"),
                }
            }
            if headers.iter().map(String::len).sum::<usize>() > HEADERS {
                report.add(&at, "the headers are longer than 10 KiB");
            }
            Some(Csv { delimiter, headers: Some(headers) })
        }
        ("GIVEN", None) => {
            report.breaks(&config.at, Breach::Required("CSVHeaders"), "GIVEN needs CSVHeaders");
            None
        }
        _ => {
            report.breaks(&location.at, Breach::Values(&["FIRST_ROW", "GIVEN"]), "must be FIRST_ROW or GIVEN");
            None
        }
    }
}

impl Batcher {
    fn read(node: Node, report: &mut Report<'_>) -> Option<Batcher> {
        let mut fields = Fields::of(node, report)?;
        let names = ["MaxItemsPerBatch", "MaxItemsPerBatchPath", "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"];
        if !names.iter().any(|name| fields.has(name)) {
            report.add(&fields.at, "an ItemBatcher needs MaxItemsPerBatch or MaxInputBytesPerBatch");
        }
        let batcher = Batcher {
            items: fields.number_or_path("MaxItemsPerBatch", 0.0, MAX_ITEMS, true, report),
            bytes: fields.number_or_path("MaxInputBytesPerBatch", 0.0, MAX_BYTES, true, report),
            input: fields.take("BatchInput"),
        };
        for (name, number) in [("MaxItemsPerBatch", &batcher.items), ("MaxInputBytesPerBatch", &batcher.bytes)] {
            if matches!(number, Some(Number::Literal(0.0))) {
                report.breaks(&fields.at, Breach::Minimum(1.0), format!("{name} must be at least 1"));
            }
        }
        fields.finish(report);
        Some(batcher)
    }
}

impl Writer {
    fn read(node: Node, report: &mut Report<'_>) -> Option<Writer> {
        let mut fields = Fields::of(node, report)?;
        let resource = fields.text("Resource", report);
        if let Some(resource) = resource.as_ref().filter(|resource| integration(&resource.value) != Some("s3:putObject")) {
            report.breaks(&resource.at, Breach::ReaderResource, "a ResultWriter writes by arn:aws:states:::s3:putObject");
        }
        let parameters = arguments(&mut fields);
        if let Some(node) = &parameters {
            object_names(node, &["Bucket"], &["Prefix", "ExpectedBucketOwner"], report);
        }
        let config = fields.take("WriterConfig");
        match (&resource, &parameters, &config) {
            (None, None, None) => report.add(&fields.at, "a ResultWriter needs a Resource with Parameters, a WriterConfig, or both"),
            (Some(_), None, _) => missing(&fields, report),
            (None, Some(_), _) => report.lacks(&fields.at, "Resource"),
            _ => {}
        }
        let (transformation, output_type) = match config {
            Some(node) => read_writer_config(node, report)?,
            None => (None, OutputType::Json),
        };
        fields.finish(report);
        Some(Writer { parameters, transformation, output_type })
    }
}

fn read_writer_config(node: Node, report: &mut Report<'_>) -> Option<(Option<Transformation>, OutputType)> {
    let mut config = Fields::of(node, report)?;
    let transformation = config.text("Transformation", report);
    let transformation = transformation.and_then(|text| match text.value.as_str() {
        "NONE" => Some(Transformation::None),
        "COMPACT" => Some(Transformation::Compact),
        "FLATTEN" => Some(Transformation::Flatten),
        _ => {
            report.breaks(&text.at, Breach::Values(&["NONE", "COMPACT", "FLATTEN"]), "must be NONE, COMPACT or FLATTEN");
            None
        }
    });
    let output_type = match config.text("OutputType", report) {
        None => OutputType::Json,
        Some(text) if text.value == "JSON" => OutputType::Json,
        Some(text) if text.value == "JSONL" => OutputType::JsonLines,
        Some(text) => {
            report.breaks(&text.at, Breach::Values(&["JSON", "JSONL"]), "must be JSON or JSONL");
            OutputType::Json
        }
    };
    config.finish(report);
    Some((transformation, output_type))
}

/// `s3:getObject` of `arn:aws:states:::s3:getObject`, in any partition.
fn integration(arn: &str) -> Option<&str> {
    let (partition, name) = arn.strip_prefix("arn:")?.split_once(":states:::")?;
    partition.starts_with("aws").then_some(name)
}

/// `Parameters`, which JSONata calls `Arguments`.
fn arguments(fields: &mut Fields) -> Option<Node> {
    fields.take("Parameters").or_else(|| fields.take("Arguments"))
}

fn missing(fields: &Fields, report: &mut Report<'_>) {
    report.lacks(&fields.at, "Parameters");
}

/// The parameters are these, each plain or with `.$`.
fn object_names(node: &Node, required: &[&str], optional: &[&str], report: &mut Report<'_>) {
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
