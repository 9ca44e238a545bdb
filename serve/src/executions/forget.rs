//! Forgetting executions that have ended.

use super::record::{Execution, Found, name_key};
use super::{journal, map_runs};
use crate::arn::Place;
use crate::store::{Batch, Space, Store, StoreError};

/// Forgets an execution that has ended, which has this key among them. Returns the bytes of what is removed.
pub(crate) fn forget(
    store: &Store,
    place: &Place,
    batch: &mut Batch,
    key: &[u8],
    execution: &Execution,
) -> Result<u64, StoreError> {
    let mut bytes = key.len() + execution.input.len();
    bytes += execution.end.as_ref().and_then(|end| end.output.as_ref()).map_or(0, String::len);
    let own = journal::prefix(execution.number);
    for space in [Space::Events, Space::Journal] {
        store.for_each(space, &own, |key, value| {
            bytes += key.len() + value.len();
            batch.remove(space, key);
            Ok(())
        })?;
    }
    map_runs::forget(store, batch, &execution.arn(place))?;
    // Another execution may have had the name since.
    let name = name_key(&execution.machine, &execution.name);
    let found = store.get(Space::Names, &name)?.and_then(|found| Found::parse(&found));
    if matches!(found, Some(Found::Closed(of)) if of == key) {
        batch.remove(Space::Names, name);
    }
    batch.remove(Space::Closed, key);
    Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
}
