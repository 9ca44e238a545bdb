//! The thread that writes the store.

use std::collections::BTreeMap;
use std::time::Instant;

use fjall::{Database, Keyspace, PersistMode};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};

use super::{Change, StoreError, unusable};
use crate::metrics::Metrics;

pub(super) struct Work {
    pub(super) changes: Vec<Change>,
    pub(super) done: oneshot::Sender<Result<(), StoreError>>,
}

/// The most changes in one batch, which bounds the delay of the first one.
const GROUP: usize = 50_000;

/// Writes what waits, until the senders are gone. The first failure is kept, and every later change has it.
pub(super) fn run(
    db: &Database,
    spaces: &[Keyspace],
    failing: &watch::Sender<Option<StoreError>>,
    metrics: &Metrics,
    mut incoming: UnboundedReceiver<Work>,
) {
    while let Some(first) = incoming.blocking_recv() {
        let mut size = first.changes.len();
        let mut group = vec![first];
        while size < GROUP
            && let Ok(more) = incoming.try_recv()
        {
            size += more.changes.len();
            group.push(more);
        }
        let failed = failing.borrow().clone();
        let (changes, waiting): (Vec<_>, Vec<_>) =
            group.into_iter().map(|work| (work.changes, work.done)).unzip();
        let result = match failed {
            Some(error) => Err(error),
            None => write(db, spaces, metrics, changes.into_iter().flatten()),
        };
        if let Err(error) = &result
            && failing.borrow().is_none()
        {
            failing.send_replace(Some(error.clone()));
        }
        for done in waiting {
            // The waiting future may have been dropped.
            let _ = done.send(result.clone());
        }
    }
}

fn write(
    db: &Database,
    spaces: &[Keyspace],
    metrics: &Metrics,
    changes: impl Iterator<Item = Change>,
) -> Result<(), StoreError> {
    // All entries of a batch have one sequence number, so each key may occur only once: its last change.
    let mut last: BTreeMap<(usize, Vec<u8>), Option<Vec<u8>>> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Put(space, key, value) => _ = last.insert((space as usize, key), Some(value)),
            Change::Remove(space, key) => _ = last.insert((space as usize, key), None),
            Change::Clear(space, prefix) => {
                let space = space as usize;
                for found in spaces[space].prefix(&prefix) {
                    last.insert((space, found.key().map_err(unusable)?.to_vec()), None);
                }
                let from = (space, prefix.clone());
                let written = last
                    .range_mut(from..)
                    .take_while(|((of, key), _)| *of == space && key.starts_with(&prefix));
                written.for_each(|(_, value)| *value = None);
            }
        }
    }
    let begun = Instant::now();
    let (changed, mut bytes) = (last.len(), 0);
    let mut batch = db.batch().durability(Some(PersistMode::SyncData));
    for ((space, key), value) in last {
        bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        match value {
            Some(value) => batch.insert(&spaces[space], key, value),
            None => batch.remove(&spaces[space], key),
        }
    }
    batch.commit().map_err(unusable)?;
    metrics.committed(changed, bytes, begun.elapsed());
    Ok(())
}
