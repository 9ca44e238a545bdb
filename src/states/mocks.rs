//! Mocked tasks, in the format of Step Functions Local (AWS Step Functions Developer Guide, "Using mocked service
//! integrations for testing in Step Functions Local", "Configuration file for mocked service integrations").

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use engine::TaskError;
use serde::Deserialize;
use serde_json::Value;

use crate::exit::Wrong;

/// The answers of one test case, by state.
#[derive(Clone)]
pub struct Mocks(Arc<HashMap<String, Vec<Answers>>>);

/// What the attempts of a range are answered.
#[derive(Clone)]
struct Answers {
    first: u32,
    last: u32,
    answer: Answer,
}

#[derive(Clone, Deserialize)]
enum Answer {
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
    mocked_responses: BTreeMap<String, BTreeMap<String, Answer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cases {
    test_cases: BTreeMap<String, BTreeMap<String, String>>,
}

impl Mocks {
    /// Reads the test case `MACHINE#CASE` of a file; without a name, the only one.
    ///
    /// # Errors
    /// When the file cannot be read, or has no such case.
    pub fn read(path: &Path, case: Option<&str>) -> Result<Self, Wrong> {
        let text = std::fs::read_to_string(path).map_err(|error| Wrong::at(path, error))?;
        let file: File = serde_json::from_str(&text)
            .map_err(|error| Wrong::at(path, format!("is no MockConfigFile: {error}")))?;
        let mut names = Vec::new();
        let mut found = None;
        for (machine, cases) in &file.state_machines {
            for (name, states) in &cases.test_cases {
                let name = format!("{machine}#{name}");
                if case.is_none_or(|wanted| wanted == name) {
                    found = Some(states);
                }
                names.push(name);
            }
        }
        let states = match (found, case) {
            (Some(states), Some(_)) => states,
            (Some(states), None) if names.len() == 1 => states,
            (_, wanted) => {
                let wanted = wanted
                    .map_or("choose one with --case".to_owned(), |wanted| format!("there is no {wanted}"));
                return Err(Wrong::at(path, format!("{wanted}: the test cases are {}", names.join(", "))));
            }
        };
        let mut mocks = HashMap::new();
        for (state, response) in states {
            let answers = file.mocked_responses.get(response);
            let answers = answers.ok_or_else(|| {
                Wrong::at(path, format!("{state}: there are no MockedResponses {response:?}"))
            })?;
            let answers: Result<Vec<_>, _> =
                answers.iter().map(|(range, answer)| Answers::of(range, answer)).collect();
            let answers = answers.map_err(|range| {
                Wrong::at(path, format!("{response}: {range:?} is no attempt, nor a range of them such as \"1-2\"; the first is 0"))
            })?;
            mocks.insert(state.clone(), answers);
        }
        Ok(Self(Arc::new(mocks)))
    }

    /// Whether this state's task is mocked.
    pub fn has(&self, state: &str) -> bool {
        self.0.contains_key(state)
    }

    /// The answer to an attempt, 0 for the first; the last one there is, where there are more attempts than answers.
    pub fn answer(&self, state: &str, attempt: u32) -> Option<Result<Value, TaskError>> {
        let answers = self.0.get(state)?;
        let covers = |answers: &&Answers| (answers.first..=answers.last).contains(&attempt);
        let found =
            answers.iter().find(covers).or_else(|| answers.iter().max_by_key(|answers| answers.last))?;
        Some(match found.answer.clone() {
            Answer::Return(value) => Ok(value),
            Answer::Throw { error, cause } => Err(TaskError::Error { error, cause }),
        })
    }
}

impl Answers {
    fn of<'r>(range: &'r str, answer: &Answer) -> Result<Self, &'r str> {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Self { first, last, answer: answer.clone() }),
            _ => Err(range),
        }
    }
}
