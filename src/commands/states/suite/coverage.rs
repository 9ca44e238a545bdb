//! The states and branches that cases reach. What is inside a Distributed Map is not counted, since the
//! executions of its items have no history.

use std::collections::BTreeMap;

use engine::Event;
use serde_json::{Value, json};

/// A way out of a Choice, or of a state after an error. Rules that lead to the same state are one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Branch {
    from: String,
    to: String,
    caught: bool,
}

/// States and branches in the order of the definition, and whether they were reached.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    states: Vec<(String, bool)>,
    branches: Vec<(Branch, bool)>,
    /// The names of the outermost states.
    outermost: Vec<String>,
}

impl Coverage {
    /// The states and branches of a definition.
    pub(super) fn of(definition: &Value) -> Self {
        let mut coverage = Self::default();
        coverage.scope(definition);
        let outermost = definition["States"].as_object().into_iter().flatten();
        coverage.outermost = outermost.map(|(name, _)| name.clone()).collect();
        coverage
    }

    fn scope(&mut self, definition: &Value) {
        for (name, state) in definition["States"].as_object().into_iter().flatten() {
            self.states.push((name.clone(), false));
            let rules = state["Choices"].as_array().into_iter().flatten().map(|rule| (&rule["Next"], false));
            let default = [(&state["Default"], false)];
            let catchers = state["Catch"].as_array().into_iter().flatten().map(|rule| (&rule["Next"], true));
            for (to, caught) in rules.chain(default).chain(catchers) {
                let Some(to) = to.as_str() else { continue };
                let branch = Branch { from: name.clone(), to: to.to_owned(), caught };
                if !self.branches.iter().any(|(known, _)| *known == branch) {
                    self.branches.push((branch, false));
                }
            }
            if state["ItemProcessor"]["ProcessorConfig"]["Mode"] != "DISTRIBUTED" {
                let branches = state["Branches"].as_array().into_iter().flatten();
                branches
                    .chain([&state["ItemProcessor"], &state["Iterator"]])
                    .for_each(|inner| self.scope(inner));
            }
        }
    }

    /// Records that a state was reached.
    pub(super) fn visit(&mut self, state: &str) {
        if let Some((_, reached)) = self.states.iter_mut().find(|(name, _)| name == state) {
            *reached = true;
        }
    }

    /// Records a transition.
    pub(super) fn follow(&mut self, from: &str, to: &str, caught: bool) {
        let found = self
            .branches
            .iter_mut()
            .find(|(branch, _)| branch.from == from && branch.to == to && branch.caught == caught);
        if let Some((_, reached)) = found {
            *reached = true;
        }
    }

    /// Records an execution. Returns the outermost states that it entered, in their order.
    pub(super) fn record(&mut self, events: &[Event]) -> Vec<String> {
        let mut events: Vec<&Event> = events.iter().collect();
        events.sort_by_key(|event| event.id);
        let by_id: BTreeMap<u64, &Event> = events.iter().map(|event| (event.id, *event)).collect();
        let name = |event: &Event| {
            event.details.as_ref().and_then(|(_, details)| details["name"].as_str()).map(str::to_owned)
        };
        let mut path = Vec::new();
        for event in events.iter().filter(|event| event.kind.ends_with("StateEntered")) {
            let Some(state) = name(event) else { continue };
            self.visit(&state);
            let exited = by_id.get(&event.previous).filter(|exited| exited.kind.ends_with("StateExited"));
            if let Some(exited) = exited
                && let Some(from) = name(exited)
            {
                let before = by_id.get(&exited.previous);
                let failed = ["Failed", "TimedOut"];
                let caught = before.is_some_and(|before| failed.iter().any(|end| before.kind.ends_with(end)));
                self.follow(&from, &state, caught);
            }
            if self.outermost.contains(&state) {
                path.push(state);
            }
        }
        path
    }

    /// The number of reached states and of all, and the same for branches.
    pub(super) fn counts(&self) -> [(usize, usize); 2] {
        let states = self.states.iter().filter(|(_, reached)| *reached).count();
        let branches = self.branches.iter().filter(|(_, reached)| *reached).count();
        [(states, self.states.len()), (branches, self.branches.len())]
    }

    /// The states and branches that no case reaches, in words.
    pub(super) fn missed(&self) -> [Vec<String>; 2] {
        let states = self.states.iter().filter(|(_, reached)| !reached).map(|(name, _)| name.clone());
        let branches =
            self.branches.iter().filter(|(_, reached)| !reached).map(|(Branch { from, to, caught }, _)| {
                format!("{from} -> {to}{}", if *caught { " after an error" } else { "" })
            });
        [states.collect(), branches.collect()]
    }

    pub(super) fn to_json(&self) -> Value {
        let [states, branches] = self.counts();
        let [missed_states, missed_branches] = self.missed();
        json!({
            "states": { "reached": states.0, "all": states.1, "missed": missed_states },
            "branches": { "reached": branches.0, "all": branches.1, "missed": missed_branches },
        })
    }
}
