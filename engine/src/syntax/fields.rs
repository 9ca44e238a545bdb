//! Reading the fields of an object one by one; what nobody asked for is a problem.

use serde_json::Value;

use super::json::{Kind, Node};
use crate::problem::{Place, Report};

/// A string and its place.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) at: Place,
}

/// A path field: not given, null, or a text.
#[derive(Debug, Clone, Default)]
pub(crate) enum Field {
    #[default]
    Absent,
    Null,
    Given(Text),
}

/// A number given as such (`MaxConcurrency`), by a path (`MaxConcurrencyPath`), or in JSONata by an
/// expression (`"MaxConcurrency": "{% … %}"`).
#[derive(Debug, Clone)]
pub(crate) enum Number {
    Literal(f64),
    Path(Text),
    Expression(Text),
}

/// `QueryLanguage`: of the machine, or of a state that has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    JsonPath,
    Jsonata,
}

/// Whether a string is a JSONata expression.
pub(crate) fn is_expression(text: &str) -> bool {
    text.starts_with("{%") && text.ends_with("%}") && text.len() >= 4
}

/// The fields of an object that were not read yet.
pub(crate) struct Fields {
    pub(crate) at: Place,
    left: Vec<(String, Node)>,
}

impl Fields {
    pub(crate) fn of(node: Node, report: &mut Report<'_>) -> Option<Fields> {
        match node.kind {
            Kind::Object(left) => Some(Fields { at: node.at, left }),
            _ => {
                report.add(&node.at, "must be an object");
                None
            }
        }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.left.iter().position(|(field, _)| field == name)?;
        Some(self.left.remove(at).1)
    }

    /// Whichever field comes first.
    pub(crate) fn take_any(&mut self) -> Option<(String, Node)> {
        (!self.left.is_empty()).then(|| self.left.remove(0))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(field, _)| field == name)
    }

    pub(crate) fn ignore(&mut self, name: &str) {
        self.take(name);
    }

    pub(crate) fn required(&mut self, name: &str, report: &mut Report<'_>) -> Option<Node> {
        let node = self.take(name);
        if node.is_none() {
            report.add(&self.at, format!("the field {name} is missing"));
        }
        node
    }

    pub(crate) fn text(&mut self, name: &str, report: &mut Report<'_>) -> Option<Text> {
        match self.path(name, report) {
            Field::Given(text) => Some(text),
            Field::Absent => None,
            Field::Null => {
                report.add(&self.at, format!("{name} can't be null"));
                None
            }
        }
    }

    pub(crate) fn required_text(&mut self, name: &str, report: &mut Report<'_>) -> Option<Text> {
        if self.left.iter().any(|(field, _)| field == name) {
            return self.text(name, report);
        }
        report.add(&self.at, format!("the field {name} is missing"));
        None
    }

    /// A field that may be null.
    pub(crate) fn path(&mut self, name: &str, report: &mut Report<'_>) -> Field {
        match self.take(name) {
            None => Field::Absent,
            Some(Node { kind: Kind::Plain(Value::Null), .. }) => Field::Null,
            Some(Node { kind: Kind::String(value), at }) => Field::Given(Text { value, at }),
            Some(node) => {
                report.add(&node.at, "must be a string");
                Field::Absent
            }
        }
    }

    /// A number within bounds, both included.
    pub(crate) fn number(&mut self, name: &str, low: f64, high: f64, report: &mut Report<'_>) -> Option<f64> {
        let node = self.take(name)?;
        let number = match &node.kind {
            Kind::Plain(Value::Number(number)) => number.as_f64(),
            _ => None,
        };
        let number = number.filter(|n| (low..=high).contains(n));
        if number.is_none() {
            report.add(&node.at, format!("must be a number from {low} to {high}"));
        }
        number
    }

    pub(crate) fn integer(&mut self, name: &str, low: u32, high: u32, report: &mut Report<'_>) -> Option<u32> {
        let at = self.left.iter().find(|(field, _)| field == name).map(|(_, node)| node.at.clone())?;
        let number = self.number(name, low.into(), high.into(), report)?;
        if number.fract() != 0.0 {
            report.add(&at, "must be a whole number");
        }
        // In bounds, see above.
        Some(number as u32)
    }

    /// `Name` (a number or an expression) or `NamePath`, not both.
    pub(crate) fn number_or_path(&mut self, name: &str, high: f64, whole: bool, report: &mut Report<'_>) -> Option<Number> {
        let path_name = format!("{name}Path");
        let given = self.left.iter().find(|(field, _)| field == name).map(|(_, node)| node);
        let at = given.map(|node| node.at.clone());
        let expression = matches!(given, Some(Node { kind: Kind::String(text), .. }) if is_expression(text));
        let given = match expression {
            true => self.text(name, report).map(Number::Expression),
            false => self.number(name, 0.0, high, report).map(Number::Literal),
        };
        let path = self.text(&path_name, report);
        match (given, path) {
            (Some(_), Some(path)) => {
                report.add(&path.at, format!("{name} and {path_name} can't both be given"));
                None
            }
            (Some(Number::Literal(number)), None) if whole && number.fract() != 0.0 => {
                report.add(&at.unwrap_or_default(), "must be a whole number");
                None
            }
            (given, None) => given,
            (None, Some(path)) => Some(Number::Path(path)),
        }
    }

    pub(crate) fn list(&mut self, name: &str, report: &mut Report<'_>) -> Option<(Place, Vec<Node>)> {
        let node = self.take(name)?;
        match node.kind {
            Kind::Array(items) => Some((node.at, items)),
            _ => {
                report.add(&node.at, "must be an array");
                None
            }
        }
    }

    /// The object's own query language, or `inherited`.
    pub(crate) fn query_language(&mut self, inherited: Language, report: &mut Report<'_>) -> Language {
        let Some(language) = self.text("QueryLanguage", report) else { return inherited };
        match language.value.as_str() {
            "JSONPath" => Language::JsonPath,
            "JSONata" => Language::Jsonata,
            other => {
                report.add(&language.at, format!("{other:?} is no query language"));
                inherited
            }
        }
    }

    pub(crate) fn finish(self, report: &mut Report<'_>) {
        for (name, node) in self.left {
            report.add(&node.at, format!("there is no field {name} here"));
        }
    }
}
