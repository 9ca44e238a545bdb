//! Counts of one call, for CloudWatch.

use std::sync::{Mutex, PoisonError};

use job::run::RunRef;
use lambda::Metrics;

use crate::context::Observer;

/// Counts what happens in a call. An environment has one call at a time.
#[derive(Debug, Default)]
pub struct CallMetrics(Mutex<Metrics>);

impl CallMetrics {
    /// Writes the counts since the last call of this function.
    pub fn emit(&self, run: &RunRef, lane: &str) {
        let metrics = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        metrics.emit(&run.job, lane, &run.id);
    }

    fn count(&self, count: impl FnOnce(&mut Metrics)) {
        count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Observer for CallMetrics {
    fn throttled(&self, _lane: &str) {
        self.count(|metrics| metrics.throttled += 1);
    }

    fn attempted(&self, _lane: &str, millis: u32) {
        self.count(|metrics| metrics.latency(millis));
    }

    fn finished(&self, _lane: &str, ok: bool) {
        self.count(|metrics| {
            metrics.lines += 1;
            metrics.failed += u64::from(!ok);
        });
    }
}
