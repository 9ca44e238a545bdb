//! Reading the fields of an object one by one; what nobody asked for is a problem.

use std::fmt;

use serde_json::Value;

use super::json::{Kind, Node};
use crate::breach::Breach;
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

/// Fields of JSONPath that JSONata has not, and the other way round.
const JSONPATH_ONLY: &[&str] = &[
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "ResultSelector",
    "Result",
    "ItemsPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "SecondsPath",
    "TimestampPath",
    "MaxConcurrencyPath",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCountPath",
    "ErrorPath",
    "CausePath",
    "Variable",
];
const JSONATA_ONLY: &[&str] = &["Arguments", "Output", "Items", "Condition"];

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::JsonPath => "JSONPath",
            Language::Jsonata => "JSONata",
        })
    }
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
                report.breaks(&node.at, Breach::Type("Object"), "must be an object");
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
            report.lacks(&self.at, name);
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
        report.lacks(&self.at, name);
        None
    }

    /// A field that may be null.
    pub(crate) fn path(&mut self, name: &str, report: &mut Report<'_>) -> Field {
        match self.take(name) {
            None => Field::Absent,
            Some(Node { kind: Kind::Plain(Value::Null), .. }) => Field::Null,
            Some(Node { kind: Kind::String(value), at }) => Field::Given(Text { value, at }),
            Some(node) => {
                report.breaks(&node.at, Breach::Type("String"), "must be a string");
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
        let broken = match number {
            None => Breach::Type("Integer"),
            Some(number) if number < low => Breach::Minimum(low),
            Some(number) if number > high => Breach::Maximum(high),
            Some(_) => return number,
        };
        report.breaks(&node.at, broken, format!("must be a number from {low} to {high}"));
        None
    }

    pub(crate) fn integer(&mut self, name: &str, low: u32, high: u32, report: &mut Report<'_>) -> Option<u32> {
        let at = self.left.iter().find(|(field, _)| field == name).map(|(_, node)| node.at.clone())?;
        let number = self.number(name, low.into(), high.into(), report)?;
        if number.fract() != 0.0 {
            report.breaks(&at, Breach::Type("Integer"), "must be a whole number");
        }
        // In bounds, see above.
        Some(number as u32)
    }

    /// `Name` (a number or an expression) or `NamePath`, not both.
    pub(crate) fn number_or_path(&mut self, name: &str, low: f64, high: f64, whole: bool, report: &mut Report<'_>) -> Option<Number> {
        let path_name = format!("{name}Path");
        let given = self.left.iter().find(|(field, _)| field == name).map(|(_, node)| node);
        let at = given.map(|node| node.at.clone());
        let expression = matches!(given, Some(Node { kind: Kind::String(text), .. }) if is_expression(text));
        let given = match expression {
            true => self.text(name, report).map(Number::Expression),
            false => self.number(name, low, high, report).map(Number::Literal),
        };
        let path = self.text(&path_name, report);
        match (given, path) {
            (Some(_), Some(path)) => {
                let both = [name, path_name.as_str()];
                report.breaks(&path.at, Breach::AtMostOne(&both), format!("{name} and {path_name} can't both be given"));
                None
            }
            (Some(Number::Literal(number)), None) if whole && number.fract() != 0.0 => {
                report.breaks(&at.unwrap_or_default(), Breach::Type("Integer"), "must be a whole number");
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
                report.breaks(&node.at, Breach::Type("Array"), "must be an array");
                None
            }
        }
    }

    pub(crate) fn required_list(&mut self, name: &str, report: &mut Report<'_>) -> Option<(Place, Vec<Node>)> {
        if !self.has(name) {
            report.lacks(&self.at, name);
        }
        self.list(name, report)
    }

    /// The object's own query language, or `inherited`.
    pub(crate) fn query_language(&mut self, inherited: Language, report: &mut Report<'_>) -> Language {
        let Some(language) = self.text("QueryLanguage", report) else { return inherited };
        match language.value.as_str() {
            "JSONPath" => Language::JsonPath,
            "JSONata" => Language::Jsonata,
            other => {
                report.breaks(&language.at, Breach::Values(&["JSONPath", "JSONata"]), format!("{other:?} is no query language"));
                inherited
            }
        }
    }

    pub(crate) fn finish(self, report: &mut Report<'_>) {
        for (name, node) in self.left {
            report.breaks(&node.at, Breach::Unsupported(&name), format!("there is no field {name} here"));
        }
    }

    /// The same for an object of a state in that language: some fields belong to the other one.
    pub(crate) fn finish_in(self, language: Language, report: &mut Report<'_>) {
        for (name, node) in self.left {
            let name = name.as_str();
            let rule = match language {
                Language::Jsonata if JSONPATH_ONLY.contains(&name) => Breach::OnlyJsonPath(name),
                Language::JsonPath if JSONATA_ONLY.contains(&name) => Breach::OnlyJsonata(name),
                _ => Breach::Unsupported(name),
            };
            let message = match rule {
                Breach::Unsupported(_) => format!("there is no field {name} here"),
                _ => format!("there is no field {name} in a state in {language}"),
            };
            report.breaks(&node.at, rule, message);
        }
    }
}
