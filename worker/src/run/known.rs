//! What this process has learned about limit keys from earlier batches.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::schedule::Key;

/// The maximum number of remembered keys.
const MAX_KEYS: usize = 10_000;

/// What is known of a key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// It was down when a batch ended: the next batch probes it with one request instead of a full window.
    pub(crate) down: bool,
    /// Milliseconds that a response took; 0 if unknown.
    pub(crate) latency: f64,
}

/// What is known of the keys of a run.
#[derive(Default)]
pub(crate) struct KnownKeys(Mutex<HashMap<String, Known>>);

impl KnownKeys {
    pub(crate) fn of(&self, key: &str) -> Known {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied().unwrap_or_default()
    }

    pub(crate) fn learn(&self, keys: &[Key]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let known = Known { down: key.is_down(), latency: key.latency() };
            if let Some(before) = all.get_mut(&key.name) {
                *before = known;
            } else if (known.down || known.latency > 0.0) && all.len() < MAX_KEYS {
                all.insert(key.name.clone(), known);
            }
        }
    }
}
