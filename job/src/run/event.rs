//! The event that starts a run, and the run's name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::keys::{self, RunKeys};
use super::{Again, FORMAT, check_format};
use crate::error::StepError;
use crate::file::{OutputFormat, Selection};

/// The fields that are read of EventBridge's `Object Created` event of S3.
/// Source: Amazon S3 User Guide, "EventBridge event message structure".
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub detail: Detail,
    /// When, to the second: RFC 3339. Only EventBridge says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Makes another run of an input that ran before (schedules, `--fresh`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Set by `redrive`: the run to complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<Redrive>,
    /// The format of the output, where the ending of its file says it. It does not make another run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputFormat>,
    /// The run has only this many of the file's first lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The run has only these lines of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Selection>,
    /// What the user wants of the responses of the run before, where they have said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Again>,
    /// The lines of the run before whose outcome is unknown are sent again too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_unknown: bool,
    /// For each secret of the job a keyed fingerprint of its value. Two runs of one machine compare them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
}

/// The event's `detail`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Detail {
    /// The bucket.
    pub bucket: Bucket,
    /// The object.
    pub object: Object,
}

/// The event's bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bucket {
    /// Its name.
    pub name: String,
}

/// The event's object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    #[serde(default)]
    pub size: u64,
    /// Its entity tag, as the event has it: without quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Its version; on one machine a hash of the content.
    #[serde(default, rename = "version-id", skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}

/// A request to send the failed and unprocessed lines of an earlier run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// The run.
    pub run: String,
    /// From 1; each redrive of a run has the next.
    pub generation: u32,
    /// The lines whose outcome is unknown are sent again too.
    #[serde(default)]
    pub include_unknown: bool,
    /// The codes of the failed lines that are sent again; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

impl Event {
    /// The event of an upload of this object.
    pub fn object_created(
        bucket: &str,
        key: &str,
        size: u64,
        etag: Option<String>,
        version_id: &str,
    ) -> Self {
        Self {
            detail: Detail {
                bucket: Bucket { name: bucket.to_owned() },
                object: Object { key: key.to_owned(), size, etag, version_id: Some(version_id.to_owned()) },
            },
            time: None,
            nonce: None,
            redrive: None,
            output: None,
            limit: None,
            lines: None,
            again: None,
            include_unknown: false,
            secrets: BTreeMap::new(),
        }
    }

    /// When it happened, in milliseconds since 1970, if it says so.
    pub fn millis(&self) -> Option<u64> {
        let time = OffsetDateTime::parse(self.time.as_deref()?, &Rfc3339).ok()?;
        u64::try_from(time.unix_timestamp()).ok()?.checked_mul(1000)
    }

    /// The lines of the file that the run has; `None`: all.
    pub fn selection(&self) -> Option<Selection> {
        self.lines.clone().or(self.limit.map(Selection::First))
    }

    /// Selects the lines that the run has.
    pub fn select(&mut self, selection: Option<Selection>) {
        (self.limit, self.lines) = match selection {
            Some(Selection::First(count)) => (Some(count), None),
            other => (None, other),
        };
    }

    /// Whether the lines whose outcome is unknown are sent again.
    pub fn includes_unknown(&self) -> bool {
        self.include_unknown || self.redrive.as_ref().is_some_and(|redrive| redrive.include_unknown)
    }

    /// The run that the event asks for. Its id is a hash of the job file, bucket, key, version, nonce and
    /// selection of lines: the same event twice is one run, and a new upload is a new run.
    ///
    /// # Errors
    /// `Event.Invalid` when the key is not the key of an input.
    pub fn run(&self, job_file: &[u8]) -> Result<RunRef, StepError> {
        let Object { key, version_id, etag, .. } = &self.detail.object;
        let (job, file) = keys::require_input(key)?;
        let (id, generation) = match &self.redrive {
            Some(redrive) => (redrive.run.clone(), redrive.generation),
            None => {
                let version = version_id.as_deref().or(etag.as_deref()).unwrap_or_default();
                let nonce = self.nonce.as_deref().unwrap_or_default();
                let limited = match (&self.lines, self.limit) {
                    (Some(lines), _) => Some(format!("{nonce}/{lines}")),
                    (None, limit) => limit.map(|limit| format!("{nonce}/{limit}")),
                };
                let nonce = limited.as_deref().or(self.nonce.as_deref());
                (run_id(job_file, &self.detail.bucket.name, key, version, nonce), 0)
            }
        };
        Ok(RunRef {
            format: FORMAT,
            bucket: self.detail.bucket.name.clone(),
            job: job.to_owned(),
            file: file.to_owned(),
            id,
            generation,
        })
    }
}

/// The id of a run: 20 hexadecimal digits.
pub fn run_id(job_file: &[u8], bucket: &str, key: &str, version: &str, nonce: Option<&str>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [
        job_file,
        bucket.as_bytes(),
        key.as_bytes(),
        version.as_bytes(),
        nonce.unwrap_or_default().as_bytes(),
    ] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex()[..20].to_owned()
}

/// Names a run in every message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRef {
    /// The format of the message and of what its sender wrote, see [`super::FORMAT`].
    #[serde(default = "super::first_format")]
    pub format: u32,
    /// The bucket of all the run's objects.
    pub bucket: String,
    /// The job's name.
    pub job: String,
    /// The input's file name.
    pub file: String,
    /// The run's id.
    pub id: String,
    /// 0, or the number of the redrive.
    #[serde(default)]
    pub generation: u32,
}

impl RunRef {
    /// Refuses a message of a later version.
    ///
    /// # Errors
    /// `Run.UnknownFormat`.
    pub fn check_format(&self) -> Result<(), StepError> {
        check_format(self.format, &format!("the run {}/{}", self.job, self.id))
    }

    /// The keys of the run's folder.
    pub fn keys(&self) -> RunKeys {
        RunKeys::new(&self.job, &self.id)
    }
}
