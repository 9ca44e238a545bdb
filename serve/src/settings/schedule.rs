//! The schedules of a server.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::duration;
use crate::schedules::Expression;

/// A schedule, which starts a run of a job or an execution of a machine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schedule {
    #[serde(deserialize_with = "name")]
    pub(crate) name: String,
    /// The job.
    pub(crate) job: Option<String>,
    /// The file in the input folder of the job.
    pub(crate) file: Option<String>,
    /// The name or the ARN of a machine.
    pub(crate) machine: Option<String>,
    /// The input of its execution.
    pub(crate) input: Option<Value>,
    #[serde(deserialize_with = "expression")]
    pub(crate) cron: (String, Expression),
    #[serde(default = "utc", deserialize_with = "timezone")]
    pub(crate) timezone: TimeZone,
    /// What is started of the times at which the server was down.
    #[serde(default)]
    pub(crate) catch_up: CatchUp,
    /// The age from which on a time is not started any more.
    #[serde(default = "day", deserialize_with = "duration::read")]
    pub(crate) max_age: Duration,
}

/// What is started of the times at which the server was down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CatchUp {
    /// The last one.
    #[default]
    Once,
    /// Each, oldest first.
    All,
    /// None of them.
    None,
}

impl Schedule {
    /// Checks that it starts one thing.
    pub(super) fn check(&self) -> Result<(), String> {
        match (&self.job, &self.file, &self.machine, &self.input) {
            (Some(_), Some(_), None, None) | (None, None, Some(_), _) => Ok(()),
            _ => Err(format!(
                "the schedule {:?} needs a job and a file, or a machine and, if you want, its input",
                self.name
            )),
        }
    }
}

fn utc() -> TimeZone {
    TimeZone::UTC
}

fn day() -> Duration {
    Duration::from_secs(24 * 60 * 60)
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain && (1..=50).contains(&name.len()) {
        return Ok(name);
    }
    Err(D::Error::custom(format!("the name {name:?} must be 1 to 50 letters, digits, '-', '_' and '.'")))
}

fn expression<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(String, Expression), D::Error> {
    let text = String::deserialize(deserializer)?;
    let expression = Expression::parse(&text).map_err(D::Error::custom)?;
    Ok((text, expression))
}

fn timezone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeZone, D::Error> {
    let name = String::deserialize(deserializer)?;
    let found = TimeZone::get(&name);
    found.map_err(|_| D::Error::custom(format!("there is no time zone {name:?}: write it as Europe/Berlin")))
}
