//! Executions that only wait. They have no task and no state in memory, only their places in the lists: of a million of
//! them, a server keeps some 170 MB.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Executions;
use super::open::{Brief, Open, OpenSet, Started};
use super::{journal, record::Execution};
use crate::catalog::Moment;
use crate::store::{Batch, KeyReader, Space, Store, StoreError, json};

/// The longest sleep: the wall clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The executions that are continued at once.
const AT_ONCE: usize = 1_000;

impl Executions {
    /// An execution only waits from now on, until this time.
    pub(super) fn park(&self, open: &Arc<Open>, until: Moment) {
        let number = open.record.number;
        let mut batch = Batch::default();
        batch.put(Space::Parked, journal::prefix(number), until.0.to_be_bytes());
        let mut set = self.lock();
        if set.park(open, until) {
            // In the order of the changes of the set. It need not be on disk: without it the execution is run again.
            drop(self.0.store.submit(batch));
            self.0.parked.notify_one();
        }
    }

    /// An execution that has not ended; it is continued if it only waited.
    pub(super) fn awake(&self, set: &mut OpenSet, number: u64) -> Result<Option<Arc<Open>>, StoreError> {
        let (waited, live) = set.unpark(number);
        if !waited {
            return Ok(live);
        }
        let open = match live {
            Some(open) => open,
            None => {
                let found: Option<Execution> =
                    self.0.store.get_json(Space::Open, &journal::prefix(number))?;
                let missing = || StoreError::Broken(format!("the execution {number} is missing"));
                let open = self.open(found.ok_or_else(missing)?, Started::Durable);
                set.revive(open.clone());
                open
            }
        };
        let mut batch = Batch::default();
        batch.remove(Space::Parked, journal::prefix(number));
        drop(self.0.store.submit(batch));
        self.drive(open.clone());
        Ok(Some(open))
    }

    /// Continues executions when they have waited long enough, until the server stops.
    pub(super) fn wake_when_due(&self) {
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                let wait = match this.wake_due() {
                    Ok(wait) => wait,
                    // The store has failed, and with it the server.
                    Err(error) => {
                        tracing::error!(%error, "an execution that waited cannot be continued");
                        return;
                    }
                };
                tokio::select! {
                    () = tokio::time::sleep(wait.min(LOOK_EVERY)) => {}
                    () = this.0.parked.notified() => {}
                    () = this.0.stop.cancelled() => return,
                }
            }
        });
    }

    /// Continues those that are due. Returns the time until there are more.
    fn wake_due(&self) -> Result<Duration, StoreError> {
        let mut set = self.lock();
        for _ in 0..AT_ONCE {
            let Some((until, number)) = set.first_due() else { return Ok(LOOK_EVERY) };
            let wait = until.0 - Moment::now().0;
            if let Ok(wait @ 1..) = u64::try_from(wait) {
                return Ok(Duration::from_micros(wait));
            }
            self.awake(&mut set, number)?;
        }
        Ok(Duration::ZERO)
    }
}

/// Puts the executions that only waited when the server ended into the set. Returns the others, and the number of all.
pub(super) fn load(store: &Store, set: &mut OpenSet) -> Result<(Vec<Execution>, usize), StoreError> {
    let parked = parked_before(store)?;
    let (mut others, mut number) = (Vec::new(), 0);
    store.for_each(Space::Open, &[], |_, value| {
        number += 1;
        let brief: Brief = json(value)?;
        match parked.get(&brief.number()) {
            Some(until) => set.insert_parked(&brief, *until),
            None => others.push(json(value)?),
        }
        Ok(())
    })?;
    Ok((others, number))
}

/// Until when each execution waited when the server ended.
fn parked_before(store: &Store) -> Result<HashMap<u64, Moment>, StoreError> {
    let mut parked = HashMap::new();
    store.for_each(Space::Parked, &[], |key, value| {
        let until = value.try_into().map(i64::from_be_bytes);
        if let (Some(number), Ok(until)) = (KeyReader(key).number(), until) {
            parked.insert(number, Moment(until));
        }
        Ok(())
    })?;
    Ok(parked)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A store in which this many executions only wait. Their names have the length of UUIDs.
    async fn store(folder: &std::path::Path, number: u64) -> Store {
        let store = Store::open(folder).unwrap();
        for first in (0..number).step_by(10_000) {
            let mut batch = Batch::default();
            for i in first..number.min(first + 10_000) {
                let execution = serde_json::json!({"number": i, "name": uuid::Uuid::new_v4().to_string(),
                    "express": null, "machine": "m", "machine_number": 1, "revision": "r", "version": null,
                    "alias": null, "input": "{\"seconds\": 3600}", "trace": null, "started": i, "end": null});
                batch.put_json(Space::Open, journal::prefix(i), &execution);
                batch.put(Space::Parked, journal::prefix(i), (i64::MAX - i.cast_signed()).to_be_bytes());
            }
            store.commit(batch).await.unwrap();
        }
        store
    }

    /// The figure of the documentation.
    async fn measure(number: u64) {
        let folder = tempfile::tempdir().unwrap();
        drop(store(folder.path(), number).await);
        let begun = std::time::Instant::now();
        let store = Store::open(folder.path()).unwrap();
        let opened = begun.elapsed();
        let mut set = OpenSet::default();
        let (others, found) = load(&store, &mut set).unwrap();
        let took = begun.elapsed();
        assert_eq!((others.len(), found, set.parked()), (0, found, found));
        assert_eq!(found as u64, number);
        // What the store itself takes does not depend on the number, so another set of the same size is measured.
        let before = resident();
        let mut other = OpenSet::default();
        load(&store, &mut other).unwrap();
        let each = resident().saturating_sub(before) / found;
        println!("{number} executions that wait: {took:?} to load them, of it {opened:?} to open the store");
        println!("{each} bytes each");
        assert!(each < 200, "{each} bytes");
    }

    #[tokio::test]
    async fn an_execution_that_waits_takes_less_than_200_bytes() {
        measure(50_000).await;
    }

    #[tokio::test]
    #[ignore = "it takes minutes in a debug build"]
    async fn a_million_executions_that_wait_are_loaded() {
        measure(1_000_000).await;
    }

    /// The memory of this process in bytes.
    fn resident() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }
}
