//! A database that keeps the journals of many executions, and loses what is not durable when it crashes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use engine::{Batch, Ended, Event, Journal, JournalError, JournalStore, KeyValue, StoreChange};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

/// The database. A group of batches becomes durable at once, some time after the first was taken; or each
/// batch at once.
#[derive(Clone, Default)]
pub(crate) struct Database(Arc<Shared>);

#[derive(Default)]
struct Shared {
    at_once: bool,
    state: Mutex<State>,
    /// Notified when a batch meets the end of the writes.
    hung: Notify,
}

#[derive(Default)]
struct State {
    durable: BTreeMap<(u64, Vec<u8>), Vec<u8>>,
    events: BTreeMap<u64, Vec<Event>>,
    ended: BTreeMap<u64, Ended>,
    /// The number of events of the largest batch.
    most_events: usize,
    taken: Vec<(u64, u64, Batch)>,
    numbered: u64,
    /// The number of the last durable batch.
    written: u64,
    batches: u64,
    /// After so many batches nothing is written any more.
    most: Option<u64>,
}

/// The view of one execution.
struct Entries {
    database: Database,
    execution: u64,
}

impl Database {
    /// A database that writes each batch when it is taken.
    #[allow(dead_code)]
    pub(crate) fn at_once() -> Self {
        Database(Arc::new(Shared { at_once: true, ..Shared::default() }))
    }

    pub(crate) fn journal(&self, execution: u64) -> Journal {
        Journal::over(Arc::new(Entries { database: self.clone(), execution }))
    }

    /// Forgets what is not durable.
    #[allow(dead_code)]
    pub(crate) fn crash(&self) {
        self.state().taken.clear();
    }

    /// Writes only so many batches from now on.
    #[allow(dead_code)]
    pub(crate) fn write_only(&self, batches: Option<u64>) {
        let mut state = self.state();
        state.most = batches.map(|batches| state.batches + batches);
    }

    /// Waits until a batch cannot be written.
    #[allow(dead_code)]
    pub(crate) async fn hung(&self) {
        self.0.hung.notified().await;
    }

    /// The number of entries of an execution.
    #[allow(dead_code)]
    pub(crate) fn entries(&self, execution: u64) -> usize {
        self.state().durable.keys().filter(|(of, _)| *of == execution).count()
    }

    /// The history of an execution.
    #[allow(dead_code)]
    pub(crate) fn events(&self, execution: u64) -> Vec<Event> {
        self.state().events.get(&execution).cloned().unwrap_or_default()
    }

    #[allow(dead_code)]
    pub(crate) fn ended(&self, execution: u64) -> Option<Ended> {
        self.state().ended.get(&execution).cloned()
    }

    /// The number of batches so far.
    #[allow(dead_code)]
    pub(crate) fn batches(&self) -> u64 {
        self.state().batches
    }

    #[allow(dead_code)]
    pub(crate) fn most_events(&self) -> usize {
        self.state().most_events
    }

    /// Writes a batch of the host.
    #[allow(dead_code)]
    pub(crate) fn write(&self, execution: u64, batch: Batch) {
        let mut state = self.state();
        state.batches += 1;
        state.write(execution, batch);
    }

    /// Writes everything that was taken. Returns whether the batch of this number is durable.
    fn flush(&self, number: u64) -> bool {
        let mut state = self.state();
        for (number, execution, batch) in std::mem::take(&mut state.taken) {
            if state.most.is_some_and(|most| state.batches >= most) {
                break;
            }
            state.batches += 1;
            state.written = number;
            state.write(execution, batch);
        }
        state.written >= number
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }
}

impl State {
    fn write(&mut self, execution: u64, batch: Batch) {
        let redriven = batch.events.iter().any(|event| event.kind == "ExecutionRedriven");
        let ended = if redriven {
            self.ended.remove(&execution).is_none()
        } else {
            self.ended.contains_key(&execution)
        };
        assert!(!ended, "{execution} has ended");
        let events = self.events.entry(execution).or_default();
        self.most_events = self.most_events.max(batch.events.len());
        for event in batch.events {
            assert_eq!(event.id, events.len() as u64 + 1, "{execution} has a gap: {event:?}");
            events.push(event);
        }
        if let Some(end) = batch.end {
            self.ended.insert(execution, end);
        }
        for change in batch.changes {
            match change {
                StoreChange::Put { key, value } => _ = self.durable.insert((execution, key), value),
                StoreChange::Remove { key } => _ = self.durable.remove(&(execution, key)),
                StoreChange::Clear { prefix } => {
                    self.durable.retain(|(of, key), _| *of != execution || !key.starts_with(&prefix));
                }
            }
        }
    }
}

impl JournalStore for Entries {
    fn commit(&self, batch: Batch) -> BoxFuture<'static, Result<(), JournalError>> {
        let database = self.database.clone();
        let mut state = database.state();
        state.numbered += 1;
        let number = state.numbered;
        state.taken.push((number, self.execution, batch));
        drop(state);
        if database.0.at_once {
            database.flush(number);
            return std::future::ready(Ok(())).boxed();
        }
        async move {
            tokio::task::yield_now().await;
            if database.flush(number) {
                return Ok(());
            }
            database.0.hung.notify_one();
            std::future::pending().await
        }
        .boxed()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.database.state().durable.get(&(self.execution, key.to_vec())).cloned())
    }

    fn last_event(&self) -> Result<Option<u64>, JournalError> {
        Ok(Some(self.database.events(self.execution).len() as u64))
    }

    fn range(&self, first: &[u8], last: &[u8], limit: usize) -> Result<Vec<KeyValue>, JournalError> {
        let state = self.database.state();
        let within = (self.execution, first.to_vec())..=(self.execution, last.to_vec());
        let found = state.durable.range(within).take(limit);
        Ok(found.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }
}
