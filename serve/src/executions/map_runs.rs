//! The Map Runs of executions. Those under way are read from the engine; the others are records.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Counts, MapRunStatus, Phase};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::catalog::Moment;
use crate::store::{Batch, KeyReader, KeyWriter, Space, Store, StoreError};

/// The Map Runs of all executions. Clones share them.
#[derive(Clone)]
pub(crate) struct MapRuns(Arc<Shared>);

struct Shared {
    store: Store,
    /// Those of executions that have not ended, by ARN.
    under_way: Mutex<HashMap<String, UnderWay>>,
}

struct UnderWay {
    status: Arc<MapRunStatus>,
    started: Moment,
    stopped: Option<Moment>,
}

/// A Map Run, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MapRun {
    pub(crate) arn: String,
    pub(crate) execution: String,
    pub(crate) started: Moment,
    pub(crate) stopped: Option<Moment>,
    /// The members of `DescribeMapRun` apart from ARNs and times.
    pub(crate) shown: Value,
}

impl MapRun {
    pub(super) fn put(&self, batch: &mut Batch) {
        batch.put_json(Space::MapRuns, arn_key(&self.arn), self);
        let position = u64::try_from(self.started.0).unwrap_or_default();
        let key = execution_prefix(&self.execution).number(position).text(&self.arn).done();
        batch.put(Space::MapRuns, key, self.arn.as_str());
    }
}

fn arn_key(arn: &str) -> Vec<u8> {
    KeyWriter::default().byte(b'a').text(arn).done()
}

fn execution_prefix(execution: &str) -> KeyWriter {
    KeyWriter::default().byte(b'e').text(execution)
}

impl MapRuns {
    pub(super) fn new(store: Store) -> Self {
        Self(Arc::new(Shared { store, under_way: Mutex::default() }))
    }

    /// A Map Run begins or is continued. Those inside of the children of others are not kept, because the API
    /// shows no children.
    pub(super) fn began(&self, status: &Arc<MapRunStatus>) {
        let is_child =
            |execution: &str| execution.split(':').nth(6).is_some_and(|machine| machine.contains('/'));
        if is_child(&status.execution) {
            return;
        }
        let known: Option<MapRun> =
            self.0.store.get_json(Space::MapRuns, &arn_key(&status.arn)).unwrap_or_default();
        let started = known.map_or_else(Moment::now, |known| known.started);
        let run = UnderWay { status: status.clone(), started, stopped: None };
        let mut batch = Batch::default();
        run.record().put(&mut batch);
        // It is written with the next batch of the execution at the latest, because batches have an order.
        drop(self.0.store.submit(batch));
        let this = self.clone();
        let ending = status.clone();
        tokio::spawn(async move {
            ending.wait().await;
            let mut under_way = this.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(run) = under_way.get_mut(&ending.arn) {
                run.stopped = Some(Moment::now());
            }
        });
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(status.arn.clone(), run);
    }

    /// Takes the Map Runs of an execution that ends.
    pub(super) fn ended(&self, execution: &str, now: Moment) -> Vec<MapRun> {
        let mut under_way = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = under_way.extract_if(|_, run| run.status.execution == execution);
        of_it
            .map(|(_, run)| {
                let mut record = run.record();
                record.stopped = record.stopped.or(Some(now));
                if run.status.phase() == Phase::Running {
                    record.shown["status"] = "ABORTED".into();
                }
                record
            })
            .collect()
    }

    /// The status of a Map Run of an execution that has not ended.
    pub(crate) fn under_way(&self, arn: &str) -> Option<Arc<MapRunStatus>> {
        let under_way = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.get(arn).map(|run| run.status.clone())
    }

    pub(crate) fn find(&self, arn: &str) -> Result<Option<MapRun>, StoreError> {
        let under_way = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        match under_way.get(arn) {
            Some(run) => Ok(Some(run.record())),
            None => self.0.store.get_json(Space::MapRuns, &arn_key(arn)),
        }
    }

    /// The Map Runs of an execution after a position, in the order in which they began, with their positions.
    pub(crate) fn of_execution(
        &self,
        execution: &str,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, MapRun)>, StoreError> {
        let prefix = execution_prefix(execution).done();
        let from = match after {
            Some(after) => {
                Bound::Included(execution_prefix(execution).number(after.saturating_add(1)).done())
            }
            None => Bound::Included(prefix.clone()),
        };
        let mut found = Vec::new();
        for (key, arn) in self.0.store.page(Space::MapRuns, &prefix, from, limit)? {
            let position = KeyReader(&key[prefix.len()..]).number().unwrap_or_default();
            if let Some(run) = self.find(&String::from_utf8_lossy(&arn))? {
                found.push((position, run));
            }
        }
        Ok(found)
    }
}

/// Removes the Map Runs of an execution that has ended.
pub(super) fn forget(store: &Store, batch: &mut Batch, execution: &str) -> Result<(), StoreError> {
    store.for_each(Space::MapRuns, &execution_prefix(execution).done(), |key, arn| {
        batch.remove(Space::MapRuns, key);
        batch.remove(Space::MapRuns, arn_key(&String::from_utf8_lossy(arn)));
        Ok(())
    })
}

impl UnderWay {
    fn record(&self) -> MapRun {
        let (status, limits) = (&self.status, self.status.limits());
        let phase = match status.phase() {
            Phase::Running => "RUNNING",
            Phase::Succeeded => "SUCCEEDED",
            Phase::Failed => "FAILED",
            Phase::Aborted => "ABORTED",
        };
        let shown = json!({
            "status": phase,
            "maxConcurrency": limits.max_concurrency,
            "toleratedFailurePercentage": limits.tolerated_failure_percentage.unwrap_or(0.0),
            "toleratedFailureCount": limits.tolerated_failure_count.unwrap_or(0),
            "itemCounts": counts(status.items()),
            "executionCounts": counts(status.executions()),
            "redriveCount": status.redrives,
        });
        MapRun {
            arn: status.arn.clone(),
            execution: status.execution.clone(),
            started: self.started,
            stopped: self.stopped,
            shown,
        }
    }
}

fn counts(counts: Counts) -> Value {
    json!({
        "pending": counts.pending,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "timedOut": counts.timed_out,
        "aborted": counts.aborted,
        "total": counts.total,
        "resultsWritten": counts.results_written,
        "failuresNotRedrivable": 0,
        "pendingRedrive": 0,
    })
}
