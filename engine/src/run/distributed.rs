//! The Distributed Map: each item is an execution of its own, and items are streamed.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::World;
use super::child::Crew;
use super::events;
use super::frame::{self, Frame, Running};
use super::items::Items;
use super::limits;
use super::results::Target;
use crate::error::{Failure, Halt, Stop};
use crate::journal::{
    Change, Checkpoint, ChildRecord, Frame as FrameEntry, JournalError, Key, Kind as Entry, MapRun, Status, micros, moment,
};
use crate::machine::{Distributed, Map, Scope, State};

/// What a Map Run was asked to do.
pub(super) struct Plan<'a> {
    pub(super) state: &'a State,
    pub(super) map: &'a Map,
    pub(super) distributed: &'a Distributed,
    pub(super) input: &'a Value,
    pub(super) source: Source,
    /// Where the run's entries are.
    pub(super) visit: Key,
    pub(super) run: MapRun,
}

/// Where the items come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    State(Vec<Value>),
    Object { bucket: String, key: String, max_items: Option<u64> },
}

impl Source {
    /// `$$.Map.Item.Source`.
    fn name(&self) -> String {
        match self {
            Source::State(_) => "STATE_DATA".into(),
            Source::Object { bucket, key, .. } => format!("S3://{bucket}/{key}"),
        }
    }
}

struct Tolerance {
    count: Option<u64>,
    percentage: Option<f64>,
}

/// Children that may run at once when nothing else is said.
const CHILDREN: u64 = 10_000;
/// Statuses that are read at once.
const CHUNK: usize = 1_024;

impl Running {
    pub(super) async fn distributed(&mut self, state: &State, map: &Map, distributed: &Distributed, input: &Value) -> Result<Value, Halt> {
        let limit = match self.whole(state, "MaxConcurrency", &map.max_concurrency, input)? {
            None | Some(0) => CHILDREN,
            Some(limit) => limit.min(CHILDREN),
        };
        let tolerance = Tolerance {
            count: self.whole(state, "ToleratedFailureCount", &distributed.tolerated_count, input)?,
            percentage: self.percentage(state, &distributed.tolerated_percentage, input)?,
        };
        let source = self.source(state, map, distributed, input)?;
        let target = self.target(state, distributed, input)?;
        self.save_moved().await?;
        self.map_started(match &source {
            Source::State(items) => items.len(),
            Source::Object { .. } => 0,
        });
        let visit = self.frame.key.visit(self.at.step);
        let run = match self.world.journal.get(Entry::MapRun, &visit)? {
            Some(run) => run,
            None => self.begin_run(&visit, &source, &tolerance).await?,
        };
        let arn = self.frame.identity.map_run(&distributed.label, &run.id);
        let started = self.event(|| "MapRunStarted".into(), || Some(("mapRunStartedEventDetails", json!({"mapRunArn": arn}))));
        let result = self.map_run(Plan { state, map, distributed, input, source, visit, run }, &tolerance, limit as usize, target).await;
        match &result {
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
        result
    }

    async fn map_run(&mut self, mut plan: Plan<'_>, tolerance: &Tolerance, limit: usize, target: Option<Target>) -> Result<Value, Halt> {
        if plan.run.exceeded_at.is_none() {
            self.children(&mut plan, tolerance, limit).await?;
        }
        let result = match &target {
            Some(target) => Some(self.write_results(&plan, target).await?),
            None => None,
        };
        match (plan.run.exceeded_at, result) {
            (Some(_), _) => {
                let cause = "The specified tolerated failure threshold was exceeded";
                Err(Failure::new("States.ExceedToleratedFailureThreshold", cause).into())
            }
            (None, Some(result)) => Ok(result),
            (None, None) => Ok(self.outputs(&plan).await?),
        }
    }

    fn source(&mut self, state: &State, map: &Map, distributed: &Distributed, input: &Value) -> Result<Source, Failure> {
        let Some(reader) = &distributed.reader else { return Ok(Source::State(self.items(state, map, input)?)) };
        let parameters = self.evaluate(state, input, |env| reader.parameters.fill(env))?;
        let max_items = self.whole(state, "MaxItems", &reader.max_items, input);
        let max_items = max_items.map_err(|failure| match failure.cause.starts_with("MaxItems cannot") {
            true => Failure::new("States.ItemReaderFailed", "field MaxItems must be positive"),
            false => failure,
        })?;
        match (parameters["Bucket"].as_str(), parameters["Key"].as_str()) {
            (Some(bucket), Some(key)) => {
                Ok(Source::Object { bucket: bucket.into(), key: key.into(), max_items: max_items.filter(|max| *max > 0) })
            }
            _ => Err(Failure::new("States.ItemReaderFailed", "Bucket and Key of the ItemReader must be strings")),
        }
    }

    /// A new Map Run. The items are counted first where the tolerance depends on their number.
    async fn begin_run(&mut self, visit: &Key, source: &Source, tolerance: &Tolerance) -> Result<MapRun, Halt> {
        let counts = tolerance.percentage.is_some_and(|percentage| percentage > 0.0 && percentage < 100.0);
        let total = match counts {
            true => Some(self.count(source).await?),
            false => None,
        };
        let run = MapRun { id: self.world.host.uuid(), total, exceeded_at: None };
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

    /// Runs all children that have not finished, until all have or too many have failed.
    async fn children(&mut self, plan: &mut Plan<'_>, tolerance: &Tolerance, limit: usize) -> Result<(), Halt> {
        let mut failed = count_failed(&self.world, &plan.visit)?;
        let mut items = Items::open(&plan.source, &self.world).await?;
        let mut finished = Finished::new(&plan.visit);
        let mut crew = Crew::new();
        let mut index = 0;
        let mut all_started = false;
        loop {
            if tolerance.exceeded(failed, plan.run.total) {
                plan.run.exceeded_at = Some(index);
                crew.abort().await;
                return Ok(self.world.journal.commit(vec![Change::put(Entry::MapRun, &plan.visit, &plan.run)?]).await?);
            }
            while !all_started && crew.len() < limit {
                if self.world.cancel.is_cancelled() {
                    return Err(crew.wind_down(&self.world, Stop::Interrupted).await);
                }
                let started = match finished.contains(&self.world, index)? {
                    true => items.skip().await,
                    false => match items.next().await {
                        Ok(Some(value)) => self.start(plan, index, &value, &mut crew).map(|()| true),
                        Ok(None) => Ok(false),
                        Err(failure) => Err(failure),
                    },
                };
                match started {
                    Ok(true) => index += 1,
                    Ok(false) => all_started = true,
                    Err(failure) => {
                        crew.abort().await;
                        return Err(failure.into());
                    }
                }
            }
            match crew.next().await? {
                None => return Ok(()),
                Some(Ok(status)) => failed += u64::from(status == Status::Failed),
                Some(Err(stop)) => return Err(crew.wind_down(&self.world, stop).await),
            }
        }
    }

    fn start(&mut self, plan: &Plan<'_>, index: u64, value: &Value, crew: &mut Crew<Result<Status, Stop>>) -> Result<(), Failure> {
        let (input, by_chance) = self.child_input(plan, index, value)?;
        let key = plan.visit.child(index);
        let name = child_name(&plan.run.id, index);
        let child = Child { world: self.world.clone(), scope: plan.map.processor.clone(), key, by_chance };
        let (parent, label) = (self.frame.identity.clone(), plan.distributed.label.clone());
        crew.spawn(child.run(parent, label, name, input));
        Ok(())
    }

    pub(super) fn child_input(&mut self, plan: &Plan<'_>, index: u64, value: &Value) -> Result<(Value, bool), Failure> {
        let item = json!({"Index": index, "Value": value, "Source": plan.source.name()});
        let (input, by_chance) = self.select(plan.state, plan.map, plan.input, &item)?;
        match limits::size(&input) > limits::DATA {
            true => {
                let cause = format!("The input of child {index} exceeds the maximum number of bytes service limit.");
                Err(Failure::new(crate::error::DATA_LIMIT_EXCEEDED, cause))
            }
            false => Ok((input, by_chance)),
        }
    }

    /// The outputs of all children, where no ResultWriter takes them.
    async fn outputs(&self, plan: &Plan<'_>) -> Result<Value, Halt> {
        let mut outputs = Vec::new();
        let mut size = 2;
        let mut from = 0;
        loop {
            let chunk = self.world.journal.finished(&plan.visit, from, CHUNK)?;
            let Some((last, _)) = chunk.last() else { return Ok(Value::Array(outputs)) };
            from = last + 1;
            for (index, status) in &chunk {
                if *status == Status::Succeeded
                    && let Ok(output) = self.world.journal.record(&plan.visit, *index)?.outcome
                {
                    size += limits::size(&output) + 1;
                    outputs.push(output);
                }
                if size > limits::DATA + 1 {
                    return Err(Failure::too_large(&plan.state.name).into());
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Tolerance {
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

struct Child {
    world: Arc<World>,
    scope: Arc<Scope>,
    key: Key,
    by_chance: bool,
}

impl Child {
    /// Runs the child and leaves one record in place of all that it has recorded itself.
    async fn run(self, parent: Arc<super::context::Identity>, label: String, name: String, input: Value) -> Result<Status, Stop> {
        let Child { world, scope, key, by_chance } = self;
        // What a child has begun with, it goes on with.
        let (started, input) = match world.journal.get(Entry::Frame, &key)? {
            Some(FrameEntry::At(Checkpoint { started, origin, .. })) => (started, origin.unwrap_or(input)),
            _ => (micros(world.host.now()), input),
        };
        let identity = parent.of_child(&label, name, moment(started), input.clone());
        let mut frame = Frame::new(key.clone(), Arc::new(identity));
        frame.by_chance = by_chance;
        let outcome = match frame::run(world.clone(), scope, frame, input.clone()).await {
            Ok(done) => Ok(done.output),
            Err(Halt::Failed(failure)) => Err(failure),
            Err(Halt::Stopped(stop)) => return Err(stop),
        };
        let status = if outcome.is_ok() { Status::Succeeded } else { Status::Failed };
        let record = ChildRecord { input, outcome, started, stopped: micros(world.host.now()) };
        let changes = vec![Change::Clear(key.clone()), Change::status(&key, status), Change::put(Entry::Record, &key, &record)?];
        world.journal.commit(changes).await?;
        Ok(status)
    }
}

/// A UUID that is the same whenever the run goes on.
pub(super) fn child_name(run: &str, index: u64) -> String {
    let digest = Sha256::digest(format!("{run}/{index}"));
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

fn count_failed(world: &World, visit: &Key) -> Result<u64, JournalError> {
    let (mut failed, mut from) = (0, 0);
    loop {
        let chunk = world.journal.finished(visit, from, CHUNK)?;
        let Some((last, _)) = chunk.last() else { return Ok(failed) };
        from = last + 1;
        failed += chunk.iter().filter(|(_, status)| *status == Status::Failed).count() as u64;
    }
}

/// Which children had finished before this run of the machine, asked in rising order.
pub(super) struct Finished {
    visit: Key,
    chunk: VecDeque<(u64, Status)>,
    /// Where the next chunk begins; none when there is no more.
    next: Option<u64>,
}

impl Finished {
    pub(super) fn new(visit: &Key) -> Finished {
        Finished { visit: visit.clone(), chunk: VecDeque::new(), next: Some(0) }
    }

    pub(super) fn contains(&mut self, world: &World, index: u64) -> Result<bool, JournalError> {
        loop {
            while self.chunk.front().is_some_and(|(first, _)| *first < index) {
                self.chunk.pop_front();
            }
            if let Some((first, _)) = self.chunk.front() {
                return Ok(*first == index);
            }
            let Some(from) = self.next else { return Ok(false) };
            // What has ended meanwhile lies below `index`, and does not matter any more.
            self.chunk = world.journal.finished(&self.visit, from.max(index), CHUNK)?.into();
            self.next = match self.chunk.len() {
                CHUNK => self.chunk.back().map(|(last, _)| last + 1),
                _ => None,
            };
        }
    }
}
