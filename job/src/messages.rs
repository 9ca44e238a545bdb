//! What the state machine hands to the steps and gets back. Field names are those of `definition.asl.json`.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::codes::{ErrorName, StepError};
use crate::job_file::OutputFormat;
use crate::keys::{self, RunKeys};
use crate::objects::{Objects, StorageError};
use crate::plan::Batch;

/// EventBridge's `Object Created` of S3, as far as it is read.
/// Source: Amazon S3 User Guide, "EventBridge event message structure".
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub detail: Detail,
    /// Makes a run of its own of an input that ran before (schedules, `--fresh`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Set by `redrive`: the run to complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<Redrive>,
    /// The format of the output, where its file's ending says it. Another format is no other run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputFormat>,
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

/// Asks for the failed and unprocessed lines of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// The run.
    pub run: String,
    /// From 1; each redrive of a run has the next.
    pub generation: u32,
    /// Also send again the lines whose outcome is unknown.
    #[serde(default)]
    pub include_unknown: bool,
}

impl Event {
    /// The event that an upload of this object would make.
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
            nonce: None,
            redrive: None,
            output: None,
        }
    }

    /// The run this event asks for. The id is a hash of the job file, bucket, key, version and nonce, so that
    /// the same event twice is one run and a new upload is a new one.
    ///
    /// # Errors
    /// `Event.Invalid` when the key is not an input's.
    pub fn run(&self, job_file: &[u8]) -> Result<RunRef, StepError> {
        let Object { key, version_id, etag, .. } = &self.detail.object;
        let (job, file) = keys::parse_input(key).ok_or_else(|| {
            StepError::new(
                ErrorName::EventInvalid,
                format!("the key {key:?} is not an input: expected jobs/<job>/input/<file>"),
            )
        })?;
        let (id, generation) = match &self.redrive {
            Some(redrive) => (redrive.run.clone(), redrive.generation),
            None => {
                let version = version_id.as_deref().or(etag.as_deref()).unwrap_or_default();
                (run_id(job_file, &self.detail.bucket.name, key, version, self.nonce.as_deref()), 0)
            }
        };
        Ok(RunRef {
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
    /// The bucket of everything.
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
    /// The keys of the run's folder.
    pub fn keys(&self) -> RunKeys {
        RunKeys::new(&self.job, &self.id)
    }
}

/// `claim.json`: which execution owns a run, or one redrive of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The execution.
    pub execution: String,
    /// When it claimed the run, milliseconds since 1970.
    pub started: u64,
    /// In a redrive: lines whose outcome is unknown are sent again too.
    #[serde(default)]
    pub include_unknown: bool,
}

/// `turn.json`: which run of a job may send requests now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnHolder {
    /// The run.
    pub run: String,
    /// 0, or the number of the redrive.
    #[serde(default)]
    pub generation: u32,
    /// Its execution.
    pub execution: String,
    /// Milliseconds since 1970 until when workers of a holder that was aborted may still send; 0 after one that ended well.
    #[serde(default)]
    pub not_before: u64,
}

/// A stop marker: workers that find one send nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopMarker {
    /// Why, in words.
    pub reason: String,
}

impl StopMarker {
    /// Writes one; where one stands already, the first reason stays.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn place(objects: &Objects, key: &str, reason: &str) -> Result<(), StorageError> {
        let marker = Self { reason: reason.to_owned() };
        objects.put_if_absent(key, serde_json::to_vec(&marker).expect("a marker is plain JSON")).await?;
        Ok(())
    }
}

/// A step's request from a function's payload.
///
/// # Errors
/// `Event.Invalid` when it is none.
pub fn request<T: DeserializeOwned>(payload: Value) -> Result<T, StepError> {
    serde_json::from_value(payload).map_err(|error| {
        StepError::new(ErrorName::EventInvalid, format!("the step's input is not what it takes: {error}"))
    })
}

/// What `Preprocess` gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PreprocessRequest {
    /// The execution's input.
    pub event: Event,
    /// The execution's id (an ARN on AWS).
    pub execution: String,
    /// The event at first, what the step returned afterwards.
    #[serde(default)]
    pub previous: Value,
}

/// What `Preprocess` returns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PreprocessResponse {
    /// Split: go on with the lanes.
    Ready {
        /// The run.
        run: RunRef,
        /// One Map Run each.
        lanes: Vec<Lane>,
    },
    /// Another run of this job has its turn: ask again.
    Turn {
        /// The run that waits.
        run: RunRef,
        /// Whole seconds, at least 1.
        wait_seconds: u64,
        /// The execution whose turn it is.
        holder: String,
    },
    /// The call's own deadline was near: call again.
    Paused {
        /// The run.
        run: RunRef,
        /// Whole seconds, at least 1.
        wait_seconds: u64,
        /// Key of what the next call needs to go on.
        checkpoint: String,
    },
    /// Another execution owns this run: nothing to do.
    Elsewhere {
        /// The owner.
        execution: String,
    },
}

/// One lane, as the state machine needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// The name in the plan.
    pub name: String,
    /// Key of the manifest: a JSON array of [`Batch`].
    pub manifest: String,
    /// Child executions at a time.
    pub workers: u32,
    /// Per cent of batches that may fail: the square root of the job's tolerance, see [`crate::Job::batch_tolerance`].
    pub tolerated_failure_percentage: f64,
    /// Seconds until a worker whose execution was aborted must have ended.
    pub settle_seconds: u64,
}

/// What `Work` gets: a batch, and after a pause what the worker returned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkRequest {
    /// The run.
    pub run: RunRef,
    /// The lane.
    pub lane: Lane,
    /// The lines.
    pub batch: Batch,
    /// What the worker knew when it paused.
    #[serde(default)]
    pub pace: Pace,
}

/// What `Work` returns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one value a batch")]
pub enum WorkResponse {
    /// Not finished: wait, then call again with exactly this.
    Paused {
        /// Whole seconds, at least 1.
        wait_seconds: u64,
        /// The request, with the pace to go on with.
        #[serde(flatten)]
        request: WorkRequest,
    },
    /// Every line of the batch has a record.
    Done {
        /// Number of the first line.
        first: u64,
        /// Lines of the batch.
        lines: u64,
        /// Of these, succeeded.
        ok: u64,
        /// Of these, failed.
        failed: u64,
    },
}

/// What a worker hands to its successor, so that a pause does not start a burst.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// By limit key: the provider's name in a named lane, the host in a hashed one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, KeyPace>,
    /// Line number and attempts already made, of lines that wait to be sent again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<(u64, u32)>,
}

/// The pace of one limit key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyPace {
    /// Share of the allowed rate in use, above 0 and at most 1.
    pub factor: f64,
    /// Milliseconds since 1970 before which nothing may be sent.
    pub not_before: u64,
    /// Milliseconds since 1970 when the provider was first found down; 0 when it is up.
    #[serde(default)]
    pub down_since: u64,
}

/// What `Postprocess` gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PostprocessRequest {
    /// The run.
    pub run: RunRef,
    /// The execution's id.
    pub execution: String,
    /// The state's input: after a pause what the step returned.
    #[serde(default)]
    pub previous: Value,
}

/// What `Postprocess` returns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PostprocessResponse {
    /// The output is complete and the job's tolerance was kept.
    Succeeded {
        /// The run.
        run: RunRef,
        /// Lines of the input.
        lines: u64,
        /// Of these, succeeded.
        ok: u64,
        /// Of these, failed.
        failed: u64,
    },
    /// The output is complete, but too many lines failed, or lines were not processed.
    Failed {
        /// The run.
        run: RunRef,
        /// Stable name.
        error: String,
        /// In words, with the most frequent reason.
        cause: String,
        /// Lines of the input.
        lines: u64,
        /// Of these, succeeded.
        ok: u64,
        /// Of these, failed or not processed.
        failed: u64,
    },
    /// The call's own deadline was near: call again.
    Paused {
        /// Whole seconds, at least 1.
        wait_seconds: u64,
        /// The run.
        run: RunRef,
        /// Key of what the next call needs to go on, if it needs anything.
        checkpoint: Option<String>,
    },
}

/// The checkpoint that a step's last call left, found in the state machine's `previous`.
pub fn checkpoint(previous: &Value) -> Option<&str> {
    previous.get("checkpoint")?.as_str()
}
