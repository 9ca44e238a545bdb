//! Which limit keys were down when a batch ended.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::schedule::Key;

/// Keys remembered at most.
const MOST: usize = 10_000;

/// The next batch of this process asks such a key with one line, to find out, and not with as many as may be under way.
#[derive(Default)]
pub(crate) struct Sick(Mutex<HashSet<String>>);

impl Sick {
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    pub(crate) fn learn(&self, keys: &[Key]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if !key.is_down() {
                known.remove(&key.name);
            } else if known.len() < MOST {
                known.insert(key.name.clone());
            }
        }
    }
}
