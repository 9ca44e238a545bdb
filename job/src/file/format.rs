//! The formats of input and output files.

use serde::{Deserialize, Serialize};

/// The format of an input line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A line is the column `line`.
    Text,
    /// RFC 4180.
    Csv,
    /// Fields separated by tabs.
    Tsv,
    /// A JSON object in each line.
    Jsonl,
    /// An array of JSON objects, or JSON objects one after another.
    Json,
}

/// The format of the output file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// CSV with a header record.
    Csv,
    /// Tab-separated, with a header line and without quotes.
    Tsv,
    /// A JSON object in each line.
    Jsonl,
}

/// What is known about one format.
#[derive(Debug)]
pub struct FormatInfo {
    /// The format.
    pub format: Format,
    /// The name in the job file, which is also the ending of an output file.
    pub name: &'static str,
    /// The endings of file names, without a dot, in lower case.
    pub endings: &'static [&'static str],
    /// The same format of an output, where there is one.
    pub output: Option<OutputFormat>,
}

/// Every format.
pub const FORMATS: [FormatInfo; 5] = [
    FormatInfo { format: Format::Text, name: "text", endings: &["txt", "text", "list"], output: None },
    FormatInfo { format: Format::Csv, name: "csv", endings: &["csv"], output: Some(OutputFormat::Csv) },
    FormatInfo {
        format: Format::Tsv,
        name: "tsv",
        endings: &["tsv", "tab"],
        output: Some(OutputFormat::Tsv),
    },
    FormatInfo {
        format: Format::Jsonl,
        name: "jsonl",
        endings: &["jsonl", "ndjson"],
        output: Some(OutputFormat::Jsonl),
    },
    FormatInfo { format: Format::Json, name: "json", endings: &["json"], output: None },
];

impl Format {
    /// The name in the job file.
    pub fn name(self) -> &'static str {
        FORMATS.iter().find(|info| info.format == self).map_or("", |info| info.name)
    }

    /// The format with this name in the job file.
    pub fn named(name: &str) -> Option<Self> {
        FORMATS.iter().find(|info| info.name == name).map(|info| info.format)
    }

    /// The format that a file's ending says, in any case and without its dot.
    pub fn of_ending(ending: &str) -> Option<Self> {
        let known = |info: &&FormatInfo| info.endings.iter().any(|known| known.eq_ignore_ascii_case(ending));
        FORMATS.iter().find(known).map(|info| info.format)
    }

    /// Whether a line is a record of fields, whose names are in a header.
    pub fn is_delimited(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }

    /// Whether a line is a JSON object, which has its own keys.
    pub fn is_json(self) -> bool {
        matches!(self, Self::Jsonl | Self::Json)
    }
}

impl OutputFormat {
    /// The name in the job file, which is also the ending of an output file.
    pub fn name(self) -> &'static str {
        FORMATS.iter().find(|info| info.output == Some(self)).map_or("", |info| info.name)
    }

    /// The output format with this name in the job file.
    pub fn named(name: &str) -> Option<Self> {
        FORMATS.iter().find(|info| info.name == name).and_then(|info| info.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_name_and_ending() {
        for FormatInfo { format, name, endings, output } in FORMATS {
            assert_eq!((format.name(), Format::named(name)), (name, Some(format)));
            assert_eq!(serde_json::to_value(format).expect("a text"), name);
            assert!(endings.iter().all(|ending| Format::of_ending(&ending.to_uppercase()) == Some(format)));
            assert_eq!(OutputFormat::named(name), output);
            if let Some(output) = output {
                assert_eq!(output.name(), name);
                assert_eq!(serde_json::to_value(output).expect("a text"), name);
            }
        }
        assert_eq!((Format::named("xml"), Format::of_ending("")), (None, None));
    }
}
