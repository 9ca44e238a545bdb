//! The ResultWriter: what became of each child, in files beside a manifest, or as the output.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Plan;
use super::batches::Batches;
use super::child::child_name;
use super::finished::Finished;
use super::record;
use crate::dataset::OutputType;
use crate::error::{Failure, Halt};
use crate::host::ObjectError;
use crate::journal::{Change, JournalError, Kind as Entry, MapRun, ResultFile, Status};
use crate::machine::{Distributed, State};
use crate::run::frame::Running;
use crate::run::limits;

pub(super) struct Target {
    bucket: String,
    prefix: String,
}

/// A file is begun anew after so many bytes. AWS's files grow to 5 GB; ours are held in memory
/// until they are written, and readers find all of them in the manifest.
const FILE: usize = 8 * 1024 * 1024;
/// Records are written into files when there are so many bytes of them.
pub(super) const SETTLE: usize = FILE;
const CHUNK: usize = 256;

impl Running {
    pub(super) fn target(&mut self, state: &State, distributed: &Distributed, input: &Value) -> Result<Option<Target>, Failure> {
        let Some(template) = &distributed.writer.target else { return Ok(None) };
        let parameters = self.evaluate(state, input, |env| template.fill(env))?;
        let prefix = match &parameters["Prefix"] {
            Value::Null => Some(""),
            prefix => prefix.as_str(),
        };
        match (parameters["Bucket"].as_str(), prefix) {
            (Some(bucket), Some(prefix)) => Ok(Some(Target { bucket: bucket.into(), prefix: prefix.trim_end_matches('/').into() })),
            _ => Err(Failure::new("States.ResultWriterFailed", "Bucket and Prefix of the ResultWriter must be strings")),
        }
    }

    /// Writes the records of finished children below index `before` into files; without a target
    /// they are given up, since together they can't become an output. Then they leave the journal:
    /// those above, of before a crash, must stay until the run has passed over them.
    pub(super) async fn settle(&mut self, plan: &mut Plan<'_>, before: u64) -> Result<(), Halt> {
        let (mut from, mut settled, mut changes) = (0, Vec::new(), Vec::new());
        let mut tally = plan.run.tally;
        let mut succeeded = Files::new(plan, "SUCCEEDED", plan.run.succeeded.len());
        let mut failed = Files::new(plan, "FAILED", plan.run.failed.len());
        loop {
            let records = self.world.journal.records(&plan.visit, from, CHUNK)?;
            let Some((last, _)) = records.last().filter(|_| from < before) else { break };
            from = last + 1;
            for (index, record) in records.into_iter().filter(|(index, _)| *index < before) {
                tally.add(record.status, record.items);
                settled.push((index, record.items));
                changes.push(Change::remove(Entry::Record, &plan.visit.child(index)));
                if plan.target.is_some() {
                    let files = if record.status == Status::Succeeded { &mut succeeded } else { &mut failed };
                    self.write(plan, files, &record.shown).await?;
                }
            }
        }
        if settled.is_empty() {
            return Ok(());
        }
        plan.status.written(settled.len() as u64, settled.iter().map(|(_, items)| items).sum());
        plan.run.succeeded.extend(self.write_last(plan, succeeded).await?);
        plan.run.failed.extend(self.write_last(plan, failed).await?);
        plan.run.oversized |= plan.target.is_none();
        plan.run.tally = tally;
        plan.run.settle(settled.into_iter());
        changes.push(Change::put(Entry::MapRun, &plan.visit, &plan.run)?);
        Ok(self.world.journal.commit(changes).await?)
    }

    /// Writes all files of a run that has ended, and gives the state's result.
    pub(super) async fn write_results(&mut self, plan: &mut Plan<'_>) -> Result<Value, Halt> {
        self.settle(plan, u64::MAX).await?;
        let mut failed = plan.run.failed.clone();
        let mut pending = Vec::new();
        if let Some(first_pending) = plan.run.exceeded_at {
            let (aborted, never_began) = self.write_unfinished(plan, first_pending).await?;
            failed.extend(aborted);
            pending = never_began;
        }
        let target = plan.target.as_ref().ok_or_else(|| Failure::new("States.ResultWriterFailed", "no bucket was named"))?;
        let run = MapRun { failed, succeeded: plan.run.succeeded.clone(), id: plan.run.id.clone(), ..MapRun::default() };
        self.write_manifest(target, plan.distributed, &run, &pending).await
    }

    pub(super) async fn write_manifest(
        &self,
        target: &Target,
        distributed: &Distributed,
        run: &MapRun,
        pending: &[ResultFile],
    ) -> Result<Value, Halt> {
        let arn = self.frame.identity.map_run(&distributed.label, &run.id);
        let key = format!("{}/manifest.json", target.folder(&run.id));
        let manifest = json!({
            "DestinationBucket": target.bucket,
            "MapRunArn": arn,
            "ResultFiles": {"FAILED": run.failed, "PENDING": pending, "SUCCEEDED": run.succeeded},
        });
        let written = self.world.host.write_object(&target.bucket, &key, manifest.to_string().into()).await;
        written.map_err(|error| writer_failed(&error))?;
        Ok(json!({"MapRunArn": arn, "ResultWriterDetails": {"Bucket": target.bucket, "Key": key}}))
    }

    /// The files of the children that were given up, and of those that never began.
    async fn write_unfinished(&mut self, plan: &Plan<'_>, first_pending: u64) -> Result<(Vec<ResultFile>, Vec<ResultFile>), Halt> {
        let mut aborted = Files::new(plan, "FAILED", plan.run.failed.len());
        let mut pending = Files::new(plan, "PENDING", 0);
        let mut batches = Batches::open(plan, &self.world).await?;
        let mut finished = Finished::new(&plan.visit, &plan.run);
        let mut index = 0;
        loop {
            if let Some(span) = finished.at(&self.world, index)? {
                batches.skip(span.items).await?;
                index += span.children;
                continue;
            }
            let Some(batch) = self.batch(plan, index, &mut batches).await? else { break };
            let (name, input) = (child_name(&plan.run.id, index), record::text(&batch.input));
            match index < first_pending {
                true => {
                    let record = record::aborted(&plan.shared, &name, &input, self.world.host.now());
                    self.write(plan, &mut aborted, &record).await?;
                }
                false => self.write(plan, &mut pending, &record::pending(&plan.shared, &name, &input)).await?,
            }
            index += 1;
        }
        Ok((self.write_last(plan, aborted).await?, self.write_last(plan, pending).await?))
    }

    /// The results of all children in their order, where no bucket takes them.
    pub(super) async fn outputs(&mut self, plan: &mut Plan<'_>) -> Result<Value, Halt> {
        let (mut outputs, mut from) = (String::from("["), 0);
        while !plan.run.oversized && outputs.len() <= limits::DATA {
            let records = self.world.journal.records(&plan.visit, from, CHUNK)?;
            let Some((last, _)) = records.last() else {
                outputs.push(']');
                return Ok(crate::json::from_str(&outputs).map_err(|error| JournalError::Broken(error.to_string()))?);
            };
            from = last + 1;
            for (_, record) in records {
                plan.status.written(1, record.items);
                if !record.shown.is_empty() {
                    outputs.push_str(if outputs.len() > 1 { "," } else { "" });
                    outputs.push_str(&record.shown);
                }
            }
            tokio::task::yield_now().await;
        }
        Err(Failure::too_large(&plan.state.name).into())
    }

    async fn write(&self, plan: &Plan<'_>, files: &mut Files, shown: &str) -> Result<(), Failure> {
        files.add(shown);
        if files.body.len() > FILE { self.write_file(plan, files).await } else { Ok(()) }
    }

    /// Writes what is left, and names all files written.
    async fn write_last(&self, plan: &Plan<'_>, mut files: Files) -> Result<Vec<ResultFile>, Failure> {
        if !files.body.is_empty() {
            self.write_file(plan, &mut files).await?;
        }
        Ok(files.written)
    }

    async fn write_file(&self, plan: &Plan<'_>, files: &mut Files) -> Result<(), Failure> {
        let Some(target) = &plan.target else { return Ok(()) };
        let body = files.take();
        let key = format!("{}/{}_{}.json", target.folder(&plan.run.id), files.name, files.before + files.written.len());
        files.written.push(ResultFile { key: key.clone(), size: body.len() as u64 });
        let written = self.world.host.write_object(&target.bucket, &key, Bytes::from(body)).await;
        written.map_err(|error| writer_failed(&error))
    }
}

impl Target {
    fn folder(&self, run: &str) -> String {
        match self.prefix.as_str() {
            "" => run.to_owned(),
            prefix => format!("{prefix}/{run}"),
        }
    }
}

/// The files of one kind, of which only the last is held.
struct Files {
    name: &'static str,
    output_type: OutputType,
    /// Files of the kind that were written in earlier turns.
    before: usize,
    written: Vec<ResultFile>,
    body: Vec<u8>,
}

impl Files {
    fn new(plan: &Plan<'_>, name: &'static str, before: usize) -> Files {
        Files { name, output_type: plan.distributed.writer.output_type, before, written: Vec::new(), body: Vec::new() }
    }

    /// An array that is flattened may leave nothing to show.
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

fn writer_failed(error: &ObjectError) -> Failure {
    Failure::new("States.ResultWriterFailed", error.to_string())
}
