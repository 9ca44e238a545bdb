//! The calls of tasks, and which of them may be repeated.

use std::collections::{BTreeMap, BTreeSet};

use engine::TaskError;
use serde_json::Value;

use super::Simulated;
use crate::generator::Loop;
use crate::invariants::turns;

/// The calls of tasks, each known by state, id and attempt.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) made: u64,
    pub(crate) repeated: u64,
    pub(crate) in_loops: u64,
    begun: BTreeSet<String>,
    pub(super) under_way: BTreeSet<String>,
    /// Calls that gave a result, which must not be repeated.
    succeeded: BTreeSet<String>,
    /// Calls that crashed, or that failed so that their outcome may not be recorded yet.
    pub(super) repeatable: BTreeSet<String>,
    pub(crate) wrong: Vec<String>,
}

impl Calls {
    pub(super) fn begin(&mut self, name: &str) {
        self.made += 1;
        if self.succeeded.contains(name) {
            self.wrong.push(format!("a task that had given its result was called again: {name}"));
        }
        if !self.begun.insert(name.to_owned()) {
            self.repeated += 1;
            if !self.repeatable.contains(name) {
                self.wrong.push(format!("a task that was not under way was called again: {name}"));
            }
        }
        self.under_way.insert(name.to_owned());
    }

    /// A call in a loop, according to its id.
    pub(super) fn turn(&mut self, id: &str, loops: &BTreeMap<String, Loop>) {
        let own = id.rsplit('/').next().unwrap_or_default();
        self.in_loops += u64::from(own.contains('~'));
        for (name, round) in own.split('~').skip(1).filter_map(|name| Some((name, loops.get(name)?))) {
            let turns = turns(id, name);
            if turns > round.turns {
                self.wrong.push(format!("{name} went back {turns} times, and not {}: {id}", round.turns));
            }
        }
    }

    /// A redrive makes calls anew, under the same names.
    pub(super) fn forget(&mut self) {
        for names in [&mut self.begun, &mut self.under_way, &mut self.succeeded, &mut self.repeatable] {
            names.clear();
        }
    }

    pub(super) fn has_succeeded(&self, name: &str) -> bool {
        self.succeeded.contains(name)
    }

    pub(super) fn end(&mut self, name: &str, result: &Result<Value, TaskError>) {
        self.under_way.remove(name);
        match result {
            Ok(_) => self.succeeded.insert(name.to_owned()),
            Err(_) => self.repeatable.insert(name.to_owned()),
        };
    }
}

/// A call whose future is dropped was aborted. In a crash, the snapshot was made before.
pub(super) struct GivenUp<'a> {
    pub(super) host: &'a Simulated,
    pub(super) name: &'a str,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        let mut calls = self.host.calls.lock().unwrap();
        // A concurrent branch failed, which may not be recorded yet.
        if calls.under_way.remove(self.name) {
            calls.repeatable.insert(self.name.to_owned());
        }
    }
}
