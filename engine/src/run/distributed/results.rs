//! The ResultWriter: the record of each child, in files next to a manifest or as the state's output.

use bytes::Bytes;
use serde_json::{Value, json};

use super::MapRun;
use super::child::child_name;
use super::children::{Children, NextChild};
use super::record;
use crate::dataset::OutputType;
use crate::error::Halt;
use crate::failure::Failure;
use crate::journal::{
    Change, ChildStatus, EntryKind, JournalError, MapRunEntry, RECORDS_PER_READ, ResultFile, SettledChild,
};
use crate::machine::{Distributed, State};
use crate::quotas::MAX_DATA;
use crate::run::frame::Running;

/// The place where a ResultWriter writes.
pub(super) struct Target {
    bucket: String,
    prefix: String,
}

/// The size after which a new file is begun, in bytes. AWS's files grow to 5 GB; these are held in memory
/// until they are written, and readers find all of them in the manifest.
pub(super) const FILE_BYTES: usize = 8 * 1024 * 1024;

impl MapRun<'_> {
    /// Moves the records of finished children below index `before` from the journal into result files.
    /// Without a target they are dropped, since together they are too large for the state's output. Records
    /// above `before`, of children that finished before a crash, stay until the run has passed over them.
    pub(super) async fn compact_results(&mut self, running: &Running, before: u64) -> Result<(), Halt> {
        let (mut from, mut settled, mut changes) = (0, Vec::new(), Vec::new());
        let mut tally = self.entry.tally;
        let mut succeeded = self.files("SUCCEEDED", self.entry.succeeded.len());
        let mut failed = self.files("FAILED", self.entry.failed.len());
        loop {
            let records = running.runtime.journal.records(&self.visit, from, RECORDS_PER_READ)?;
            let Some((last, _)) = records.last().filter(|_| from < before) else { break };
            from = last + 1;
            for (index, record) in records.into_iter().filter(|(index, _)| *index < before) {
                tally.add(record.status, record.items);
                settled.push(SettledChild { index, status: record.status, items: record.items });
                changes.push(Change::remove(EntryKind::Record, &self.visit.child(index)));
                if self.plan.target.is_some() {
                    let succeeds = record.status == ChildStatus::Succeeded;
                    let files = if succeeds { &mut succeeded } else { &mut failed };
                    self.write(running, files, &record.shown).await?;
                }
            }
        }
        if settled.is_empty() {
            return Ok(());
        }
        self.status.written(settled.len() as u64, settled.iter().map(|child| child.items).sum());
        let succeeded = self.write_last(running, succeeded).await?;
        self.entry.succeeded.extend(succeeded);
        let failed = self.write_last(running, failed).await?;
        self.entry.failed.extend(failed);
        self.entry.oversized |= self.plan.target.is_none();
        self.entry.tally = tally;
        self.entry.add_settled(&settled);
        changes.push(Change::put(EntryKind::MapRun, &self.visit, &self.entry)?);
        Ok(running.runtime.journal.commit(changes).await?)
    }

    /// Writes all files of a run that has ended, and gives the state's result.
    pub(super) async fn write_results(&mut self, running: &mut Running) -> Result<Value, Halt> {
        self.compact_results(running, u64::MAX).await?;
        let mut failed = self.entry.failed.clone();
        let mut pending = Vec::new();
        if let Some(first_pending) = self.entry.exceeded_at {
            let (aborted, never_started) = self.write_unfinished(running, first_pending).await?;
            failed.extend(aborted);
            pending = never_started;
        }
        let target = self.plan.target.as_ref().ok_or_else(|| writer_failed("no bucket was named"))?;
        let (succeeded, id) = (self.entry.succeeded.clone(), self.entry.id.clone());
        let entry = MapRunEntry { failed, succeeded, id, ..MapRunEntry::default() };
        write_manifest(running, target, self.plan.distributed, &entry, &pending).await
    }

    /// Writes the files of the children that were aborted, and of those that never started.
    async fn write_unfinished(
        &self,
        running: &mut Running,
        first_pending: u64,
    ) -> Result<(Vec<ResultFile>, Vec<ResultFile>), Halt> {
        let mut aborted = self.files("FAILED", self.entry.failed.len());
        let mut pending = self.files("PENDING", 0);
        let mut children = Children::open(self, &running.runtime).await?;
        loop {
            let (index, batch) = match children.next(self, running).await? {
                NextChild::Finished => continue,
                NextChild::Unfinished(index, batch) => (index, batch),
                NextChild::End => break,
            };
            let (name, input) = (child_name(&self.entry.id, index), record::text(&batch.input));
            if index < first_pending {
                let record = record::aborted(&self.spec, &name, &input, running.runtime.host.now());
                self.write(running, &mut aborted, &record).await?;
            } else {
                self.write(running, &mut pending, &record::pending(&self.spec, &name, &input)).await?;
            }
        }
        Ok((self.write_last(running, aborted).await?, self.write_last(running, pending).await?))
    }

    /// The results of all children in their order, as the state's output.
    pub(super) async fn outputs(&self, running: &Running) -> Result<Value, Halt> {
        let (mut outputs, mut from) = (String::from("["), 0);
        while !self.entry.oversized && outputs.len() <= MAX_DATA {
            let records = running.runtime.journal.records(&self.visit, from, RECORDS_PER_READ)?;
            let Some((last, _)) = records.last() else {
                outputs.push(']');
                return Ok(crate::json::from_str(&outputs)
                    .map_err(|error| JournalError::Broken(error.to_string()))?);
            };
            from = last + 1;
            for (_, record) in records {
                self.status.written(1, record.items);
                if !record.shown.is_empty() {
                    outputs.push_str(if outputs.len() > 1 { "," } else { "" });
                    outputs.push_str(&record.shown);
                }
            }
            tokio::task::yield_now().await;
        }
        Err(Failure::too_large(&self.plan.state.name).into())
    }

    fn files(&self, name: &'static str, before: usize) -> FileSeries {
        FileSeries::new(self.plan.distributed.writer.output_type, name, before)
    }

    async fn write(&self, running: &Running, files: &mut FileSeries, shown: &str) -> Result<(), Failure> {
        files.add(shown);
        if files.body.len() > FILE_BYTES { self.write_file(running, files).await } else { Ok(()) }
    }

    /// Writes what is left, and returns all files written.
    async fn write_last(&self, running: &Running, mut files: FileSeries) -> Result<Vec<ResultFile>, Failure> {
        if !files.body.is_empty() {
            self.write_file(running, &mut files).await?;
        }
        Ok(files.written)
    }

    async fn write_file(&self, running: &Running, files: &mut FileSeries) -> Result<(), Failure> {
        let Some(target) = &self.plan.target else { return Ok(()) };
        let body = files.take();
        let folder = target.folder(&self.entry.id);
        let key = format!("{folder}/{}_{}.json", files.name, files.before + files.written.len());
        files.written.push(ResultFile { key: key.clone(), size: body.len() as u64 });
        let written = running.runtime.host.write_object(&target.bucket, &key, Bytes::from(body)).await;
        written.map_err(writer_failed)
    }
}

/// Writes the manifest of a run. Returns the result of a state with a ResultWriter.
pub(super) async fn write_manifest(
    running: &Running,
    target: &Target,
    distributed: &Distributed,
    run: &MapRunEntry,
    pending: &[ResultFile],
) -> Result<Value, Halt> {
    let arn = running.frame.identity.map_run_arn(&distributed.label, &run.id);
    let key = format!("{}/manifest.json", target.folder(&run.id));
    let manifest = json!({
        "DestinationBucket": target.bucket,
        "MapRunArn": arn,
        "ResultFiles": {"FAILED": run.failed, "PENDING": pending, "SUCCEEDED": run.succeeded},
    });
    let body = manifest.to_string().into();
    let written = running.runtime.host.write_object(&target.bucket, &key, body).await;
    written.map_err(writer_failed)?;
    Ok(json!({"MapRunArn": arn, "ResultWriterDetails": {"Bucket": target.bucket, "Key": key}}))
}

impl Target {
    /// The target of the state's ResultWriter, if it has one.
    pub(super) fn evaluate(
        running: &mut Running,
        state: &State,
        distributed: &Distributed,
        input: &Value,
    ) -> Result<Option<Self>, Failure> {
        let Some(template) = &distributed.writer.target else { return Ok(None) };
        let parameters = running.evaluate(state, input, |env| template.fill(env))?;
        let prefix = match &parameters["Prefix"] {
            Value::Null => Some(""),
            prefix => prefix.as_str(),
        };
        match (parameters["Bucket"].as_str(), prefix) {
            (Some(bucket), Some(prefix)) => {
                Ok(Some(Self { bucket: bucket.into(), prefix: prefix.trim_end_matches('/').into() }))
            }
            _ => Err(writer_failed("Bucket and Prefix of the ResultWriter must be strings")),
        }
    }

    fn folder(&self, run: &str) -> String {
        match self.prefix.as_str() {
            "" => run.to_owned(),
            prefix => format!("{prefix}/{run}"),
        }
    }
}

/// A series of files with the same status. Only the last one is in memory.
struct FileSeries {
    name: &'static str,
    output_type: OutputType,
    /// The number of files that were written before.
    before: usize,
    written: Vec<ResultFile>,
    body: Vec<u8>,
}

impl FileSeries {
    fn new(output_type: OutputType, name: &'static str, before: usize) -> Self {
        Self { name, output_type, before, written: Vec::new(), body: Vec::new() }
    }

    /// Adds the text of a child, which is empty for a flattened empty array.
    fn add(&mut self, shown: &str) {
        if shown.is_empty() {
            return;
        }
        match self.output_type {
            OutputType::Json => {
                self.body.push(if self.body.is_empty() { b'[' } else { b',' });
                self.body.extend_from_slice(shown.as_bytes());
            }
            OutputType::JsonLines => {
                self.body.extend_from_slice(shown.as_bytes());
                self.body.push(b'\n');
            }
        }
    }

    fn take(&mut self) -> Vec<u8> {
        let mut body = std::mem::take(&mut self.body);
        if self.output_type == OutputType::Json {
            body.push(b']');
        }
        body
    }
}

fn writer_failed(cause: impl std::fmt::Display) -> Failure {
    Failure::new("States.ResultWriterFailed", cause.to_string())
}
