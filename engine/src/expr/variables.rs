//! The variables that `Assign` sets.

use std::sync::Arc;

use serde_json::{Map, Value};

/// The variables of a run of states, and of the runs around it, which it can read but not set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    pub(crate) own: Map<String, Value>,
    pub(crate) outer: Option<Arc<Variables>>,
}

impl Variables {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.own.get(name).or_else(|| self.outer.as_ref()?.get(name))
    }

    /// Visits all readable variables, the outer ones first.
    pub(crate) fn visit(&self, visitor: &mut dyn FnMut(&str, &Value)) {
        if let Some(outer) = &self.outer {
            outer.visit(visitor);
        }
        self.own.iter().for_each(|(name, value)| visitor(name, value));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.outer.as_ref().is_none_or(|outer| outer.is_empty())
    }
}
