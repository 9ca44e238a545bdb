//! Mocked tasks, in the format of Step Functions Local (AWS Step Functions Developer Guide, "Using mocked
//! service integrations for testing in Step Functions Local", "Configuration file for mocked service
//! integrations").

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{Resource, TaskCall, TaskError};
use serde::Deserialize;
use serde_json::Value;

use super::{Service, Support};
use crate::error::task_error;
use crate::{Error, Host};

/// The mocked results of one test case, by state.
#[derive(Clone)]
pub struct Mocks(Arc<HashMap<String, Vec<Mock>>>);

/// The result of a range of attempts.
#[derive(Clone)]
struct Mock {
    first: u32,
    last: u32,
    result: MockedResult,
}

#[derive(Clone, Deserialize)]
enum MockedResult {
    Return(#[serde(deserialize_with = "engine::json::value")] Value),
    Throw {
        #[serde(rename = "Error")]
        error: String,
        #[serde(rename = "Cause", default)]
        cause: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    state_machines: BTreeMap<String, Cases>,
    mocked_responses: BTreeMap<String, BTreeMap<String, MockedResult>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cases {
    test_cases: BTreeMap<String, BTreeMap<String, String>>,
}

impl Mocks {
    /// Reads the test case `MACHINE#CASE` of a file. Without a name, reads the only test case.
    ///
    /// # Errors
    /// When the file cannot be read, or has no such case.
    pub fn read(path: &Path, case: Option<&str>) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::at(path, error))?;
        let file: File = serde_json::from_str(&text)
            .map_err(|error| Error::at(path, format!("is not a MockConfigFile: {error}")))?;
        let mut names = Vec::new();
        let mut found = None;
        for (machine, cases) in &file.state_machines {
            for (name, states) in &cases.test_cases {
                let name = format!("{machine}#{name}");
                if case.is_none_or(|case| case == name) {
                    found = Some(states);
                }
                names.push(name);
            }
        }
        let states = match (found, case) {
            (Some(states), Some(_)) => states,
            (Some(states), None) if names.len() == 1 => states,
            (_, case) => {
                let problem = case.map_or("choose a test case with --case".to_owned(), |name| {
                    format!("{name} is not in the file")
                });
                return Err(Error::at(path, format!("{problem}: the test cases are {}", names.join(", "))));
            }
        };
        let mut mocks = HashMap::new();
        for (state, response) in states {
            let results = file.mocked_responses.get(response);
            let results = results
                .ok_or_else(|| Error::at(path, format!("{state}: MockedResponses has no {response:?}")))?;
            let results: Result<Vec<_>, _> =
                results.iter().map(|(range, result)| Mock::of(range, result)).collect();
            let results = results.map_err(|range| {
                Error::at(path, format!("{response}: {range:?} is neither an attempt nor a range of attempts such as \"1-2\"; the first attempt is 0"))
            })?;
            mocks.insert(state.clone(), results);
        }
        Ok(Self(Arc::new(mocks)))
    }

    /// The result of an attempt, counted from 0. The last result is that of all attempts after it.
    fn result(&self, state: &str, attempt: u32) -> Option<Result<Value, TaskError>> {
        let mocks = self.0.get(state)?;
        let covers = |mock: &&Mock| (mock.first..=mock.last).contains(&attempt);
        let found = mocks.iter().find(covers).or_else(|| mocks.iter().max_by_key(|mock| mock.last))?;
        Some(match found.result.clone() {
            MockedResult::Return(value) => Ok(value),
            MockedResult::Throw { error, cause } => Err(TaskError::Error { error, cause }),
        })
    }
}

#[async_trait]
impl Service for Mocks {
    fn support(&self, state: &str, _resource: &Resource) -> Support {
        if self.0.contains_key(state) { Support::Yes } else { Support::No }
    }

    /// A mock replaces the service, and the worker that sends the outcome of a token.
    async fn call(&self, host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let Some(result) = self.result(&call.state, call.attempt) else {
            return Err(task_error("States.Runtime", "the mocked responses have no attempts"));
        };
        let Some(token) = &call.token else { return result };
        let sent = match result {
            Ok(output) => host.tokens().succeed(token, output),
            Err(TaskError::Error { error, cause }) => host.tokens().fail(token, &error, &cause),
            Err(interrupted) => return Err(interrupted),
        };
        sent.map(|()| Value::String("mock".into()))
            .map_err(|gone| task_error("States.TaskFailed", &gone.to_string()))
    }

    fn sends_outcomes(&self) -> bool {
        true
    }
}

impl Mock {
    fn of<'r>(range: &'r str, result: &MockedResult) -> Result<Self, &'r str> {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Self { first, last, result: result.clone() }),
            _ => Err(range),
        }
    }
}
