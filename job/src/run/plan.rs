//! The plan of a run: what the pre-process step found in the input, and how it divided it.

use serde::{Deserialize, Serialize};

use super::LineId;
use crate::file::{Compression, Format, Job, OutputFormat, Provider, Selection};

/// `plan.json` of a run's folder. It is written after everything else of the split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// See [`super::FORMAT`].
    #[serde(default = "super::first_format")]
    pub format: u32,
    /// What the input is.
    pub input: InputFacts,
    /// The format of the output file.
    pub output: OutputFormat,
    /// Names of the extracted columns, in the order of a result's values.
    pub extracted: Vec<String>,
    /// The lanes that have lines.
    pub lanes: Vec<PlannedLane>,
    /// The run whose results this one has taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<Continues>,
}

/// What a run has taken over from the run before it of the same job and file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continues {
    /// The id of the run before.
    pub run: String,
    /// When that run began, in milliseconds since 1970; 0 where that is not known.
    pub started: u64,
    /// Lines that keep their success.
    pub kept: u64,
    /// Lines whose outcome is unknown, which are not sent again.
    pub unknown: u64,
}

/// What the input is.
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
    /// The character of CSV and TSV that takes the special meaning from the next one.
    #[serde(default)]
    pub escape: Option<u8>,
    /// The lines before the header, with their line ends. The file of failed lines begins with them too.
    #[serde(default)]
    pub preamble: String,
    /// Whether the file began with a header record.
    pub header: bool,
    /// The input's columns. For JSONL the keys in order of first appearance.
    pub columns: Vec<String>,
    /// Records of the input, without header and skipped lines.
    pub lines: u64,
    /// The file has more lines than the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub limited: bool,
    /// The lines of the file that the run has, if not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// Blank lines that were skipped.
    pub blank: u64,
    /// Bytes of the input, decompressed and decoded.
    pub bytes: u64,
    /// Sentences that tell a person how the input was read.
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

impl InputFacts {
    /// The lines of the file that the run has; `None`: all.
    pub fn selected(&self) -> Option<Selection> {
        let first = self.limited.then_some(Selection::First(self.lines));
        self.selection.clone().or(first)
    }
}

impl Plan {
    /// Warnings for the user before the run: the limits that apply to no line, each with the name that was
    /// probably meant.
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

/// Whether one name is the other with a typing error, or a part of it.
fn is_like(name: &str, meant: &str) -> bool {
    let (name, meant) = (name.trim_start_matches("*."), meant.trim_start_matches("*."));
    let part = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.ends_with('.'));
    strsim::osa_distance(name, meant) <= (meant.len() / 4).clamp(1, 4)
        || part(name, meant)
        || part(meant, name)
}

/// A lane: lines that are paced together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedLane {
    /// The lane's name: unique in the run, and safe in a key.
    pub name: String,
    /// Whose lines these are.
    pub kind: LaneKind,
    /// How many workers the lane may have at a time.
    pub workers: u32,
    /// Lines of the lane.
    pub lines: u64,
    /// Bytes of `items/<lane>.jsonl`.
    pub bytes: u64,
    /// Batches of the lane; in a later generation the manifest may hold fewer.
    pub batches: Vec<Batch>,
    /// Seconds that the lane takes at its limit; 0 where it has none.
    #[serde(default)]
    pub seconds: f64,
}

/// Whose lines a lane holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneKind {
    /// The lines of one provider that the job names.
    Named {
        /// The provider's name in the job file.
        provider: String,
    },
    /// Lines of hosts that the job does not name. All lines of one host are in the same lane, which is chosen
    /// by a hash of the host.
    Hashed,
}

/// Consecutive lines of a lane, for one child execution. The manifest is an array of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The first line.
    pub first: LineId,
    /// How many lines.
    pub lines: u64,
    /// First byte in `items/<lane>.jsonl`.
    pub from: u64,
    /// Byte after the last.
    pub to: u64,
}
