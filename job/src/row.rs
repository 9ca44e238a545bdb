//! A row: the columns of one line, as templates see them.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};
use serde_json::value::RawValue;

/// The columns of one line.
#[derive(Debug, Clone)]
pub enum Row {
    /// Text, CSV and TSV: values beside the columns' names.
    Fields {
        /// Names.
        columns: Arc<[String]>,
        /// Values; as many as names.
        values: Vec<String>,
    },
    /// JSONL: the line's own object.
    Object(serde_json::Map<String, serde_json::Value>),
}

impl Row {
    /// Reads an item's `v` beside the plan's columns.
    ///
    /// # Errors
    /// Whatever `serde_json` finds wrong.
    pub fn parse(columns: &Arc<[String]>, v: &RawValue) -> Result<Self, serde_json::Error> {
        if v.get().starts_with('{') {
            serde_json::from_str(v.get()).map(Self::Object)
        } else {
            let values = serde_json::from_str(v.get())?;
            Ok(Self::Fields { columns: columns.clone(), values })
        }
    }

    /// One column's value.
    pub fn get(&self, name: &str) -> Option<Value> {
        match self {
            Self::Fields { columns, values } => {
                let at = columns.iter().position(|column| column == name)?;
                values.get(at).map(|value| Value::from(value.as_str()))
            }
            Self::Object(object) => object.get(name).map(|value| Value::from(minijinja::value::Serde(value))),
        }
    }

    fn names(&self) -> Vec<Value> {
        match self {
            Self::Fields { columns, .. } => columns.iter().map(|name| Value::from(name.as_str())).collect(),
            Self::Object(object) => object.keys().map(|name| Value::from(name.as_str())).collect(),
        }
    }
}

impl Object for Row {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.names())
    }
}
