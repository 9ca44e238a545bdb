//! The executions of all machines that failed last, so that a page which shows them does not ask every machine.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::record::{Execution, Status};
use super::{Executions, Listing};
use crate::store::StoreError;

/// The executions that are kept.
const KEPT: usize = 100;
/// The machines that are asked once, at the first time.
const MACHINES: usize = 10_000;

/// Newest first. None: nobody has asked yet.
#[derive(Default)]
pub(super) struct Recent(Mutex<Option<VecDeque<Execution>>>);

impl Recent {
    pub(super) fn add(&self, ended: &Execution) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_mut().filter(|_| has_failed(ended)) {
            kept.push_front(ended.clone());
            kept.truncate(KEPT);
        }
    }
}

fn has_failed(execution: &Execution) -> bool {
    matches!(execution.status(), Status::Failed | Status::TimedOut) && execution.express.is_none()
}

impl Executions {
    /// The executions that failed last and were not redriven since, newest first, at most `limit`.
    pub(crate) fn last_failed(&self, limit: usize) -> Result<Vec<Execution>, StoreError> {
        let mut kept = self.0.recent.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match kept.as_mut() {
            Some(known) => known,
            None => kept.insert(self.read_last_failed()?),
        };
        let known: Vec<Execution> = known.iter().cloned().collect();
        drop(kept);
        let mut found = Vec::new();
        for execution in known {
            let now = self.find(&execution.machine, &execution.name)?;
            if now.is_some_and(|now| now.end == execution.end) {
                found.push(execution);
            }
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    fn read_last_failed(&self) -> Result<VecDeque<Execution>, StoreError> {
        let mut found = Vec::new();
        for machine in self.0.catalog.machines_after("", MACHINES) {
            for status in [Status::Failed, Status::TimedOut] {
                let number = machine.number;
                let listing =
                    Listing { machine_number: number, status: Some(status), version: None, alias: None };
                found.extend(self.list(&listing, None, KEPT)?);
            }
        }
        found.sort_by_key(|execution| std::cmp::Reverse(execution.position()));
        found.truncate(KEPT);
        Ok(found.into())
    }

    /// The executions that were started or redriven last and have not ended, newest first, at most `limit`.
    pub(crate) fn last_started(&self, limit: usize) -> Result<Vec<Execution>, StoreError> {
        let newest = self.lock().newest(limit);
        let records = newest.into_iter().filter_map(|position| self.open_record(position.number).transpose());
        records.filter(|record| record.as_ref().map_or(true, |record| record.express.is_none())).collect()
    }
}
