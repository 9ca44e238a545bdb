//! Tasks whose definition has placeholders without a value. They can only be mocked.

use std::collections::BTreeMap;

use async_trait::async_trait;
use engine::{Resource, TaskCall, TaskError};
use serde_json::Value;

use super::{Service, Support};
use crate::error::task_error;
use crate::{Definition, Host};

/// The states of such tasks, with the names of their placeholders.
#[derive(Debug, Clone, Default)]
pub struct Unbound(BTreeMap<String, Vec<String>>);

impl Unbound {
    /// Adds the tasks of a definition.
    pub fn add(&mut self, definition: &Definition) {
        self.0.extend(definition.unbound_tasks());
    }
}

#[async_trait]
impl Service for Unbound {
    fn support(&self, state: &str, _resource: &Resource) -> Support {
        let Some(names) = self.0.get(state) else { return Support::No };
        let shown: Vec<String> = names.iter().map(|name| format!("${{{name}}}")).collect();
        let first = names.first().map_or("NAME", String::as_str);
        Support::Missing(format!(
            "no value for {}: give it with --set {first}=VALUE, or mock the state (--mocks FILE)",
            shown.join(", ")
        ))
    }

    async fn call(&self, _host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        Err(task_error(
            "States.Runtime",
            &format!("the call of {} has placeholders without a value", call.state),
        ))
    }
}
