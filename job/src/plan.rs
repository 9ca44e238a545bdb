//! The plan of a run: what the pre-process step found out and decided.

use serde::{Deserialize, Serialize};

use crate::job_file::{Compression, Format, OutputFormat};

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
    /// The field separator of CSV and TSV.
    pub delimiter: u8,
    /// Whether the file began with a header record.
    pub header: bool,
    /// The input's columns. For JSONL the keys in order of first appearance.
    pub columns: Vec<String>,
    /// Records of the input, without header and skipped lines.
    pub lines: u64,
    /// Blank lines that were skipped.
    pub blank: u64,
    /// Bytes of the decompressed input.
    pub bytes: u64,
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
