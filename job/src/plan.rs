//! The plan of a run: what the pre-process step found out and decided.

use serde::{Deserialize, Serialize};

use crate::job_file::{Compression, Format, Job, OutputFormat, Provider};

/// `plan.json` of a run folder. It is written when everything else of the split is in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the input turned out to be.
    pub input: InputFacts,
    /// The format of the output file.
    pub output: OutputFormat,
    /// Names of the extracted columns, in order; a record's values stand beside them.
    pub extracted: Vec<String>,
    /// The lanes that have lines.
    pub lanes: Vec<PlannedLane>,
}

/// What the input turned out to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputFacts {
    /// The input's file name below `jobs/<job>/input/`.
    pub file: String,
    /// The format of a line.
    pub format: Format,
    /// How the file was compressed.
    pub compression: Compression,
    /// The file's encoding, by its name in the WHATWG Encoding Standard.
    #[serde(default = "utf8")]
    pub encoding: String,
    /// The field separator of CSV and TSV.
    pub delimiter: u8,
    /// What begins and ends a quoted field of CSV and TSV.
    #[serde(default = "double_quote")]
    pub quote: Option<u8>,
    /// What stands before a character of CSV and TSV that has no meaning of its own.
    #[serde(default)]
    pub escape: Option<u8>,
    /// The lines before the header, with their line ends. The file of failed lines begins with them, too.
    #[serde(default)]
    pub preamble: String,
    /// Whether the file began with a header record.
    pub header: bool,
    /// The input's columns. For JSONL the keys in order of first appearance.
    pub columns: Vec<String>,
    /// Records of the input, without header and skipped lines.
    pub lines: u64,
    /// Blank lines that were skipped.
    pub blank: u64,
    /// Bytes of the input, decompressed and decoded.
    pub bytes: u64,
    /// What a person should know about how the input was read, in sentences.
    #[serde(default)]
    pub notes: Vec<String>,
}

fn utf8() -> String {
    encoding_rs::UTF_8.name().to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn double_quote() -> Option<u8> {
    Some(b'"')
}

impl Plan {
    /// What the user should know before the run: limits that no line meets, with the name that was likely meant.
    pub fn warnings(&self, job: &Job) -> Vec<String> {
        if self.input.lines == 0 {
            return Vec::new();
        }
        let has_lines = |name: &str| {
            self.lanes
                .iter()
                .any(|lane| matches!(&lane.kind, LaneKind::Named { provider } if provider == name))
        };
        let unused = job.limits.providers.iter().filter(|provider| !has_lines(&provider.name));
        let meant = match &job.limits.by {
            Some(by) => by.is_literal().then(|| by.source()),
            None => job.request.fixed_host.as_deref(),
        };
        unused
            .map(|Provider { name, .. }| {
                let likely = meant
                    .filter(|meant| is_like(name, meant))
                    .map(|meant| format!(": did you mean {meant:?}?"));
                let all = meant.map(|meant| format!("; every line asks {meant}"));
                format!("the limit {name:?} fits no line{}", likely.or(all).unwrap_or_default())
            })
            .collect()
    }
}

/// Whether one name is the other with a slip of the hand, or a part of it.
fn is_like(name: &str, meant: &str) -> bool {
    let (name, meant) = (name.trim_start_matches("*."), meant.trim_start_matches("*."));
    let part = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.ends_with('.'));
    strsim::osa_distance(name, meant) <= (meant.len() / 4).clamp(1, 4)
        || part(name, meant)
        || part(meant, name)
}

/// One lane: the lines that are paced together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedLane {
    /// Name, unique in the run, safe in a key.
    pub name: String,
    /// Whose lines these are.
    pub kind: LaneKind,
    /// Workers at a time.
    pub workers: u32,
    /// Lines of the lane.
    pub lines: u64,
    /// Bytes of `items/<lane>.jsonl`.
    pub bytes: u64,
    /// Batches of the lane; in a later generation the manifest may hold fewer.
    pub batches: Vec<Batch>,
    /// How long the lane takes at its limits, in seconds; 0 where nothing is limited.
    #[serde(default)]
    pub seconds: f64,
}

/// Whose lines a lane holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneKind {
    /// One provider that the job names: index into the job's providers.
    Named {
        /// The provider's name in the job file.
        provider: String,
    },
    /// A share of all other hosts; every line of a host is in the same lane.
    Hashed,
}

/// Consecutive lines of a lane: what one child execution works on. One item of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Number of the first line.
    pub first: u64,
    /// How many lines.
    pub lines: u64,
    /// First byte in `items/<lane>.jsonl`.
    pub from: u64,
    /// Byte after the last.
    pub to: u64,
}
