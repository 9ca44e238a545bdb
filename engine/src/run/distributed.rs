//! The Distributed Map: each item, or each batch of items, is run by an execution of its own. Items are
//! streamed.

mod batches;
mod child;
mod children;
mod finished;
mod items;
mod plan;
mod record;
mod results;

use std::sync::Arc;

use serde_json::{Value, json};

use super::events;
use super::frame::Running;
use super::task_set::TaskSet;
use crate::dataset::{OutputType, Transformation};
use crate::error::{Halt, Stop};
use crate::failure::Failure;
use crate::journal::{Change, EntryKind, Key, MapRunEntry, Signal};
use crate::machine::{Distributed, MapState, State};
use crate::map_run::{MapRunStatus, Watch};
use child::{ChildSpec, ChildSummary};
use children::Ledger;
use items::{Items, Source};
use plan::Plan;

/// A Map Run under way.
struct MapRun<'a> {
    plan: Plan<'a>,
    source: Source,
    /// The key of the run's entries in the journal.
    visit: Key,
    entry: MapRunEntry,
    status: Arc<MapRunStatus>,
    spec: Arc<ChildSpec>,
    ledger: Ledger,
    tasks: TaskSet<Result<ChildSummary, Stop>>,
}

impl Running {
    pub(super) async fn run_distributed_map(
        &mut self,
        state: &State,
        map: &MapState,
        distributed: &Distributed,
        input: &Value,
    ) -> Result<Value, Halt> {
        let (plan, source) = Plan::evaluate(self, state, map, distributed, input)?;
        self.save_if_moved().await?;
        let visit = self.frame.key.visit(self.at.step);
        let mut known: Option<MapRunEntry> = self.runtime.journal.get(EntryKind::MapRun, &visit)?;
        let generation = self.frame.identity.generation;
        let is_redriven = known.as_ref().is_some_and(|entry| entry.generation < generation);
        if is_redriven && known.as_ref().is_some_and(|entry| entry.oversized) {
            // Outputs that were too large are gone, so that all children run again.
            self.runtime.journal.commit(vec![Change::Clear(visit.clone())]).await?;
            known = None;
        }
        if let Some(entry) = known.as_mut().filter(|_| is_redriven) {
            entry.redrive(&self.runtime, &visit, generation).await?;
        }
        let id = known.as_ref().map_or_else(|| self.runtime.host.uuid(), |entry| entry.id.clone());
        let arn = self.frame.identity.map_run_arn(&distributed.label, &id);
        let started = match (self.at.begun, &known) {
            (_, Some(entry)) if is_redriven => {
                let details = json!({"mapRunArn": arn, "redriveCount": entry.redrives});
                let redriven = self.begin("MapRunRedriven", || Some(("mapRunRedrivenEventDetails", details)));
                self.save_with(vec![Change::put(EntryKind::MapRun, &visit, entry)?]).await?;
                redriven
            }
            (Some(started), Some(_)) => started,
            _ => {
                self.begin("MapRunStarted", || Some(("mapRunStartedEventDetails", json!({"mapRunArn": arn}))))
            }
        };
        let result = async {
            let source = source?;
            let entry = match known {
                Some(entry) => entry,
                None => self.begin_map_run(&plan, &source, &visit, id).await?,
            };
            let signal = self.runtime.journal.get(EntryKind::Signal, &visit)?;
            let limits = match signal {
                Some(Signal::Limits(changed)) => changed,
                _ => plan.limits,
            };
            let execution = self.frame.identity.id.clone();
            let status = MapRunStatus::new(
                arn,
                execution,
                entry.redrives,
                limits,
                &self.runtime.journal,
                visit.clone(),
            );
            self.runtime.host.map_run(&status);
            let watch = Watch::new(status.clone());
            let result = MapRun::resume(self, plan, source, visit, entry, status).await;
            watch.ended(&result);
            result
        };
        let result = result.await;
        self.record_map_run_ended(started, &result);
        result
    }

    /// Records a new Map Run. The items are counted first if the tolerance depends on their number.
    async fn begin_map_run(
        &mut self,
        plan: &Plan<'_>,
        source: &Source,
        visit: &Key,
        id: String,
    ) -> Result<MapRunEntry, Halt> {
        let total = if plan.limits.depend_on_total() {
            Some(Items::count(source, &self.runtime).await?)
        } else {
            None
        };
        let generation = self.frame.identity.generation;
        let entry = MapRunEntry { id, total, generation, ..MapRunEntry::default() };
        if let Some(target) = &plan.target {
            // This finds out whether the bucket can be written to, before anything is done.
            results::write_manifest(self, target, plan.distributed, &entry, &[]).await?;
        }
        self.save_with(vec![Change::put(EntryKind::MapRun, visit, &entry)?]).await?;
        Ok(entry)
    }

    fn record_map_run_ended(&mut self, started: u64, result: &Result<Value, Halt>) {
        match result {
            Ok(_) => {
                self.event(|| "MapRunSucceeded".into(), || None);
                self.event(|| "MapStateSucceeded".into(), || None);
                self.at.previous = started;
            }
            Err(Halt::Failed(failure)) => {
                let details = events::failure(failure, Value::Null);
                self.event(|| "MapRunFailed".into(), || Some(("mapRunFailedEventDetails", details)));
            }
            Err(Halt::Stopped(_)) => {}
        }
    }
}

impl<'a> MapRun<'a> {
    /// Runs the children that have not finished yet. Returns the state's result.
    async fn resume(
        running: &mut Running,
        plan: Plan<'a>,
        source: Source,
        visit: Key,
        entry: MapRunEntry,
        status: Arc<MapRunStatus>,
    ) -> Result<Value, Halt> {
        let spec = Arc::new(ChildSpec::new(running, &plan, &entry, &visit, status.clone()));
        let ledger = Ledger::open(&running.runtime, &visit, &entry)?;
        status.resumed(&ledger.tally, entry.total);
        let tasks = TaskSet::new();
        let mut run = Self { plan, source, visit, entry, status, spec, ledger, tasks };
        if run.entry.exceeded_at.is_none() {
            run.run_children(running).await?;
        }
        let result = match run.plan.target {
            Some(_) => Some(run.write_results(running).await?),
            None => None,
        };
        match (run.entry.exceeded_at, result) {
            (Some(_), _) => Err(Failure::threshold_exceeded().into()),
            (None, Some(result)) => Ok(result),
            (None, None) => run.outputs(running).await,
        }
    }

    async fn save(&self, running: &Running) -> Result<(), Halt> {
        let entry = Change::put(EntryKind::MapRun, &self.visit, &self.entry)?;
        Ok(running.runtime.journal.commit(vec![entry]).await?)
    }
}

impl ChildSpec {
    fn new(
        running: &Running,
        plan: &Plan<'_>,
        entry: &MapRunEntry,
        visit: &Key,
        status: Arc<MapRunStatus>,
    ) -> Self {
        let (distributed, parent) = (plan.distributed, running.frame.identity.clone());
        let (writer, label) = (&distributed.writer, &distributed.label);
        let has_target = plan.target.is_some();
        let kind = if distributed.express { "express" } else { "execution" };
        Self {
            runtime: running.runtime.clone(),
            scope: plan.map.processor.clone(),
            label: label.clone(),
            run: entry.id.clone(),
            status,
            visit: visit.clone(),
            express: distributed.express,
            transformation: writer.transformation,
            output_type: if has_target { writer.output_type } else { OutputType::Json },
            // Failed children are left out if the outputs become the state's output.
            shows_failures: has_target || writer.transformation == Transformation::None,
            execution_arn: parent.arn(kind, label),
            state_machine_arn: parent.arn("stateMachine", label),
            parent,
        }
    }
}
