//! GetExecutionHistory.

use serde_json::{Value, json};

use super::{Api, ApiError, Input};
use crate::store::{KeyReader, KeyWriter};

/// The members of an event's details that are data of the execution, with those that describe them.
const DATA: [&str; 8] = [
    "input",
    "inputDetails",
    "output",
    "outputDetails",
    "parameters",
    "assignedVariables",
    "assignedVariablesDetails",
    "cause",
];

impl Api {
    pub(super) fn get_execution_history(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("executionArn");
        let execution = self.execution_of(arn)?;
        let backward = input.flag("reverseOrder").unwrap_or(false);
        let list = format!("GetExecutionHistory {arn} {backward}");
        let from = match self.page_position(&list, input)? {
            Some(position) => KeyReader(&position).number().ok_or_else(ApiError::invalid_token)?,
            None if backward => u64::MAX,
            None => 0,
        };
        let size = input.page_size();
        let mut events = self.executions.events(&execution, from, backward, size + 1)?;
        let mut shown = json!({});
        if events.len() > size {
            let next = events[size]["id"].as_u64().unwrap_or_default();
            events.truncate(size);
            shown["nextToken"] = self.page_token(&list, &KeyWriter::default().number(next).done()).into();
        }
        if input.flag("includeExecutionData") == Some(false) {
            events.iter_mut().for_each(without_data);
        }
        shown["events"] = events.into();
        Ok(shown)
    }
}

fn without_data(event: &mut Value) {
    for details in event.as_object_mut().into_iter().flatten().map(|(_, value)| value) {
        if let Some(details) = details.as_object_mut() {
            details.retain(|name, _| !DATA.contains(&name.as_str()));
        }
    }
}
