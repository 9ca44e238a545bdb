//! The plan of a Map Run: the fields of the Distributed Map, evaluated.

use serde_json::Value;

use super::batches::Batching;
use super::items::{Item, ObjectRef, Source};
use super::results::Target;
use crate::dataset::Dataset;
use crate::failure::Failure;
use crate::journal::MapRunLimits;
use crate::machine::{Distributed, MapState, Reader, State};
use crate::quotas::MAX_CHILDREN;
use crate::run::frame::Running;
use crate::run::map::array;

/// What a Map Run is asked to do.
pub(super) struct Plan<'a> {
    pub(super) state: &'a State,
    pub(super) map: &'a MapState,
    pub(super) distributed: &'a Distributed,
    pub(super) input: &'a Value,
    pub(super) batching: Option<Batching>,
    pub(super) target: Option<Target>,
    /// The limits that the definition sets. They may be changed while the run lasts.
    pub(super) limits: MapRunLimits,
}

impl<'a> Plan<'a> {
    /// Evaluates the fields and records the start of the Map. The source is returned as a result of its own,
    /// because its failure is a failure of the Map Run, which has not begun yet.
    pub(super) fn evaluate(
        running: &mut Running,
        state: &'a State,
        map: &'a MapState,
        distributed: &'a Distributed,
        input: &'a Value,
    ) -> Result<(Self, Result<Source, Failure>), Failure> {
        let max_concurrency =
            match running.whole_number(state, "MaxConcurrency", &map.max_concurrency, input)? {
                None | Some(0) => MAX_CHILDREN,
                Some(limit) => limit.min(MAX_CHILDREN),
            };
        let items = match &distributed.reader {
            None => Some(state_items(running, state, map, input)?),
            Some(_) => None,
        };
        running.record_map_started(items.as_ref().map_or(0, Vec::len));
        let count = &distributed.tolerated_count;
        let limits = MapRunLimits {
            max_concurrency,
            tolerated_failure_count: running.whole_number(state, "ToleratedFailureCount", count, input)?,
            tolerated_failure_percentage: running.percentage(
                state,
                &distributed.tolerated_percentage,
                input,
            )?,
        };
        let source = match &distributed.reader {
            Some(reader) => stored_source(running, state, reader, input),
            None => Ok(Source::State(items.unwrap_or_default())),
        };
        let batching = match &distributed.batcher {
            None => None,
            Some(batcher) => Some(Batching::evaluate(running, state, batcher, input)?),
        };
        let target = Target::evaluate(running, state, distributed, input)?;
        let plan = Self { state, map, distributed, input, batching, target, limits };
        Ok((plan, source))
    }
}

fn state_items(
    running: &mut Running,
    state: &State,
    map: &MapState,
    input: &Value,
) -> Result<Vec<Item>, Failure> {
    match running.items_value(state, map, input)? {
        Value::Object(pairs) => {
            Ok(pairs.into_iter().map(|(key, value)| Item { key: Some(key), value }).collect())
        }
        items => Ok(array(items, &map.items)?.into_iter().map(|value| Item { key: None, value }).collect()),
    }
}

fn stored_source(
    running: &mut Running,
    state: &State,
    reader: &Reader,
    input: &Value,
) -> Result<Source, Failure> {
    let parameters = running.evaluate(state, input, |env| reader.parameters.fill(env))?;
    let max_items = running.whole_number(state, "MaxItems", &reader.max_items, input);
    let max_items = max_items.map_err(|failure| {
        if failure.cause.starts_with("MaxItems cannot") {
            reader_failed("field MaxItems must be positive")
        } else {
            failure
        }
    })?;
    let text = |name: &str| match &parameters[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        other => Err(reader_failed(format!("{name} of the ItemReader must be a string but is {other}"))),
    };
    let missing = |name| reader_failed(format!("{name} of the ItemReader must be a string"));
    let key = match &reader.dataset {
        Dataset::Listing | Dataset::Listed(_) => text("Prefix")?.unwrap_or_default(),
        _ => text("Key")?.ok_or_else(|| missing("Key"))?,
    };
    let location = ObjectRef {
        bucket: text("Bucket")?.ok_or_else(|| missing("Bucket"))?,
        key,
        version: text("VersionId")?,
    };
    Ok(Source::Store {
        location,
        dataset: reader.dataset.clone(),
        max_items: max_items.filter(|max| *max > 0),
    })
}

fn reader_failed(cause: impl Into<String>) -> Failure {
    Failure::new("States.ItemReaderFailed", cause)
}

impl MapRunLimits {
    /// Whether all items must be counted before the first child starts.
    pub(super) fn depend_on_total(&self) -> bool {
        self.tolerated_failure_percentage.is_some_and(|percentage| percentage > 0.0 && percentage < 100.0)
    }

    /// Whether `failed` items are too many; `total` is the number of all items, if it is known.
    pub(super) fn exceeded(&self, failed: u64, total: Option<u64>) -> bool {
        let by_count = |count: u64| failed > count;
        let by_percentage = |percentage: f64| match total {
            _ if percentage <= 0.0 => failed > 0,
            Some(total) => failed as f64 * 100.0 > percentage * total as f64,
            None => false,
        };
        match (self.tolerated_failure_count, self.tolerated_failure_percentage) {
            (None, None) => failed > 0,
            (count, percentage) => count.is_some_and(by_count) || percentage.is_some_and(by_percentage),
        }
    }
}
