//! Reads the fields of an object one by one. A field that nobody has read is an error.

use serde_json::Value;

use super::json::{Json, Node};
use crate::diagnostic::{Position, Report};
use crate::language::Language;
use crate::rule_violation::RuleViolation;

/// A string and its position.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) at: Position,
}

/// A path field: not given, null, or a text.
#[derive(Debug, Clone, Default)]
pub(crate) enum Field {
    #[default]
    Absent,
    Null,
    Given(Text),
}

/// A number: a literal (`MaxConcurrency`), a path (`MaxConcurrencyPath`), or in JSONata an expression
/// (`"MaxConcurrency": "{% … %}"`).
#[derive(Debug, Clone)]
pub(crate) enum Number {
    Literal(f64),
    Path(Text),
    Expression(Text),
}

/// Fields that only JSONPath has.
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

/// Whether a string is a JSONata expression.
pub(crate) fn is_expression(text: &str) -> bool {
    text.starts_with("{%") && text.ends_with("%}") && text.len() >= 4
}

/// The fields of an object that have not been read yet, and the report for their errors.
pub(crate) struct Fields<'r, 't> {
    pub(crate) at: Position,
    pub(crate) report: &'r mut Report<'t>,
    left: Vec<(String, Node)>,
}

impl<'r, 't> Fields<'r, 't> {
    pub(crate) fn of(node: Node, report: &'r mut Report<'t>) -> Option<Self> {
        match node.kind {
            Json::Object(left) => Some(Self { at: node.at, report, left }),
            _ => {
                report.violation(&node.at, RuleViolation::Type("Object"), "must be an object");
                None
            }
        }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.left.iter().position(|(field, _)| field == name)?;
        Some(self.left.remove(at).1)
    }

    /// Takes the first field.
    pub(crate) fn take_any(&mut self) -> Option<(String, Node)> {
        (!self.left.is_empty()).then(|| self.left.remove(0))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(field, _)| field == name)
    }

    pub(crate) fn ignore(&mut self, name: &str) {
        self.take(name);
    }

    pub(crate) fn required(&mut self, name: &str) -> Option<Node> {
        let node = self.take(name);
        if node.is_none() {
            self.report.missing(&self.at, name);
        }
        node
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<Text> {
        match self.path(name) {
            Field::Given(text) => Some(text),
            Field::Absent => None,
            Field::Null => {
                self.report.add(&self.at, format!("{name} cannot be null"));
                None
            }
        }
    }

    pub(crate) fn required_text(&mut self, name: &str) -> Option<Text> {
        if self.left.iter().any(|(field, _)| field == name) {
            return self.text(name);
        }
        self.report.missing(&self.at, name);
        None
    }

    /// A field that may be null.
    pub(crate) fn path(&mut self, name: &str) -> Field {
        match self.take(name) {
            None => Field::Absent,
            Some(Node { kind: Json::Plain(Value::Null), .. }) => Field::Null,
            Some(Node { kind: Json::String(value), at }) => Field::Given(Text { value, at }),
            Some(node) => {
                self.report.violation(&node.at, RuleViolation::Type("String"), "must be a string");
                Field::Absent
            }
        }
    }

    /// A number from `low` to `high`, both included. `whole` says whether AWS calls it an integer.
    pub(crate) fn number(&mut self, name: &str, low: f64, high: f64, whole: bool) -> Option<f64> {
        let node = self.take(name)?;
        let number = match &node.kind {
            Json::Plain(Value::Number(number)) => number.as_f64(),
            _ => None,
        };
        let broken = match number {
            None => RuleViolation::Type("Integer"),
            Some(number) if number < low => RuleViolation::Minimum(low, whole),
            Some(number) if number > high => RuleViolation::Maximum(high, whole),
            Some(_) => return number,
        };
        self.report.violation(&node.at, broken, format!("must be a number from {low} to {high}"));
        None
    }

    pub(crate) fn integer(&mut self, name: &str, low: u32, high: u32) -> Option<u32> {
        let at = self.left.iter().find(|(field, _)| field == name).map(|(_, node)| node.at.clone())?;
        let number = self.number(name, low.into(), high.into(), true)?;
        if number.fract() != 0.0 {
            self.report.violation(&at, RuleViolation::Type("Integer"), "must be a whole number");
        }
        // `number` has checked the bounds.
        Some(number as u32)
    }

    /// A number in `Name` (a literal or an expression) or in `NamePath`, but not in both.
    pub(crate) fn number_or_path(&mut self, name: &str, low: f64, high: f64, whole: bool) -> Option<Number> {
        let path_name = format!("{name}Path");
        let given = self.left.iter().find(|(field, _)| field == name).map(|(_, node)| node);
        let at = given.map(|node| node.at.clone());
        let expression = matches!(given, Some(Node { kind: Json::String(text), .. }) if is_expression(text));
        let given = if expression {
            self.text(name).map(Number::Expression)
        } else {
            self.number(name, low, high, whole).map(Number::Literal)
        };
        let path = self.text(&path_name);
        match (given, path) {
            (Some(_), Some(path)) => {
                let both = [name, path_name.as_str()];
                self.report.violation(
                    &path.at,
                    RuleViolation::AtMostOne(&both),
                    format!("{name} and {path_name} cannot both be given"),
                );
                None
            }
            (Some(Number::Literal(number)), None) if whole && number.fract() != 0.0 => {
                self.report.violation(
                    &at.unwrap_or_default(),
                    RuleViolation::Type("Integer"),
                    "must be a whole number",
                );
                None
            }
            (given, None) => given,
            (None, Some(path)) => Some(Number::Path(path)),
        }
    }

    pub(crate) fn list(&mut self, name: &str) -> Option<(Position, Vec<Node>)> {
        let node = self.take(name)?;
        match node.kind {
            Json::Array(items) => Some((node.at, items)),
            _ => {
                self.report.violation(&node.at, RuleViolation::Type("Array"), "must be an array");
                None
            }
        }
    }

    pub(crate) fn required_list(&mut self, name: &str) -> Option<(Position, Vec<Node>)> {
        if !self.has(name) {
            self.report.missing(&self.at, name);
        }
        self.list(name)
    }

    /// The object's own query language, or `inherited`. AWS treats every other word as JSONata.
    pub(crate) fn query_language(&mut self, inherited: Language) -> Language {
        let Some(language) = self.text("QueryLanguage") else { return inherited };
        match language.value.as_str() {
            "JSONPath" => Language::JsonPath,
            "JSONata" => Language::Jsonata,
            other => {
                self.report.violation(
                    &language.at,
                    RuleViolation::Values(&["JSONPath", "JSONata"]),
                    format!("{other:?} is not a query language"),
                );
                Language::Jsonata
            }
        }
    }

    pub(crate) fn finish(self) {
        for (name, node) in self.left {
            self.report.violation(
                &node.at,
                RuleViolation::Unsupported(&name),
                format!("there is no field {name} here"),
            );
        }
    }

    /// Reports the fields that have not been read, in a state of this query language.
    pub(crate) fn finish_in(self, language: Language) {
        for (name, node) in self.left {
            let name = name.as_str();
            let rule = match language {
                Language::Jsonata if JSONPATH_ONLY.contains(&name) => RuleViolation::OnlyJsonPath(name),
                Language::JsonPath if JSONATA_ONLY.contains(&name) => RuleViolation::OnlyJsonata(name),
                _ => RuleViolation::Unsupported(name),
            };
            let message = match rule {
                RuleViolation::Unsupported(_) => format!("there is no field {name} here"),
                _ => format!("there is no field {name} in a state in {language}"),
            };
            self.report.violation(&node.at, rule, message);
        }
    }
}
