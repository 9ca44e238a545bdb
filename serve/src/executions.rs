//! The executions of a server: started, run by the engine, continued after a restart, stopped, redriven,
//! found and listed.

mod forget;
mod journal;
mod list;
mod map_runs;
mod open;
mod park;
mod recent;
mod record;
mod redrive;
mod run;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use forget::forget;
use journal::ExecutionJournal;
pub(crate) use list::Listing;
pub(crate) use map_runs::MapRun;
pub(crate) use open::Open;
use open::{OpenSet, Started};
#[cfg(test)]
pub(crate) use record::End;
pub(crate) use record::{Execution, Position, Status};
use record::{Found, name_key};
pub(crate) use run::rfc3339;

use crate::api::ApiError;
use crate::arn::Place;
use crate::catalog::{Catalog, Machine, Moment};
use crate::jobs::Jobs;
use crate::notify::Notes;
use crate::store::{Batch, KeyReader, Space, Store, StoreError};

/// How long the name of an execution that has ended stays taken: 90 days, in microseconds.
const NAME_TAKEN: i64 = 90 * 24 * 60 * 60 * 1_000_000;
/// The most executions that have not ended.
const MOST_OPEN: usize = 1_000_000;

/// All executions. Clones share them.
#[derive(Clone)]
pub(crate) struct Executions(Arc<Shared>);

struct Shared {
    store: Store,
    catalog: Arc<Catalog>,
    place: Place,
    jobs: Arc<dyn Jobs>,
    host: OnceLock<states::Host>,
    open: Mutex<OpenSet>,
    /// The highest number of an execution.
    last: AtomicU64,
    /// Machines that have been compiled, by revision.
    compiled: Mutex<HashMap<String, Arc<engine::Machine>>>,
    map_runs: map_runs::MapRuns,
    recent: recent::Recent,
    notes: Notes,
    /// Told of an execution that only waits.
    parked: Notify,
    stop: CancellationToken,
    running: TaskTracker,
}

/// A start that has been asked for.
pub(crate) struct NewExecution {
    pub(crate) machine: Arc<Machine>,
    pub(crate) revision: String,
    pub(crate) version: Option<u32>,
    pub(crate) alias: Option<String>,
    pub(crate) name: String,
    pub(crate) input: String,
    pub(crate) trace: Option<String>,
}

impl NewExecution {
    /// The record of the execution, which starts now.
    pub(crate) fn record(self, number: u64) -> Execution {
        Execution {
            number,
            express: self.machine.express.then(|| uuid::Uuid::new_v4().to_string()),
            name: self.name,
            machine: self.machine.name.clone(),
            machine_number: self.machine.number,
            revision: self.revision,
            version: self.version,
            alias: self.alias,
            input: self.input,
            trace: self.trace,
            started: Moment::now(),
            end: None,
            redrives: Vec::new(),
        }
    }
}

/// Fails if one more execution would be too many.
fn refuse_too_many(open: &OpenSet) -> Result<(), ApiError> {
    if open.len() < MOST_OPEN {
        return Ok(());
    }
    let message = format!("Execution Limit Exceeded: {MOST_OPEN} executions are open");
    Err(ApiError::new("ExecutionLimitExceeded", message))
}

impl Executions {
    pub(crate) fn new(
        store: Store,
        catalog: Arc<Catalog>,
        place: Place,
        jobs: Arc<dyn Jobs>,
        notes: Notes,
        stop: CancellationToken,
    ) -> Result<Self, StoreError> {
        let mut last = 0;
        for space in [Space::Open, Space::Events, Space::Journal] {
            let found = store.page_back(space, &[], std::ops::Bound::Unbounded, 1)?;
            let number = found.first().and_then(|(key, _)| KeyReader(key).number());
            last = last.max(number.unwrap_or(0));
        }
        Ok(Self(Arc::new(Shared {
            map_runs: map_runs::MapRuns::new(store.clone()),
            recent: recent::Recent::default(),
            parked: Notify::new(),
            store,
            catalog,
            place,
            jobs,
            host: OnceLock::new(),
            open: Mutex::default(),
            last: AtomicU64::new(last),
            compiled: Mutex::default(),
            notes,
            stop,
            running: TaskTracker::new(),
        })))
    }

    /// The host of all executions, which is set once before the first of them.
    pub(crate) fn set_host(&self, host: states::Host) {
        let runs = self.0.map_runs.clone();
        let host = host.with_map_runs(Arc::new(move |status| runs.began(status)));
        // A second host would be a bug of the caller; the first one stays.
        let _ = self.0.host.set(host);
    }

    pub(crate) fn host(&self) -> &states::Host {
        self.0.host.get().expect("the host is set before the server listens")
    }

    /// Continues the executions that had not ended when the server ended; those that only waited go on to wait.
    /// Returns their number.
    pub(crate) fn resume(&self) -> Result<usize, StoreError> {
        let (found, number) = park::load(&self.0.store, &mut self.lock())?;
        for record in found {
            let open = self.open(record, Started::Durable);
            self.lock().insert(open.clone());
            self.drive(open);
        }
        self.wake_when_due();
        let mut after = String::new();
        loop {
            let page = self.0.catalog.machines_after(&after, 100);
            let Some(last) = page.last() else { return Ok(number) };
            after.clone_from(&last.name);
            for machine in page.iter().filter(|machine| machine.deleting) {
                self.finish_deletion(machine);
            }
        }
    }

    /// Starts an execution. The start is on disk when this returns. A Standard execution of the same name and
    /// input that runs is returned in its place.
    pub(crate) async fn start(&self, new: NewExecution) -> Result<Arc<Open>, ApiError> {
        let record = new.record(self.next_number());
        let beginning = self.beginning(&record)?;
        let open = {
            let mut set = self.lock();
            let named = record.express.is_none().then(|| set.named(&record.machine, &record.name)).flatten();
            match named.map(|number| self.awake(&mut set, number)).transpose()?.flatten() {
                Some(found) => Err(found),
                None => {
                    self.refuse_taken_name(&record)?;
                    refuse_too_many(&set)?;
                    let open = self.open(record.clone(), Started::NotYet);
                    set.insert(open.clone());
                    Ok(open)
                }
            }
        };
        let open = match open {
            Ok(open) => open,
            Err(found) => {
                let same = found.record.input == record.input
                    && found.record.machine_number == record.machine_number
                    && found.end().is_none();
                if !same {
                    return Err(self.taken(&record));
                }
                if !found.is_durable().await {
                    return Err(ApiError::unavailable("the store cannot be written"));
                }
                return Ok(found);
            }
        };
        let mut batch = Batch::default();
        batch.put_json(Space::Open, journal::prefix(record.number), &record);
        journal::put_changes(&mut batch, record.number, beginning.changes);
        if record.express.is_none() {
            let found = Found::Open(record.number).to_bytes();
            batch.put(Space::Names, name_key(&record.machine, &record.name), found);
            journal::put_events(&mut batch, record.number, &beginning.events);
        }
        // The work goes on although the caller may not wait: the start must not be half done.
        let (this, started) = (self.clone(), open.clone());
        let written = self.0.store.submit(batch);
        let done = tokio::spawn(async move {
            let written = written.await;
            match &written {
                Ok(()) => {
                    this.0.store.metrics().started(&started.record.machine);
                    started.set_started(Started::Durable);
                    this.drive(started);
                }
                Err(_) => {
                    started.set_started(Started::Failed);
                    this.lock().remove(&started.record);
                }
            }
            written
        });
        done.await.unwrap_or_else(|_| Err(StoreError::Broken("the start failed".into())))?;
        Ok(open)
    }

    fn refuse_taken_name(&self, record: &Execution) -> Result<(), ApiError> {
        if record.express.is_some() {
            return Ok(());
        }
        let Some(found) = self.closed(&record.machine, &record.name)? else { return Ok(()) };
        let since = Moment::now().0 - found.stopped().0;
        let free = found.machine_number != record.machine_number || since > NAME_TAKEN;
        if free { Ok(()) } else { Err(self.taken(record)) }
    }

    fn taken(&self, record: &Execution) -> ApiError {
        ApiError::about("ExecutionAlreadyExists", "Execution Already Exists", &record.arn(&self.0.place))
    }

    /// The number of executions that have not ended, by machine.
    pub(crate) fn open_by_machine(&self) -> Vec<(String, usize)> {
        self.lock().count_by_machine()
    }

    /// The number of executions that only wait.
    pub(crate) fn number_parked(&self) -> usize {
        self.lock().parked()
    }

    /// The record of an execution that has not ended.
    fn open_record(&self, number: u64) -> Result<Option<Execution>, StoreError> {
        match self.lock().live(number) {
            Some(open) => Ok(Some(open.record.clone())),
            None => self.0.store.get_json(Space::Open, &journal::prefix(number)),
        }
    }

    /// The execution of a name, as it is now.
    pub(crate) fn find(&self, machine: &str, name: &str) -> Result<Option<Execution>, StoreError> {
        let named = self.lock().named(machine, name);
        let Some(number) = named else { return self.closed(machine, name) };
        if let Some(open) = self.lock().live(number) {
            return Ok(Some(
                open.end().map_or_else(|| open.record.clone(), |ended| Execution::clone(&ended)),
            ));
        }
        match self.open_record(number)? {
            Some(record) => Ok(Some(record)),
            // It has ended meanwhile.
            None => self.closed(machine, name),
        }
    }

    /// The execution of a name that has ended.
    fn closed(&self, machine: &str, name: &str) -> Result<Option<Execution>, StoreError> {
        let found = self.0.store.get(Space::Names, &name_key(machine, name))?;
        match found.and_then(|found| Found::parse(&found)) {
            Some(Found::Closed(key)) => self.0.store.get_json(Space::Closed, &key),
            _ => Ok(None),
        }
    }

    /// A page of the events of an execution: from the event `from` on, or downwards from it.
    pub(crate) fn events(
        &self,
        execution: &Execution,
        from: u64,
        backward: bool,
        limit: usize,
    ) -> Result<Vec<Value>, StoreError> {
        let open = self.lock().live(execution.number).filter(|open| open.end().is_none());
        // Those that are not in the store yet follow those that are. They are read first, because they may be
        // written meanwhile.
        let mut pending = open.map(|open| open.engine_journal.pending_events()).unwrap_or_default();
        let mut found = Vec::new();
        let id = |event: &Value| event["id"].as_u64().unwrap_or_default();
        if backward {
            pending.retain(|event| event.id <= from);
            found.extend(pending.iter().rev().take(limit).map(engine::Event::to_json));
            let below = found.last().map_or(Some(from), |last| id(last).checked_sub(1));
            if let Some(below) = below {
                let rest = limit - found.len();
                found.extend(journal::events(&self.0.store, execution.number, below, true, rest)?);
            }
        } else {
            found = journal::events(&self.0.store, execution.number, from, false, limit)?;
            let last = found.last().map_or(from.saturating_sub(1), id);
            pending.retain(|event| event.id > last);
            let rest = limit - found.len();
            found.extend(pending.iter().take(rest).map(engine::Event::to_json));
        }
        Ok(found)
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn metrics(&self) -> &crate::metrics::Metrics {
        self.0.store.metrics()
    }

    pub(crate) fn map_runs(&self) -> &map_runs::MapRuns {
        &self.0.map_runs
    }

    /// Stops the executions of a machine that is being deleted, and then removes it.
    pub(crate) fn finish_deletion(&self, machine: &Arc<Machine>) -> tokio::task::JoinHandle<()> {
        let (this, machine) = (self.clone(), machine.clone());
        self.0.running.spawn(async move {
            loop {
                let first = this.lock().of_machine(machine.number, None).next();
                let Some(first) = first else { break };
                if let Err(error) = this.stop_number(first.number, "", "").await {
                    tracing::error!(
                        error = error.message,
                        "an execution of a deleted machine cannot be stopped"
                    );
                    return;
                }
            }
            let removed = this.0.catalog.change_machine(&machine.name, |found| {
                let machine = found.cloned().filter(|found| found.number != machine.number);
                Ok(crate::catalog::Changed { machine, revision: None, result: () })
            });
            if let Err(error) = removed.await {
                tracing::error!(error = error.message, "a deleted machine cannot be removed");
            }
        })
    }

    /// Waits until the executions have saved their progress. The server's token to stop has been cancelled.
    pub(crate) async fn close(&self) {
        self.0.running.close();
        self.0.running.wait().await;
    }

    fn open(&self, record: Execution, started: Started) -> Arc<Open> {
        let (store, arn) = (self.0.store.clone(), record.arn(&self.0.place));
        let (map_runs, notes) = (self.0.map_runs.clone(), self.0.notes.clone());
        let journal = ExecutionJournal::new(store, record.clone(), arn, map_runs, notes);
        Open::new(record, started, journal)
    }

    fn next_number(&self) -> u64 {
        let now = u64::try_from(Moment::now().0).unwrap_or_default();
        let next = |last: u64| Some(now.max(last + 1));
        let last = self.0.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        now.max(last.unwrap_or_default() + 1)
    }

    fn lock(&self) -> MutexGuard<'_, OpenSet> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
