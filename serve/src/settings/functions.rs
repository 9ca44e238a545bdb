//! The functions of a server's state machines: at a URL, or commands of this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::duration;

/// The key of `[functions]` that is not the name of a function.
const URL: &str = "url";

/// Where functions are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FunctionSettings {
    /// The URL of Lambda's Invoke API.
    pub(crate) url: Option<String>,
    /// Commands, by the names of their functions.
    pub(crate) commands: BTreeMap<String, Command>,
}

/// A command that is a function.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// How long a call may take.
    #[serde(default = "timeout", deserialize_with = "duration::read")]
    pub(crate) timeout: Duration,
    /// The most calls at a time; others wait.
    #[serde(default = "at_a_time")]
    pub(crate) at_a_time: usize,
}

impl FunctionSettings {
    /// `functions = URL`, or a table with commands and perhaps `url`.
    pub(super) fn of(value: Option<toml::Value>) -> Result<Self, String> {
        let table = match value {
            None => return Ok(Self::default()),
            Some(toml::Value::String(url)) => return Ok(Self { url: Some(url), ..Self::default() }),
            Some(toml::Value::Table(table)) => table,
            Some(_) => return Err("functions must be a URL, or have a table [functions.NAME]".into()),
        };
        let mut found = Self::default();
        for (name, value) in table {
            match value {
                toml::Value::String(url) if name == URL => found.url = Some(url),
                value => {
                    let command: Result<Command, _> = value.try_into();
                    let command =
                        command.map_err(|error| format!("[functions.{name}]: {}", error.message()))?;
                    if command.command.is_empty() || command.at_a_time == 0 {
                        return Err(format!(
                            "[functions.{name}] needs command = [\"PROGRAM\", …], and at_a_time from 1"
                        ));
                    }
                    found.commands.insert(name, command);
                }
            }
        }
        Ok(found)
    }
}

fn timeout() -> Duration {
    Duration::from_secs(15 * 60)
}

fn at_a_time() -> usize {
    16
}
