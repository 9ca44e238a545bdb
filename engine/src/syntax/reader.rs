//! The ItemReader of a Distributed Map.

use super::distributed::{MAX_ITEMS, arguments, integration, object_names};
use super::fields::{Fields, Number, Text};
use super::json::{Json, Node};
use crate::dataset::{self, Csv, Dataset, Format};
use crate::diagnostic::Report;
use crate::quotas::MAX_CSV_HEADER;
use crate::rule_violation::RuleViolation;

#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) parameters: Node,
    pub(crate) dataset: Dataset,
    pub(crate) max_items: Option<Number>,
}

impl Reader {
    pub(super) fn read(node: Node, report: &mut Report<'_>) -> Option<Self> {
        let mut fields = Fields::of(node, report)?;
        let resource = fields.required_text("Resource");
        let listing = match resource.as_ref().and_then(|resource| integration(&resource.value)) {
            Some("s3:getObject") => false,
            Some("s3:listObjectsV2") => true,
            _ => {
                if let Some(resource) = &resource {
                    fields.report.violation(
                        &resource.at,
                        RuleViolation::ReaderResource,
                        "an ItemReader reads by arn:aws:states:::s3:getObject or arn:aws:states:::s3:listObjectsV2",
                    );
                }
                false
            }
        };
        let parameters = arguments(&mut fields);
        if let Some(node) = &parameters {
            if listing {
                object_names(node, &["Bucket"], &["Prefix", "ExpectedBucketOwner"], fields.report)
            } else {
                object_names(node, &["Bucket", "Key"], &["VersionId", "ExpectedBucketOwner"], fields.report)
            }
        }
        let (dataset, max_items) = match fields.take("ReaderConfig") {
            Some(node) => {
                let mut config = Fields::of(node, fields.report)?;
                let max_items = config.number_or_path("MaxItems", 0.0, MAX_ITEMS, true);
                let dataset = read_dataset(&mut config, listing);
                config.finish();
                (dataset?, max_items)
            }
            None if listing => (Dataset::Listing, None),
            None => {
                fields.report.add(&fields.at, "an ItemReader with s3:getObject needs a ReaderConfig");
                return None;
            }
        };
        if parameters.is_none() {
            fields.report.missing(&fields.at, "Parameters");
        }
        fields.finish();
        Some(Self { parameters: parameters?, dataset, max_items })
    }
}

fn read_dataset(config: &mut Fields<'_, '_>, listing: bool) -> Option<Dataset> {
    let input_type = config.text("InputType");
    let manifest = config.text("ManifestType");
    let flatten = match config.text("Transformation") {
        None => false,
        Some(text) if text.value == "NONE" => false,
        Some(text) if text.value == "LOAD_AND_FLATTEN" => {
            if !listing {
                config.report.add(&text.at, "only a reader of s3:listObjectsV2 can LOAD_AND_FLATTEN");
            }
            true
        }
        Some(text) => {
            config.report.violation(
                &text.at,
                RuleViolation::Values(&["NONE", "LOAD_AND_FLATTEN"]),
                "must be NONE or LOAD_AND_FLATTEN",
            );
            false
        }
    };
    if listing {
        if let Some(manifest) = &manifest {
            config.report.add(&manifest.at, "only a reader of s3:getObject reads a manifest");
        }
        return match (input_type, flatten) {
            (Some(kind), true) => Some(Dataset::Listed(read_format(&kind, config)?)),
            (None, true) => {
                config.report.add(&config.at, "LOAD_AND_FLATTEN needs an InputType");
                None
            }
            (Some(kind), false) => {
                config.report.add(
                    &kind.at,
                    "s3:listObjectsV2 reads objects only with the Transformation LOAD_AND_FLATTEN",
                );
                None
            }
            (None, false) => Some(Dataset::Listing),
        };
    }
    match (input_type, manifest) {
        // MANIFEST alone is an inventory; it is older than ManifestType.
        (Some(kind), None) if kind.value == "MANIFEST" => Some(Dataset::Inventory),
        (None, Some(manifest)) if manifest.value == "S3_INVENTORY" => Some(Dataset::Inventory),
        (Some(kind), Some(manifest)) if manifest.value == "S3_INVENTORY" => match kind.value.as_str() {
            "MANIFEST" => Some(Dataset::Inventory),
            _ => {
                config.report.add(&kind.at, "an S3_INVENTORY has no InputType");
                None
            }
        },
        (Some(kind), Some(manifest)) if manifest.value == "ATHENA_DATA" => match kind.value.as_str() {
            "CSV" | "JSONL" | "PARQUET" => Some(Dataset::Athena(read_format(&kind, config)?)),
            _ => {
                config.report.add(&kind.at, "the data of an Athena manifest is CSV, JSONL or PARQUET");
                None
            }
        },
        (None, Some(manifest)) if manifest.value == "ATHENA_DATA" => {
            config.report.add(&manifest.at, "ATHENA_DATA needs an InputType");
            None
        }
        (_, Some(manifest)) => {
            config.report.violation(
                &manifest.at,
                RuleViolation::Values(&["ATHENA_DATA", "S3_INVENTORY"]),
                "must be ATHENA_DATA or S3_INVENTORY",
            );
            None
        }
        (Some(kind), None) => Some(Dataset::Object(read_format(&kind, config)?)),
        (None, None) => {
            config.report.missing(&config.at, "InputType");
            None
        }
    }
}

fn read_format(kind: &Text, config: &mut Fields<'_, '_>) -> Option<Format> {
    match kind.value.as_str() {
        "JSON" => {
            let pointer = match config.text("ItemsPointer") {
                None => Vec::new(),
                Some(text) => dataset::pointer(&text.value)
                    .map_err(|reason| config.report.add(&text.at, reason))
                    .unwrap_or_default(),
            };
            Some(Format::Json { pointer })
        }
        "JSONL" => Some(Format::JsonLines),
        "CSV" => read_csv(config).map(Format::Csv),
        "PARQUET" if cfg!(feature = "parquet") => Some(Format::Parquet),
        "PARQUET" => {
            config.report.add(
                &kind.at,
                "this build does not read PARQUET; it needs the feature parquet of the engine",
            );
            None
        }
        "MANIFEST" => {
            config.report.add(&kind.at, "a manifest is read by s3:getObject");
            None
        }
        _ => {
            config.report.add(&kind.at, "must be CSV, JSON, JSONL, PARQUET or MANIFEST");
            None
        }
    }
}

fn read_csv(config: &mut Fields<'_, '_>) -> Option<Csv> {
    let delimiter = match config.text("CSVDelimiter") {
        None => b',',
        Some(text) => Csv::delimiter(&text.value).unwrap_or_else(|| {
            config.report.add(&text.at, "must be COMMA, PIPE, SEMICOLON, SPACE or TAB");
            b','
        }),
    };
    let location = config.required_text("CSVHeaderLocation")?;
    let headers = config.list("CSVHeaders");
    match (location.value.as_str(), headers) {
        ("FIRST_ROW", None) => Some(Csv { delimiter, headers: None }),
        ("FIRST_ROW", Some((at, _))) => {
            config.report.add(&at, "with the header in the first row, no CSVHeaders are given");
            None
        }
        ("GIVEN", Some((at, nodes))) => {
            let mut headers = Vec::new();
            for node in nodes {
                match node.kind {
                    Json::String(header) => headers.push(header),
                    _ => config.report.add(&node.at, "must be a string"),
                }
            }
            if headers.iter().map(String::len).sum::<usize>() > MAX_CSV_HEADER {
                config.report.add(&at, "the headers are longer than 10 KiB");
            }
            Some(Csv { delimiter, headers: Some(headers) })
        }
        ("GIVEN", None) => {
            config.report.violation(
                &config.at,
                RuleViolation::Required("CSVHeaders"),
                "GIVEN needs CSVHeaders",
            );
            None
        }
        _ => {
            config.report.violation(
                &location.at,
                RuleViolation::Values(&["FIRST_ROW", "GIVEN"]),
                "must be FIRST_ROW or GIVEN",
            );
            None
        }
    }
}
