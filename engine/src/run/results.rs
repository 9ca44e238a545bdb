//! The ResultWriter: what became of each child, in files beside a manifest.

use bytes::Bytes;
use serde_json::{Value, json};

use super::context::iso;
use super::distributed::{Finished, Plan, child_name};
use super::frame::Running;
use super::items::Items;
use crate::error::{Failure, Halt};
use crate::host::ObjectError;
use crate::journal::{ChildRecord, Status, moment};
use crate::machine::{Distributed, State};

pub(super) struct Target {
    bucket: String,
    prefix: String,
}

/// A file is begun anew after so many bytes. AWS's files grow to 5 GB; ours are held in memory
/// until they are written, and readers find all of them in the manifest.
const FILE: usize = 8 * 1024 * 1024;
const CHUNK: usize = 256;

impl Running {
    pub(super) fn target(&mut self, state: &State, distributed: &Distributed, input: &Value) -> Result<Option<Target>, Failure> {
        let Some(template) = &distributed.writer else { return Ok(None) };
        let parameters = self.evaluate(state, input, |env| template.fill(env))?;
        match (parameters["Bucket"].as_str(), parameters["Prefix"].as_str()) {
            (Some(bucket), Some(prefix)) => Ok(Some(Target { bucket: bucket.into(), prefix: prefix.trim_end_matches('/').into() })),
            _ => Err(Failure::new("States.ResultWriterFailed", "Bucket and Prefix of the ResultWriter must be strings")),
        }
    }

    /// Writes all files of a run that has ended, and gives the state's result.
    pub(super) async fn write_results(&mut self, plan: &Plan<'_>, target: &Target) -> Result<Value, Halt> {
        let run = self.frame.identity.map_run(&plan.distributed.label, &plan.run.id);
        let folder = match target.prefix.as_str() {
            "" => plan.run.id.clone(),
            prefix => format!("{prefix}/{}", plan.run.id),
        };
        let mut succeeded = Files::new(target, &folder, "SUCCEEDED");
        let mut failed = Files::new(target, &folder, "FAILED");
        let mut pending = Files::new(target, &folder, "PENDING");
        self.write_finished(plan, &mut succeeded, &mut failed).await?;
        if let Some(first_pending) = plan.run.exceeded_at {
            self.write_unfinished(plan, first_pending, &mut failed, &mut pending).await?;
        }
        let mut files = json!({});
        for kind in [failed, pending, succeeded] {
            let name = kind.name;
            files[name] = kind.close(self).await?;
        }
        let manifest = json!({"DestinationBucket": target.bucket, "MapRunArn": run, "ResultFiles": files});
        let key = format!("{folder}/manifest.json");
        let written = self.world.host.write_object(&target.bucket, &key, manifest.to_string().into()).await;
        written.map_err(|error| writer_failed(&error))?;
        Ok(json!({"MapRunArn": run, "ResultWriterDetails": {"Bucket": target.bucket, "Key": key}}))
    }

    async fn write_finished(&self, plan: &Plan<'_>, succeeded: &mut Files<'_>, failed: &mut Files<'_>) -> Result<(), Halt> {
        let mut from = 0;
        loop {
            let chunk = self.world.journal.finished(&plan.visit, from, CHUNK)?;
            let Some((last, _)) = chunk.last() else { return Ok(()) };
            from = last + 1;
            for (index, status) in chunk {
                let record = self.world.journal.record(&plan.visit, index)?;
                let record = self.finished_record(plan, index, record);
                match status {
                    Status::Succeeded => succeeded.add(self, &record).await?,
                    Status::Failed => failed.add(self, &record).await?,
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// The children that were given up, and those that never began.
    async fn write_unfinished(
        &mut self,
        plan: &Plan<'_>,
        first_pending: u64,
        aborted: &mut Files<'_>,
        pending: &mut Files<'_>,
    ) -> Result<(), Halt> {
        let mut items = Items::open(&plan.source, &self.world).await?;
        let mut finished = Finished::new(&plan.visit);
        let mut index = 0;
        loop {
            if finished.contains(&self.world, index)? {
                items.skip().await?;
            } else {
                let Some(value) = items.next().await? else { return Ok(()) };
                let (input, _) = self.child_input(plan, index, &value)?;
                let mut record = self.record(plan, index, &input);
                if index < first_pending {
                    let now = iso(self.world.host.now());
                    record["RedriveCount"] = 0.into();
                    record["RedriveStatus"] = "REDRIVABLE_BY_MAP_RUN".into();
                    record["StartDate"] = now.clone().into();
                    record["Status"] = "ABORTED".into();
                    record["StopDate"] = now.into();
                    aborted.add(self, &record).await?;
                } else {
                    record["Status"] = "PENDING".into();
                    pending.add(self, &record).await?;
                }
            }
            index += 1;
        }
    }

    fn finished_record(&self, plan: &Plan<'_>, index: u64, finished: ChildRecord) -> Value {
        let mut record = self.record(plan, index, &finished.input);
        match finished.outcome {
            Ok(output) => {
                record["Output"] = output.to_string().into();
                record["OutputDetails"] = json!({"Included": true});
                record["RedriveStatus"] = "NOT_REDRIVABLE".into();
                record["RedriveStatusReason"] = "Execution is SUCCEEDED and cannot be redriven".into();
                record["Status"] = "SUCCEEDED".into();
            }
            Err(Failure { error, cause, .. }) => {
                record["Error"] = error.into();
                record["Cause"] = cause.into();
                record["RedriveStatus"] = "REDRIVABLE_BY_MAP_RUN".into();
                record["Status"] = "FAILED".into();
            }
        }
        record["RedriveCount"] = 0.into();
        record["StartDate"] = iso(moment(finished.started)).into();
        record["StopDate"] = iso(moment(finished.stopped)).into();
        record
    }

    fn record(&self, plan: &Plan<'_>, index: u64, input: &Value) -> Value {
        let (identity, label) = (&self.frame.identity, &plan.distributed.label);
        let name = child_name(&plan.run.id, index);
        json!({
            "ExecutionArn": format!("{}:{name}", identity.arn("execution", label)),
            "Input": input.to_string(),
            "InputDetails": {"Included": true},
            "Name": name,
            "StateMachineArn": identity.arn("stateMachine", label),
        })
    }
}

/// The files of one kind, of which only the last is held.
struct Files<'t> {
    target: &'t Target,
    folder: &'t str,
    name: &'static str,
    written: Vec<Value>,
    body: Vec<u8>,
}

impl<'t> Files<'t> {
    fn new(target: &'t Target, folder: &'t str, name: &'static str) -> Files<'t> {
        Files { target, folder, name, written: Vec::new(), body: Vec::new() }
    }

    async fn add(&mut self, running: &Running, record: &Value) -> Result<(), Failure> {
        self.body.push(if self.body.is_empty() { b'[' } else { b',' });
        self.body.extend(sorted(record).to_string().as_bytes());
        match self.body.len() > FILE {
            true => self.write(running).await,
            false => Ok(()),
        }
    }

    async fn write(&mut self, running: &Running) -> Result<(), Failure> {
        let mut body = std::mem::take(&mut self.body);
        body.push(b']');
        let key = format!("{}/{}_{}.json", self.folder, self.name, self.written.len());
        self.written.push(json!({"Key": key, "Size": body.len()}));
        let written = running.world.host.write_object(&self.target.bucket, &key, Bytes::from(body)).await;
        written.map_err(|error| writer_failed(&error))
    }

    /// What the manifest says of these files.
    async fn close(mut self, running: &Running) -> Result<Value, Failure> {
        if !self.body.is_empty() {
            self.write(running).await?;
        }
        Ok(self.written.into())
    }
}

/// Records have their keys in alphabetical order.
fn sorted(record: &Value) -> Value {
    let Value::Object(fields) = record else { return record.clone() };
    let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    Value::Object(fields.into_iter().collect())
}

fn writer_failed(error: &ObjectError) -> Failure {
    Failure::new("States.ResultWriterFailed", error.to_string())
}
