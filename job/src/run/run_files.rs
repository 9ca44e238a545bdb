//! The small files of a run and of its job that decide which execution may work: claim, lease and stop
//! marker.

use serde::{Deserialize, Serialize};

use super::FORMAT;
use crate::store::{Objects, StorageError};

/// `claim.json`: which execution owns a run, or one redrive of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// See [`super::FORMAT`].
    #[serde(default = "super::first_format")]
    pub format: u32,
    /// The execution.
    pub execution: String,
    /// When it claimed the run, in milliseconds since 1970.
    #[serde(default)]
    pub started: u64,
    /// In a redrive, the lines whose outcome is unknown are sent again too.
    #[serde(default)]
    pub include_unknown: bool,
    /// In a redrive, the codes of the failed lines that are sent again; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

/// `turns/<job>.json`: the run that holds its job's lease, and in the same form the run whose lane holds a
/// limit's lease, and a run that waits for one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseHolder {
    /// See [`super::FORMAT`].
    #[serde(default = "super::first_format")]
    pub format: u32,
    /// The job of the run; empty in the lease of a job that an earlier version wrote.
    #[serde(default)]
    pub job: String,
    /// The run.
    pub run: String,
    /// 0, or the number of the redrive.
    #[serde(default)]
    pub generation: u32,
    /// Its execution.
    pub execution: String,
    /// Milliseconds since 1970 until which the workers of an aborted earlier holder may still send; 0 where
    /// there are none.
    #[serde(default)]
    pub not_before: u64,
    /// Seconds that the workers of this run may still send after its execution was aborted; 0 where an earlier
    /// version wrote it.
    #[serde(default)]
    pub drain_seconds: u64,
}

/// A stop marker: a worker that finds one sends no more requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopMarker {
    /// See [`super::FORMAT`].
    #[serde(default = "super::first_format")]
    pub format: u32,
    /// Why, in words.
    pub reason: String,
}

impl StopMarker {
    /// Writes a marker. Where there is one already, the first reason stays.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn place(objects: &Objects, key: &str, reason: &str) -> Result<(), StorageError> {
        let marker = Self { format: FORMAT, reason: reason.to_owned() };
        objects.put_if_absent(key, serde_json::to_vec(&marker).expect("a marker is plain JSON")).await?;
        Ok(())
    }
}
