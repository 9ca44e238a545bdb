//! A journal in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use super::{BELOW, Change, KeyValue};

#[derive(Default)]
pub(super) struct MemoryStore(RwLock<Entries>);

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

impl MemoryStore {
    pub(super) fn commit(&self, changes: Vec<Change>) {
        // The code below does not panic, so a poisoned map is consistent.
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Put(key, value) => {
                    entries.insert(key, value);
                }
                Change::Remove(key) => {
                    entries.remove(&key);
                }
                Change::Clear(key) => {
                    // The kinds differ in the first byte.
                    let mut prefix = key.entry(BELOW[0]);
                    for kind in BELOW {
                        prefix[0] = kind as u8;
                        let from = (Bound::Included(prefix.as_slice()), Bound::Unbounded);
                        while let Some((found, _)) = entries
                            .range::<[u8], _>(from)
                            .next()
                            .filter(|(found, _)| found.starts_with(&prefix))
                        {
                            let found = found.clone();
                            entries.remove(&found);
                        }
                    }
                }
            }
        }
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.read(|entries| entries.contains_key(key))
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.read(|entries| entries.get(key).cloned())
    }

    /// The entries whose keys are as long as the first.
    pub(super) fn range(&self, first: &[u8], last: &[u8], limit: usize) -> Vec<KeyValue> {
        self.read(|entries| {
            let found =
                entries.range(first.to_vec()..=last.to_vec()).filter(|(key, _)| key.len() == first.len());
            found.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect()
        })
    }

    pub(super) fn entries(&self) -> usize {
        self.read(Entries::len)
    }

    fn read<T>(&self, look: impl FnOnce(&Entries) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
