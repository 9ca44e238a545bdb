//! The values of placeholders.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::read_document;
use crate::Error;

/// The values that the user gave, by the names of placeholders.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    /// Reads a file: an object of names and values in JSON or YAML, or a CloudFormation parameter file.
    ///
    /// # Errors
    /// When it cannot be read, or is neither.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let value = read_document(path)?;
        let value = value.get("Parameters").cloned().unwrap_or(value);
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let pair = |entry: &Value| {
            Some((entry["ParameterKey"].as_str()?.to_owned(), plain(&entry["ParameterValue"])))
        };
        let values = match &value {
            Value::Object(fields) => Some(fields.iter().map(|(k, v)| (k.clone(), plain(v))).collect()),
            Value::Array(entries) => entries.iter().map(pair).collect(),
            _ => None,
        };
        values.map(Self).ok_or_else(|| Error::at(path, "the file is not an object of names and values"))
    }

    /// Adds `NAME=VALUE`, which replaces an earlier value.
    ///
    /// # Errors
    /// When it is not of that form.
    pub fn set(&mut self, pair: &str) -> Result<(), Error> {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| Error::new(format!("--set {pair:?} is not NAME=VALUE")))?;
        let name = name.strip_prefix("${").and_then(|name| name.strip_suffix('}')).unwrap_or(name);
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// The values of CloudFormation's pseudo parameters on this machine.
pub(super) fn pseudo(name: &str) -> Option<String> {
    let value = match name {
        "AWS::AccountId" => "123456789012",
        "AWS::Partition" => "aws",
        "AWS::Region" => "us-east-1",
        "AWS::StackName" => "local",
        "AWS::URLSuffix" => "amazonaws.com",
        _ => return None,
    };
    Some(value.to_owned())
}
