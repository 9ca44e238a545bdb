//! The record of changes: who asked for which, when, and how it ended.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalog::Moment;
use crate::store::{Batch, KeyReader, KeyWriter, Space, Store, StoreError, json};

/// The members of requests that name what is changed, the first that is there.
const RESOURCES: [&str; 7] = [
    "executionArn",
    "mapRunArn",
    "stateMachineAliasArn",
    "stateMachineVersionArn",
    "stateMachineArn",
    "activityArn",
    "resourceArn",
];

/// A change that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) at: Moment,
    /// The id of the key.
    pub(crate) key: String,
    pub(crate) operation: String,
    /// The ARN or the name of what it changes; empty for an outcome, whose token is a secret.
    pub(crate) resource: String,
    /// The name of the error; empty if it succeeded.
    pub(crate) error: String,
}

/// All changes. Clones share them.
pub(crate) struct Audit {
    store: Store,
    /// Tells changes of one microsecond apart.
    next: AtomicU64,
}

/// The microseconds of a change since 1970, and its number.
type Position = (u64, u64);

impl Audit {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, next: AtomicU64::new(0) }
    }

    /// Records an operation that changes something; others are skipped. The record is on disk when this returns; that of a
    /// start is not waited for, because the start itself is on disk.
    pub(crate) async fn record(
        &self,
        key: &str,
        operation: &str,
        members: &Map<String, Value>,
        error: &str,
    ) -> Result<(), StoreError> {
        const READS: [&str; 5] = ["Describe", "Get", "List", "Validate", "Test"];
        if READS.iter().any(|read| operation.starts_with(read)) || operation == "SendTaskHeartbeat" {
            return Ok(());
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let resource = RESOURCES.iter().find_map(|name| text(name)).or_else(|| text("name"));
        let change = Change {
            at: Moment::now(),
            key: key.to_owned(),
            operation: operation.to_owned(),
            resource: resource.unwrap_or_default().to_owned(),
            error: error.to_owned(),
        };
        let time = u64::try_from(change.at.0).unwrap_or_default();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut batch = Batch::default();
        batch.put_json(Space::Audit, KeyWriter::default().number(time).number(number).done(), &change);
        let written = self.store.submit(batch);
        if operation == "StartExecution" { Ok(()) } else { written.await }
    }

    /// The changes before a position, newest first, each with its position.
    pub(crate) fn list(
        &self,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Vec<(Position, Change)>, StoreError> {
        let to = before.map_or(Bound::Unbounded, |(time, number)| {
            Bound::Excluded(KeyWriter::default().number(time).number(number).done())
        });
        let found = self.store.page_back(Space::Audit, &[], to, limit)?;
        let entry = |(key, value): &(Vec<u8>, Vec<u8>)| {
            let mut reader = KeyReader(key);
            let position = (reader.number().unwrap_or_default(), reader.number().unwrap_or_default());
            Ok((position, json(value)?))
        };
        found.iter().map(entry).collect()
    }
}
