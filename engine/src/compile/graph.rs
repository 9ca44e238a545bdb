//! The graph of states.

use std::collections::{HashMap, HashSet};

use crate::machine::{Kind, Next, State};
use crate::syntax;

/// For each Map and Parallel, the variables that may be set when it is entered: those that the states before
/// it set. Empty for other states.
pub(super) fn assigned_before(states: &[syntax::StateFields]) -> Vec<Vec<String>> {
    let mut before: HashMap<String, Vec<&syntax::StateFields>> = HashMap::new();
    for state in states {
        for target in state.targets() {
            before.entry(target).or_default().push(state);
        }
    }
    let of = |state: &syntax::StateFields| {
        let (mut open, mut seen, mut assigned) = (vec![&state.name.value], HashSet::new(), Vec::new());
        while let Some(at) = open.pop() {
            for earlier in before.get(at).into_iter().flatten() {
                if seen.insert(&earlier.name.value) {
                    assigned.extend(earlier.assigned());
                    open.push(&earlier.name.value);
                }
            }
        }
        assigned
    };
    let has_inner = |state: &syntax::StateFields| {
        matches!(state.kind, syntax::StateBody::Map(_) | syntax::StateBody::Parallel { .. })
    };
    states.iter().map(|state| if has_inner(state) { of(state) } else { Vec::new() }).collect()
}

/// The states that an execution can reach.
pub(super) fn reachable(start: usize, states: &[State]) -> HashSet<usize> {
    let mut found = HashSet::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        let Some(state) = states.get(at).filter(|_| found.insert(at)) else { continue };
        open.extend(state.recovery.catch.iter().map(|catcher| catcher.next));
        if let Next::State(next) = state.next {
            open.push(next);
        }
        if let Kind::Choice { rules, default } = &state.kind {
            open.extend(rules.iter().map(|rule| rule.next));
            open.extend(default);
        }
    }
    found
}
