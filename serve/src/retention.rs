//! What is forgotten: executions that have ended, with their histories, and records of what people did, after a number
//! of days, and the oldest executions when the store is too large. It happens in small steps, while all other work goes on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::arn::Place;
use crate::catalog::Moment;
use crate::executions::{Execution, forget};
use crate::settings::Retention;
use crate::store::{Batch, KeyReader, KeyWriter, Space, Store, StoreError, json};

/// The time between two looks.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// The most entries that are forgotten with one batch.
const STEP: usize = 200;
/// A day in microseconds.
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

impl Retention {
    /// Forgets what is too old or too much until the server stops.
    pub(crate) async fn run(self, store: Store, place: Place, stop: CancellationToken) {
        loop {
            // When the store has failed, the server ends.
            if let Err(error) = self.look(&store, &place, Moment::now(), &stop).await {
                tracing::warn!(%error, "old executions cannot be forgotten");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Forgets what is too old at this time, and then what is too much.
    async fn look(
        &self,
        store: &Store,
        place: &Place,
        now: Moment,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        if let Some(days) = self.days {
            let before = Moment(now.0.saturating_sub(i64::from(days).saturating_mul(DAY)));
            forget_executions(store, place, stop, |execution, _| execution.stopped() < before).await?;
            forget_records(store, Space::Audit, &[], before, stop).await?;
            forget_records(store, Space::Inbox, b"s", before, stop).await?;
        }
        while let Some(bytes) = self.bytes
            && !stop.is_cancelled()
        {
            let excess = store.size().saturating_sub(bytes);
            if excess == 0 {
                break;
            }
            // What is forgotten is at least this large on disk, and the store may be smaller than its entries: it is
            // looked at again rather than that too much is forgotten.
            let found = forget_executions(store, place, stop, |_, forgotten| forgotten < excess).await?;
            if found == 0 {
                break;
            }
            let store = store.clone();
            let compacted = tokio::task::spawn_blocking(move || store.compact()).await;
            compacted.map_err(|error| StoreError::Broken(error.to_string()))??;
        }
        Ok(())
    }
}

/// Forgets the executions that ended first, as long as the next one is to be forgotten, which depends on the bytes of
/// those before it. Returns their number.
async fn forget_executions(
    store: &Store,
    place: &Place,
    stop: &CancellationToken,
    is_next: impl Fn(&Execution, u64) -> bool,
) -> Result<usize, StoreError> {
    let (mut number, mut bytes) = (0, 0);
    let mut oldest = Oldest::of(store)?;
    let (mut batch, mut size) = (Batch::default(), 0);
    while let Some((key, execution)) = oldest.next(store)? {
        if stop.is_cancelled() || !is_next(&execution, bytes) {
            break;
        }
        bytes += forget(store, place, &mut batch, &key, &execution)?;
        (number, size) = (number + 1, size + 1);
        if size == STEP {
            store.commit(std::mem::take(&mut batch)).await?;
            size = 0;
        }
    }
    if size > 0 {
        store.commit(batch).await?;
    }
    Ok(number)
}

/// Forgets records whose keys are a prefix and their time.
async fn forget_records(
    store: &Store,
    space: Space,
    prefix: &[u8],
    before: Moment,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    loop {
        let page = store.page(space, prefix, Bound::Included(prefix.to_vec()), STEP)?;
        let is_old = |key: &[u8]| {
            let time = KeyReader(&key[prefix.len()..]).number().and_then(|time| i64::try_from(time).ok());
            time.is_some_and(|time| time < before.0)
        };
        let old: Vec<_> = page.iter().map(|(key, _)| key).take_while(|key| is_old(key)).collect();
        if old.is_empty() || stop.is_cancelled() {
            return Ok(());
        }
        let mut batch = Batch::default();
        old.iter().for_each(|key| batch.remove(space, key.as_slice()));
        let all = old.len() == STEP;
        store.commit(batch).await?;
        if !all {
            return Ok(());
        }
    }
}

/// The executions of all machines that have ended, in the order of their ends. They are stored by machine and status,
/// so the first of each is kept at hand.
struct Oldest(BinaryHeap<Reverse<(u64, Vec<u8>)>>);

/// The bytes before the time in a key: the machine's number and the status.
const LIST: usize = 9;

impl Oldest {
    fn of(store: &Store) -> Result<Self, StoreError> {
        let mut oldest = Self(BinaryHeap::new());
        let mut from = Bound::Unbounded;
        while let Some((key, _)) = store.page(Space::Closed, &[], from, 1)?.pop() {
            // After all keys of this list.
            let mut last = key[..LIST.min(key.len())].to_vec();
            oldest.push(key);
            last.extend([0xff; 17]);
            from = Bound::Excluded(last);
        }
        Ok(oldest)
    }

    fn push(&mut self, key: Vec<u8>) {
        let time = key.get(LIST..).and_then(|rest| KeyReader(rest).number()).unwrap_or_default();
        self.0.push(Reverse((time, key)));
    }

    /// The next one, and its key.
    fn next(&mut self, store: &Store) -> Result<Option<(Vec<u8>, Execution)>, StoreError> {
        loop {
            let Some(Reverse((_, key))) = self.0.pop() else { return Ok(None) };
            let list = KeyWriter::default().bytes(&key[..LIST.min(key.len())]).done();
            let after = store.page(Space::Closed, &list, Bound::Excluded(key.clone()), 1)?;
            after.into_iter().for_each(|(key, _)| self.push(key));
            // It may have been redriven meanwhile.
            if let Some(value) = store.get(Space::Closed, &key)? {
                return Ok(Some((key, json(&value)?)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::executions::{End, Status};

    #[tokio::test]
    async fn records_are_forgotten_by_their_time_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut batch = Batch::default();
        for time in 0..1_000_u64 {
            batch.put(Space::Inbox, KeyWriter::default().byte(b's').number(time).done(), "sent");
            batch.put(Space::Inbox, KeyWriter::default().byte(b'w').number(time).done(), "waits");
        }
        store.commit(batch).await.unwrap();
        let stop = CancellationToken::new();
        forget_records(&store, Space::Inbox, b"s", Moment(700), &stop).await.unwrap();
        let number = |prefix: &[u8]| {
            let mut number = 0;
            store
                .for_each(Space::Inbox, prefix, |_, _| {
                    number += 1;
                    Ok(())
                })
                .unwrap();
            number
        };
        assert_eq!((number(b"s"), number(b"w")), (300, 1_000));
    }

    fn place() -> Place {
        Place { region: "us-east-1".into(), account: "000000000000".into() }
    }

    fn closed(number: u64, machine: u64, name: &str, status: Status, stopped: Moment) -> Execution {
        Execution {
            number,
            name: name.into(),
            express: None,
            machine: "m".into(),
            machine_number: machine,
            revision: String::new(),
            version: None,
            alias: None,
            input: "{}".into(),
            trace: None,
            started: Moment(0),
            end: Some(End { stopped, status, output: None, error: None, cause: None }),
            redrives: Vec::new(),
        }
    }

    fn put(batch: &mut Batch, execution: &Execution) {
        let key = execution.closed_key();
        batch.put_json(Space::Closed, key.clone(), execution);
        let name = KeyWriter::default().text(&execution.machine).text(&execution.name).done();
        batch.put(Space::Names, name, [b"c", key.as_slice()].concat());
        let events = KeyWriter::default().number(execution.number);
        batch.put(Space::Events, events.number(1).done(), "x".repeat(1000));
    }

    fn count(store: &Store, space: Space) -> usize {
        let mut number = 0;
        store
            .for_each(space, &[], |_, _| {
                number += 1;
                Ok(())
            })
            .unwrap();
        number
    }

    #[tokio::test]
    async fn executions_of_all_machines_and_statuses_come_in_the_order_of_their_ends() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut batch = Batch::default();
        for i in 0..60_u64 {
            let status = Status::ENDED[usize::try_from(i % 4).unwrap()];
            // Neither by machine nor by number.
            let stopped = Moment(i64::try_from(i * 37 % 60).unwrap());
            put(&mut batch, &closed(i, i % 3, &i.to_string(), status, stopped));
        }
        store.commit(batch).await.unwrap();
        let mut oldest = Oldest::of(&store).unwrap();
        let mut times = Vec::new();
        while let Some((_, execution)) = oldest.next(&store).unwrap() {
            times.push(execution.stopped().0);
        }
        assert_eq!(times, (0..60).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn executions_are_forgotten_after_their_days_with_all_that_belongs_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut batch = Batch::default();
        for day in 0..1_000_u64 {
            let stopped = Moment(i64::try_from(day).unwrap() * DAY);
            // The last execution has the name of the first, as it may have after 90 days.
            put(&mut batch, &closed(day, 1, &(day % 999).to_string(), Status::Failed, stopped));
            batch.put(
                Space::Audit,
                KeyWriter::default().number(day * 86_400_000_000).number(0).done(),
                "asked",
            );
        }
        store.commit(batch).await.unwrap();
        let retention = Retention { days: Some(90), bytes: None };
        let stop = CancellationToken::new();
        retention.look(&store, &place(), Moment(999 * DAY), &stop).await.unwrap();
        assert_eq!(count(&store, Space::Closed), 91);
        assert_eq!(count(&store, Space::Events), 91);
        assert_eq!(count(&store, Space::Names), 91);
        assert_eq!(count(&store, Space::Audit), 91);
        let first = KeyWriter::default().text("m").text("0").done();
        assert!(store.get(Space::Names, &first).unwrap().is_some(), "the name has a newer execution");
        // The clock is set back: nothing more is forgotten.
        retention.look(&store, &place(), Moment(0), &stop).await.unwrap();
        assert_eq!(count(&store, Space::Closed), 91);
        let forever = Retention { days: None, bytes: None };
        forever.look(&store, &place(), Moment(i64::MAX), &stop).await.unwrap();
        assert_eq!(count(&store, Space::Closed), 91);
    }

    #[tokio::test]
    async fn the_oldest_executions_are_forgotten_when_the_store_is_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut batch = Batch::default();
        for i in 0..2_000_u64 {
            put(
                &mut batch,
                &closed(i, 1, &i.to_string(), Status::Succeeded, Moment(i64::try_from(i).unwrap())),
            );
        }
        store.commit(batch).await.unwrap();
        store.compact().unwrap();
        let (full, stop) = (store.size(), CancellationToken::new());
        let retention = Retention { days: None, bytes: Some(full / 2) };
        retention.look(&store, &place(), Moment(0), &stop).await.unwrap();
        assert!(store.size() <= full / 2, "{} of {full}", store.size());
        let left = count(&store, Space::Closed);
        assert!((500..1_100).contains(&left), "{left}");
        let mut oldest = Oldest::of(&store).unwrap();
        let (_, first) = oldest.next(&store).unwrap().unwrap();
        assert_eq!(first.number, 2_000 - left as u64, "the oldest ones are gone, and no others");
    }
}
