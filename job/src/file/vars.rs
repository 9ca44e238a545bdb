//! `[vars]`: values of the job that its templates name as `vars.NAME`, and that the command line may replace.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use minijinja::Value;

use super::places::Places;
use super::{Job, JobError};

/// The variables of a job.
#[derive(Debug, Clone, Default)]
pub struct Vars {
    entries: Arc<[(String, String)]>,
    values: Value,
}

impl Vars {
    /// Variables with these names and values.
    pub(super) fn new(entries: Vec<(String, String)>) -> Self {
        Self { values: Value::from_pairs(entries.clone()), entries: entries.into() }
    }

    /// Their values by name; `None` for a job without variables, in which `vars` may be a column.
    pub(super) fn value(&self) -> Option<&Value> {
        (!self.entries.is_empty()).then_some(&self.values)
    }

    /// The variables among these names, written `vars.NAME`, with their values.
    pub(super) fn among<'a>(&self, named: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
        let named: Vec<&str> = named.filter_map(|name| name.strip_prefix("vars.")).collect();
        self.entries.iter().filter(|(name, _)| named.contains(&name.as_str())).cloned().collect()
    }

    /// What is wrong with a template that names these variables, written `vars` or `vars.NAME`.
    pub(super) fn check<'a>(&self, mut named: impl Iterator<Item = &'a str>) -> Option<String> {
        self.value()?;
        named.find_map(|name| match name.strip_prefix("vars.") {
            Some(name) if !self.entries.iter().any(|(known, _)| known == name) => {
                let known: Vec<&str> = self.entries.iter().map(|(name, _)| name.as_str()).collect();
                Some(format!("[vars] has no {name:?}; it has: {}", known.join(", ")))
            }
            None if name == "vars" => Some("name each variable: {{ vars.NAME }}".to_owned()),
            _ => None,
        })
    }
}

impl Job {
    /// The text of a job file with other values of its variables. It is another job file, as after an edit.
    ///
    /// # Errors
    /// When `[vars]` does not have a name.
    pub fn set_vars(text: &str, file: &str, values: &[(String, String)]) -> Result<String, JobError> {
        let places = Places::of(text);
        let mut edits = BTreeMap::new();
        for (name, value) in values {
            let Some(entry) = places.get(&["vars", name]) else {
                let message = format!(
                    "--set names {name:?}, which [vars] does not have: add {name} = \"\" below [vars]"
                );
                let at = places.get(&["vars"]).map_or(0..0, |entry| entry.key.clone());
                return Err(JobError::at(text, file, &at, message));
            };
            // Of two values of one name the last one counts.
            let Range { start, end } = entry.value;
            edits.insert(start, (end, toml::Value::from(value.as_str()).to_string()));
        }
        // From the end, so that the places before stay as they are.
        let mut set = text.to_owned();
        for (start, (end, value)) in edits.into_iter().rev() {
            set.replace_range(start..end, &value);
        }
        Ok(set)
    }
}
