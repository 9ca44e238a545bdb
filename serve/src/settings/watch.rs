//! The folders that a server watches.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::duration;

/// A folder whose files are inputs of a job.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// The folder. Folders in it are not watched.
    pub folder: PathBuf,
    /// The job.
    pub job: String,
    /// The names of its files, such as `*.csv`.
    #[serde(default, deserialize_with = "pattern")]
    pub pattern: Option<glob::Pattern>,
    /// How long a file stays unchanged before it counts as complete.
    #[serde(default = "settle", deserialize_with = "duration::read")]
    pub settle: Duration,
    /// What is done with a file that was taken.
    #[serde(default)]
    pub after: After,
}

/// What is done with a file that was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum After {
    /// It stays. It is taken again when it changes.
    #[default]
    Keep,
    /// It is moved into the folder `done` of its folder.
    Move,
    /// It is deleted.
    Delete,
}

/// The endings of files that another program is still writing.
const UNFINISHED: [&str; 4] = [".part", ".tmp", ".crdownload", ".filepart"];

impl Watch {
    /// Whether a file with this name is an input.
    pub fn takes(&self, name: &str) -> bool {
        let hidden = name.starts_with('.') || UNFINISHED.iter().any(|ending| name.ends_with(ending));
        !hidden && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
    }
}

fn settle() -> Duration {
    Duration::from_secs(5)
}

fn pattern<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<glob::Pattern>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let pattern = glob::Pattern::new(&text);
    pattern.map(Some).map_err(|error| serde::de::Error::custom(format!("pattern = {text:?}: {error}")))
}
