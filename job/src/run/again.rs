//! What happens when a job or an input was edited since its last run: which run a new one continues.

use serde::{Deserialize, Serialize};

/// What a run does with the responses of the run before it of the same job and file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// It keeps them for the lines whose request is the same.
    Continue,
    /// It sends every line.
    Fresh,
}

impl Again {
    /// Its word in job files and in the metadata of objects.
    pub fn word(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Fresh => "fresh",
        }
    }
}

/// `start.json` of a run's folder: what the run began with. It is written once, under the job's lease, and
/// before the input is split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The format of everything in the folder, see [`super::FORMAT`].
    pub format: u32,
    /// The input's entity tag, or its version where it has no tag.
    pub content: String,
    /// The last run before it of the job and the file that was split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Whether responses of `previous` are kept.
    #[serde(default)]
    pub continues: bool,
    /// For each secret of the job a keyed fingerprint of its value, from the event.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub secrets: std::collections::BTreeMap<String, String>,
}

/// `runs/<job>/latest/<file>.json`: the run that had a job and a file last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// See [`super::FORMAT`].
    pub format: u32,
    /// The run's id.
    pub run: String,
}

/// `finished.json` of a run's folder: every line has succeeded. Its results are kept for the next run, its
/// items are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// See [`super::FORMAT`].
    pub format: u32,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// `continued.json` of a run's folder: another run has taken its responses over, so it can be neither continued
/// nor redriven any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continued {
    /// See [`super::FORMAT`].
    pub format: u32,
    /// The id of the run that continues it.
    pub by: String,
}
