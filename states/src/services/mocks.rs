//! Mocked tasks, in the format of Step Functions Local (AWS Step Functions Developer Guide, "Using mocked
//! service integrations for testing in Step Functions Local", "Configuration file for mocked service
//! integrations").
//!
//! Calls are counted by execution and state, as Step Functions Local counts them: a retry is a further call, and
//! so is a later visit of the state. A call without a response fails its state with `States.Runtime`. A response
//! is only read when it is called for, so mistakes in others have no effect.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use engine::{Resource, TaskCall, TaskError};
use serde_json::{Map, Value};

use super::{Service, Support};
use crate::error::task_error;
use crate::{Error, Host};

/// The mocked responses of one test case, by state. Clones share the counts of calls.
#[derive(Clone)]
pub struct Mocks(Arc<Inner>);

struct Inner {
    /// For each state: the name of its response, and the response.
    responses: HashMap<String, (String, Value)>,
    /// The number of calls, by execution and state.
    calls: Mutex<HashMap<(String, String), u64>>,
}

impl Mocks {
    /// Reads the test case `MACHINE#CASE` of a file. Without a name, reads the only test case.
    ///
    /// # Errors
    /// When the file cannot be read, or has no such case.
    pub fn read(path: &Path, case: Option<&str>) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::at(path, error))?;
        let wrong = |error: &str| Error::at(path, format!("is not a MockConfigFile: {error}"));
        let file = engine::json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
        let machines = file["StateMachines"].as_object();
        let machines = machines.ok_or_else(|| wrong("the object StateMachines is missing"))?;
        let mut names = Vec::new();
        let mut found = None;
        for (machine, cases) in machines {
            for (name, states) in cases["TestCases"].as_object().into_iter().flatten() {
                let name = format!("{machine}#{name}");
                if case.is_none_or(|case| case == name) {
                    found = Some(states);
                }
                names.push(name);
            }
        }
        names.sort_unstable();
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
        let states = states.as_object().ok_or_else(|| wrong("a test case is an object of states"))?;
        let responses = states.iter().map(|(state, response)| {
            let name = response.as_str().unwrap_or_default().to_owned();
            let response = file["MockedResponses"].get(&name).cloned().unwrap_or_default();
            (state.clone(), (name, response))
        });
        Ok(Self::new(responses.collect()))
    }

    /// The mocks of states: a name for messages, and an object of responses by the numbers of calls.
    pub fn of_states(states: &Map<String, Value>) -> Self {
        Self::new(states.iter().map(|(state, of)| (state.clone(), (state.clone(), of.clone()))).collect())
    }

    /// The response to a call in an object of responses: a value, or an error and its cause. None if it has none.
    pub fn response_of(responses: &Value, number: u64) -> Option<Result<Value, (String, String)>> {
        let responses = responses.as_object()?;
        let (_, response) = responses.iter().find(|(range, _)| covers(range, number))?;
        let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
        match (response.get("Return"), response.get("Throw")) {
            (Some(value), None) => Some(Ok(value.clone())),
            (None, Some(error @ Value::Object(_))) => {
                Some(Err((text(&error["Error"]), text(&error["Cause"]))))
            }
            _ => None,
        }
    }

    fn new(responses: HashMap<String, (String, Value)>) -> Self {
        Self(Arc::new(Inner { responses, calls: Mutex::default() }))
    }

    /// The response to a call.
    fn response(&self, call: &TaskCall) -> Result<Value, TaskError> {
        let number = self.count(call);
        let Some((name, of)) = self.0.responses.get(&call.state) else {
            return Err(runtime(call, number, "the state is not mocked"));
        };
        let Some(responses) = of.as_object() else {
            return Err(runtime(call, number, &format!("MockedResponses has no {name:?}")));
        };
        if !responses.keys().any(|range| covers(range, number)) {
            let known: Vec<&str> = responses.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(runtime(call, number, &format!("the responses of {name:?} are {known}")));
        }
        match Self::response_of(of, number) {
            Some(Ok(value)) => Ok(value),
            Some(Err((error, cause))) => Err(TaskError::Error { error, cause }),
            None => Err(runtime(
                call,
                number,
                &format!("its response in {name:?} is neither a Return nor a Throw"),
            )),
        }
    }

    /// The number of a call; the first is 0. The test of a single state may begin with earlier retries.
    fn count(&self, call: &TaskCall) -> u64 {
        let mut calls = self.0.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let next = calls.entry((call.execution.clone(), call.state.clone())).or_default();
        let number = (*next).max(call.attempt.into());
        *next = number + 1;
        number
    }
}

fn runtime(call: &TaskCall, number: u64, why: &str) -> TaskError {
    let cause = format!("No mocked response for call {number} of the state '{}': {why}", call.state);
    task_error("States.Runtime", &cause)
}

/// Whether `"3"` or `"1-5"` covers the number of a call.
fn covers(range: &str, number: u64) -> bool {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let ends = first.trim().parse::<u64>().ok().zip(last.trim().parse::<u64>().ok());
    ends.is_some_and(|(first, last)| (first..=last).contains(&number))
}

#[async_trait]
impl Service for Mocks {
    fn support(&self, state: &str, _resource: &Resource) -> Support {
        if self.0.responses.contains_key(state) { Support::Yes } else { Support::No }
    }

    /// A mock replaces the service, and the worker that sends the outcome of a token.
    async fn call(&self, host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let response = self.response(call);
        let Some(token) = &call.token else { return response };
        let sent = match response {
            Ok(output) => host.tokens().succeed(token, output).await,
            Err(TaskError::Error { error, cause }) => host.tokens().fail(token, &error, &cause).await,
            Err(interrupted) => return Err(interrupted),
        };
        sent.map(|()| Value::String("mock".into()))
            .map_err(|gone| task_error("States.TaskFailed", &gone.to_string()))
    }

    fn sends_outcomes(&self) -> bool {
        true
    }
}
