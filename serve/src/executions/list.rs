//! Lists of the executions of a machine, newest first.

use std::ops::Bound;

use super::Executions;
use super::record::{Execution, Position, Status, closed_prefix};
use crate::store::StoreError;

/// Which executions of a machine are listed.
pub(crate) struct Listing {
    pub(crate) machine_number: u64,
    pub(crate) status: Option<Status>,
    pub(crate) version: Option<u32>,
    pub(crate) alias: Option<String>,
}

impl Listing {
    fn wants(&self, execution: &Execution) -> bool {
        self.version.is_none_or(|version| execution.version == Some(version))
            && self.alias.as_ref().is_none_or(|alias| execution.alias.as_ref() == Some(alias))
    }
}

/// The entries of the store that are read at once.
const READ: usize = 256;

impl Executions {
    /// The executions before a position, at most `limit`.
    pub(crate) fn list(
        &self,
        listing: &Listing,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Execution>, StoreError> {
        let mut found = Vec::new();
        if listing.status.is_none_or(|status| status == Status::Running) {
            self.open_with(listing, before, limit, &mut found)?;
        }
        for status in Status::ENDED {
            if listing.status.is_none_or(|wanted| wanted == status) {
                self.closed_with(listing, status, before, limit, &mut found)?;
            }
        }
        // An execution that has ended just now may have been found twice.
        found.sort_by_key(|execution| (std::cmp::Reverse(execution.position()), execution.status()));
        let mut seen = std::collections::HashSet::new();
        found.retain(|execution| seen.insert(execution.number));
        found.truncate(limit);
        Ok(found)
    }

    fn open_with(
        &self,
        listing: &Listing,
        mut before: Option<Position>,
        limit: usize,
        found: &mut Vec<Execution>,
    ) -> Result<(), StoreError> {
        loop {
            let page: Vec<Position> =
                self.lock().of_machine(listing.machine_number, before).take(READ).collect();
            for position in &page {
                // Without a record it has ended meanwhile, and is among those that have.
                let Some(execution) = self.open_record(position.number)? else { continue };
                if listing.wants(&execution) {
                    found.push(execution);
                    if found.len() == limit {
                        return Ok(());
                    }
                }
            }
            match page.last() {
                Some(last) if page.len() == READ => before = Some(*last),
                _ => return Ok(()),
            }
        }
    }

    fn closed_with(
        &self,
        listing: &Listing,
        status: Status,
        before: Option<Position>,
        limit: usize,
        found: &mut Vec<Execution>,
    ) -> Result<(), StoreError> {
        let key = |rest: &[u8]| closed_prefix(listing.machine_number, status).bytes(rest).done();
        let prefix = key(&[]);
        let mut to = before
            .map_or_else(|| Bound::Included(key(&[0xff; 16])), |before| Bound::Excluded(key(&before.key())));
        let mut wanted = limit;
        loop {
            let read = wanted.min(READ);
            let page = self.0.store.page_back(super::Space::Closed, &prefix, to, read)?;
            let is_last = page.len() < read;
            let last = page.last().map(|(key, _)| key.clone());
            for (_, value) in &page {
                let execution: Execution = crate::store::json(value)?;
                if listing.wants(&execution) {
                    wanted -= 1;
                    found.push(execution);
                }
            }
            match last {
                Some(last) if !is_last && wanted > 0 => to = Bound::Excluded(last),
                _ => return Ok(()),
            }
        }
    }
}
