//! The members of a request whose types have been checked.

use serde_json::{Map, Value};

/// The body of a request.
pub(crate) struct Input(pub(crate) Map<String, Value>);

impl Input {
    /// A member that is a text. A required one is there, because the table of constraints demands it.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.maybe(name).unwrap_or_default()
    }

    pub(crate) fn maybe(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.maybe(name).map(str::to_owned)
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// A member that is there and not null.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn items(&self, name: &str) -> &[Value] {
        self.value(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The number of results that is wanted: 0 and none mean 100.
    pub(crate) fn page_size(&self) -> usize {
        match self.0.get("maxResults").and_then(Value::as_u64) {
            None | Some(0) => 100,
            Some(most) => usize::try_from(most).unwrap_or(100),
        }
    }
}
