//! Counts of one call, for CloudWatch.

use std::sync::{Mutex, PoisonError};

use job::run::RunRef;
use lambda::Metrics;

use crate::context::Observer;

/// Counts what happens in a call, and writes the counts with each segment of results: a call takes up to 15
/// minutes, and an alarm must not take a lane that sends for one that does not.
#[derive(Debug)]
pub struct CallMetrics {
    job: String,
    lane: String,
    run: String,
    counted: Mutex<Metrics>,
}

impl CallMetrics {
    /// Those of a call for a lane of a run.
    pub fn new(run: &RunRef, lane: &str) -> Self {
        Self { job: run.job.clone(), lane: lane.to_owned(), run: run.id.clone(), counted: Mutex::default() }
    }

    /// Writes the counts since the last time, if there are any.
    pub fn emit(&self) {
        let counted = std::mem::take(&mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner));
        if counted != Metrics::default() {
            counted.emit(&self.job, &self.lane, &self.run);
        }
    }

    fn count(&self, count: impl FnOnce(&mut Metrics)) {
        count(&mut self.counted.lock().unwrap_or_else(PoisonError::into_inner));
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

    fn written(&self, _lane: &str) {
        self.emit();
    }
}
