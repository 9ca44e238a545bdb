//! A row: the columns of one line, as templates see them.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};
use serde_json::value::RawValue;

use crate::file::packing::ROWS;
use crate::file::template::{Drawn, exact};
use crate::json::{Document, JsonError};

/// The columns of one line.
#[derive(Debug, Clone)]
pub enum Row {
    /// A line of text, CSV or TSV: values in the order of the columns.
    Fields {
        /// The names of the columns.
        columns: Arc<[String]>,
        /// The values, as many as names.
        values: Vec<String>,
    },
    /// A line of JSON: its object.
    Object(Document),
    /// A line for which templates draw values.
    Drawing(Box<Row>, Arc<Drawn>),
    /// A line after responses, which it has as `responses`.
    After {
        /// The line.
        row: Arc<Self>,
        /// The responses, as [`super::response_as_json`] writes them.
        responses: Vec<Document>,
    },
    /// The lines of one request, as `rows`.
    Several(Vec<Arc<Self>>),
}

impl Row {
    /// Reads an item's `v`, whose values are in the order of the plan's columns.
    ///
    /// # Errors
    /// In words, why it is neither an array of texts nor an object.
    pub fn parse(columns: &Arc<[String]>, v: &RawValue) -> Result<Self, String> {
        if v.get().starts_with('{') {
            Document::parse(v.get()).map(Self::Object).map_err(|error: JsonError| error.to_string())
        } else {
            let values = serde_json::from_str(v.get()).map_err(|error| error.to_string())?;
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
            Self::Object(object) => object.root().get(name).map(|value| exact::value(object, value, true)),
            Self::Drawing(row, _) => row.get(name),
            Self::After { row, responses } => {
                let response = |response: &Document| exact::value(response, response.root(), true);
                match name {
                    "responses" => Some(responses.iter().map(response).collect()),
                    "response" => responses.last().map(response),
                    name => row.get(name),
                }
            }
            Self::Several(rows) => {
                (name == ROWS).then(|| rows.iter().map(|row| Value::from_dyn_object(row.clone())).collect())
            }
        }
    }

    /// What templates draw for the line. Lines of one request have what is drawn for the first of them.
    pub(in crate::file) fn drawn(&self) -> Option<&Arc<Drawn>> {
        match self {
            Self::Drawing(_, drawn) => Some(drawn),
            Self::After { row, .. } => row.drawn(),
            Self::Several(rows) => rows.first().and_then(|row| row.drawn()),
            Self::Fields { .. } | Self::Object(_) => None,
        }
    }

    /// The line with what the identity of its request has in place of drawn values.
    pub(in crate::file) fn named(self: &Arc<Self>) -> Arc<Self> {
        match &**self {
            Self::Drawing(row, drawn) => {
                Arc::new(Self::Drawing(row.clone(), Arc::new(Drawn::named(drawn.line()))))
            }
            Self::After { row, responses } => {
                Arc::new(Self::After { row: row.named(), responses: responses.clone() })
            }
            Self::Several(rows) => Arc::new(Self::Several(rows.iter().map(Self::named).collect())),
            Self::Fields { .. } | Self::Object(_) => self.clone(),
        }
    }

    /// The columns and their values as a text: two rows with the same text are the same line.
    pub(in crate::file) fn source(&self) -> Cow<'_, str> {
        match self {
            Self::Fields { columns, values } => {
                let pairs: Vec<_> = columns.iter().zip(values).collect();
                serde_json::to_string(&pairs).expect("texts are plain JSON").into()
            }
            Self::Object(object) => object.root().raw().into(),
            Self::Drawing(row, _) => row.source(),
            Self::After { row, .. } => row.source(),
            Self::Several(rows) => {
                let rows: Vec<_> = rows.iter().map(|row| row.source()).collect();
                serde_json::to_string(&rows).expect("texts are plain JSON").into()
            }
        }
    }

    fn names(&self) -> Vec<Value> {
        match self {
            Self::Fields { columns, .. } => columns.iter().map(|name| Value::from(name.as_str())).collect(),
            Self::Object(object) => object.root().members().map(|(name, _)| Value::from(name)).collect(),
            Self::Drawing(row, _) => row.names(),
            Self::After { row, .. } => row.names(),
            Self::Several(_) => vec![Value::from(ROWS)],
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
