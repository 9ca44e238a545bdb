//! A journal in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{BELOW, Change};

pub(super) type Pair = (Vec<u8>, Vec<u8>);

#[derive(Default)]
pub(super) struct Memory(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Memory {
    pub(super) fn commit(&self, changes: Vec<Change>) {
        let mut table = self.table();
        for change in changes {
            match change {
                Change::Put(key, value) => {
                    table.insert(key, value);
                }
                Change::Clear(key) => {
                    for kind in BELOW {
                        let (first, last) = key.range(kind);
                        let found: Vec<_> = table.range(first..=last).map(|(key, _)| key.clone()).collect();
                        found.iter().for_each(|key| drop(table.remove(key)));
                    }
                }
            }
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.table().get(key).cloned()
    }

    /// Both ends included.
    pub(super) fn range(&self, first: Vec<u8>, last: Vec<u8>, limit: usize) -> Vec<Pair> {
        self.table().range(first..=last).take(limit).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(super) fn entries(&self) -> usize {
        self.table().len()
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
