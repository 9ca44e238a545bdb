//! The Distributed Map: each item, or each batch of items, is an execution of its own, and items
//! are streamed.

mod batches;
mod child;
mod children;
mod finished;
mod items;
mod record;
mod results;
mod status;

use std::sync::Arc;

use serde_json::{Value, json};

use super::events;
use super::frame::Running;
use super::map::array;
use crate::dataset::{Dataset, OutputType, Transformation};
use crate::error::{Failure, Halt};
use crate::journal::{Change, Key, Kind as Entry, MapRun};
use crate::machine::{Distributed, Map, Reader, State};
use batches::Batching;
use child::Shared;
use children::Ledger;
use items::{Item, Items, Location, Source};
use results::Target;
use status::Watch;
pub use status::{Counts, MapRunStatus, Phase};

/// What a Map Run was asked to do.
struct Plan<'a> {
    state: &'a State,
    map: &'a Map,
    distributed: &'a Distributed,
    input: &'a Value,
    source: Source,
    batching: Option<Batching>,
    target: Option<Target>,
    tolerance: Tolerance,
    limit: usize,
    /// Where the run's entries are.
    visit: Key,
    run: MapRun,
    status: Arc<MapRunStatus>,
    shared: Arc<Shared>,
}

/// How many items may fail.
#[derive(Debug, Clone, Copy)]
struct Tolerance {
    count: Option<u64>,
    percentage: Option<f64>,
}

/// Children that may run at once when nothing else is said, and at most.
const CHILDREN: u64 = 10_000;

impl Running {
    pub(super) async fn distributed(&mut self, state: &State, map: &Map, distributed: &Distributed, input: &Value) -> Result<Value, Halt> {
        let limit = match self.whole(state, "MaxConcurrency", &map.max_concurrency, input)? {
            None | Some(0) => CHILDREN,
            Some(limit) => limit.min(CHILDREN),
        };
        let items = match &distributed.reader {
            None => Some(self.state_items(state, map, input)?),
            Some(_) => None,
        };
        self.map_started(items.as_ref().map_or(0, Vec::len));
        let tolerance = Tolerance {
            count: self.whole(state, "ToleratedFailureCount", &distributed.tolerated_count, input)?,
            percentage: self.percentage(state, &distributed.tolerated_percentage, input)?,
        };
        let source = match (&distributed.reader, items) {
            (Some(reader), _) => self.source(state, reader, input),
            (None, items) => Ok(Source::State(items.unwrap_or_default())),
        };
        let batching = match &distributed.batcher {
            None => None,
            Some(batcher) => Some(self.batching(state, batcher, input)?),
        };
        let target = self.target(state, distributed, input)?;
        self.save_moved().await?;
        let visit = self.frame.key.visit(self.at.step);
        let known = self.world.journal.get(Entry::MapRun, &visit)?;
        let id = known.as_ref().map_or_else(|| self.world.host.uuid(), |run: &MapRun| run.id.clone());
        let arn = self.frame.identity.map_run(&distributed.label, &id);
        let started = self.event(|| "MapRunStarted".into(), || Some(("mapRunStartedEventDetails", json!({"mapRunArn": arn}))));
        let result = async {
            let source = source?;
            let run = match known {
                Some(run) => run,
                None => self.begin_run(&visit, id, distributed, &source, tolerance, target.as_ref()).await?,
            };
            let status = MapRunStatus::new(arn, self.frame.identity.id.clone(), limit, tolerance.count, tolerance.percentage);
            self.world.host.map_run(&status);
            let watch = Watch::new(status.clone());
            let shared = Arc::new(self.shared(map, distributed, &run, &visit, target.is_some()));
            let limit = limit as usize;
            let mut plan = Plan { state, map, distributed, input, source, batching, target, tolerance, limit, visit, run, status, shared };
            let result = self.map_run(&mut plan).await;
            watch.ended(&result);
            result
        };
        let result = result.await;
        self.map_run_ended(started, &result);
        result
    }

    fn map_run_ended(&mut self, started: u64, result: &Result<Value, Halt>) {
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

    async fn map_run(&mut self, plan: &mut Plan<'_>) -> Result<Value, Halt> {
        let ledger = Ledger::open(&self.world, plan)?;
        plan.status.resumed(&ledger.tally, plan.run.total);
        if plan.run.exceeded_at.is_none() {
            self.children(plan, ledger).await?;
        }
        let result = match plan.target {
            Some(_) => Some(self.write_results(plan).await?),
            None => None,
        };
        match (plan.run.exceeded_at, result) {
            (Some(_), _) => Err(Failure::threshold_exceeded().into()),
            (None, Some(result)) => Ok(result),
            (None, None) => self.outputs(plan).await,
        }
    }

    fn shared(&self, map: &Map, distributed: &Distributed, run: &MapRun, visit: &Key, has_target: bool) -> Shared {
        let (parent, writer) = (self.frame.identity.clone(), &distributed.writer);
        let kind = if distributed.express { "express" } else { "execution" };
        Shared {
            world: self.world.clone(),
            scope: map.processor.clone(),
            label: distributed.label.clone(),
            run: run.id.clone(),
            visit: visit.clone(),
            express: distributed.express,
            transformation: writer.transformation,
            output_type: if has_target { writer.output_type } else { OutputType::Json },
            // Failed children are left out where the outputs become the state's output.
            shows_failures: has_target || writer.transformation == Transformation::None,
            execution_arn: parent.arn(kind, &distributed.label),
            state_machine_arn: parent.arn("stateMachine", &distributed.label),
            parent,
        }
    }

    fn state_items(&mut self, state: &State, map: &Map, input: &Value) -> Result<Vec<Item>, Failure> {
        match self.items_value(state, map, input)? {
            Value::Object(pairs) => Ok(pairs.into_iter().map(|(key, value)| Item { key: Some(key), value }).collect()),
            items => Ok(array(items, &map.items)?.into_iter().map(|value| Item { key: None, value }).collect()),
        }
    }

    fn source(&mut self, state: &State, reader: &Reader, input: &Value) -> Result<Source, Failure> {
        let parameters = self.evaluate(state, input, |env| reader.parameters.fill(env))?;
        let max_items = self.whole(state, "MaxItems", &reader.max_items, input);
        let max_items = max_items.map_err(|failure| match failure.cause.starts_with("MaxItems cannot") {
            true => Failure::new("States.ItemReaderFailed", "field MaxItems must be positive"),
            false => failure,
        })?;
        let text = |name: &str| match &parameters[name] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            other => Err(Failure::new("States.ItemReaderFailed", format!("{name} of the ItemReader must be a string, and is {other}"))),
        };
        let missing = |name| Failure::new("States.ItemReaderFailed", format!("{name} of the ItemReader must be a string"));
        let key = match &reader.dataset {
            Dataset::Listing | Dataset::Listed(_) => text("Prefix")?.unwrap_or_default(),
            _ => text("Key")?.ok_or_else(|| missing("Key"))?,
        };
        let location = Location { bucket: text("Bucket")?.ok_or_else(|| missing("Bucket"))?, key, version: text("VersionId")? };
        Ok(Source::Store { location, dataset: reader.dataset.clone(), max_items: max_items.filter(|max| *max > 0) })
    }

    /// A new Map Run. The items are counted first where the tolerance depends on their number.
    async fn begin_run(
        &mut self,
        visit: &Key,
        id: String,
        distributed: &Distributed,
        source: &Source,
        tolerance: Tolerance,
        target: Option<&Target>,
    ) -> Result<MapRun, Halt> {
        let total = match tolerance.depends_on_total() {
            true => Some(self.count(source).await?),
            false => None,
        };
        let run = MapRun { id, total, ..MapRun::default() };
        if let Some(target) = target {
            // A bucket that can't be written to is noticed before anything is done.
            self.write_manifest(target, distributed, &run, &[]).await?;
        }
        self.world.journal.commit(vec![Change::put(Entry::MapRun, visit, &run)?]).await?;
        Ok(run)
    }

    async fn count(&self, source: &Source) -> Result<u64, Failure> {
        let mut items = Items::open(source, &self.world).await?;
        let mut count = 0;
        while items.skip().await? {
            count += 1;
        }
        Ok(count)
    }
}

impl Tolerance {
    fn depends_on_total(&self) -> bool {
        self.percentage.is_some_and(|percentage| percentage > 0.0 && percentage < 100.0)
    }

    /// Whether so many failed items, of so many in all where that is known, are too many.
    fn exceeded(&self, failed: u64, total: Option<u64>) -> bool {
        let by_count = |count: u64| failed > count;
        let by_percentage = |percentage: f64| match total {
            _ if percentage <= 0.0 => failed > 0,
            Some(total) => failed as f64 * 100.0 > percentage * total as f64,
            None => false,
        };
        match (self.count, self.percentage) {
            (None, None) => failed > 0,
            (count, percentage) => count.is_some_and(by_count) || percentage.is_some_and(by_percentage),
        }
    }
}
