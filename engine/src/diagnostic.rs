//! What is wrong with a definition, and where: in AWS's words and in ours.

use std::fmt;

use serde_json::{Value, json};

use crate::rule_violation::{Location, RuleViolation};

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the definition: a JSON pointer such as `/States/Work/Next`.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        write!(f, "line {}, column {}: {path}: {}", self.line, self.column, self.message)
    }
}

/// Everything that is wrong with a definition, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, in the order of the text.
    pub fn list(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Hardly what was meant.
    Warning,
    /// The definition is refused.
    Error,
}

/// One diagnostic in AWS's words, and in ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Such as `SCHEMA_VALIDATION_FAILED`; see AWS's list in
    /// [ValidateStateMachineDefinitionDiagnostic](https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinitionDiagnostic.html).
    pub code: &'static str,
    /// AWS's message as far as it is known, otherwise ours.
    pub message: String,
    /// Where, as AWS writes it (`/States/A/Choices[0]/Next`).
    pub location: Option<String>,
    /// The same with line and column, in our words, which often say more.
    pub problem: Problem,
}

impl Diagnostic {
    /// As `ValidateStateMachineDefinition` shows it.
    pub(crate) fn to_json(&self) -> Value {
        let severity = match self.severity {
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        };
        let mut diagnostic = json!({"severity": severity, "code": self.code, "message": self.message});
        if let Some(location) = &self.location {
            diagnostic["location"] = location.as_str().into();
        }
        diagnostic
    }
}

/// Bytes of a definition at most.
const LONGEST: usize = 1_048_576;

/// The definition is longer than AWS takes: said before anything of it is read.
pub(crate) fn too_long(definition: &str) -> Option<String> {
    let length = definition.len();
    (length > LONGEST)
        .then(|| format!("the definition is {length} bytes long; {LONGEST} is the most that AWS takes"))
}

/// A place in the text of a definition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Position {
    pub(crate) path: String,
    /// In bytes.
    pub(crate) offset: usize,
}

impl Position {
    /// The name of the field that stands there.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// Collects problems while a definition is read and compiled.
pub(crate) struct Report<'t> {
    text: &'t str,
    found: Vec<Found>,
}

struct Found {
    offset: usize,
    path: String,
    severity: Severity,
    code: &'static str,
    spot: Location,
    /// AWS's, where it is another than ours.
    aws: Option<String>,
    message: String,
    /// Fields of the object there that are missing.
    missing: Vec<String>,
}

impl<'t> Report<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// What is wrong in a way for which AWS's words are not known.
    pub(crate) fn add(&mut self, at: &Position, message: impl Into<String>) {
        self.violation(at, RuleViolation::Schema, message);
    }

    /// A broken rule; `message` says so in our words.
    pub(crate) fn violation(&mut self, at: &Position, rule: RuleViolation<'_>, message: impl Into<String>) {
        self.push(at, Severity::Error, rule, message.into());
    }

    /// The object there lacks a field.
    pub(crate) fn missing(&mut self, at: &Position, name: &str) {
        let same = self.found.iter_mut().find(|found| found.path == at.path && !found.missing.is_empty());
        let Some(found) = same else {
            self.violation(at, RuleViolation::Required(name), format!("the field {name} is missing"));
            if let Some(found) = self.found.last_mut() {
                found.missing.push(name.to_owned());
            }
            return;
        };
        found.missing.push(name.to_owned());
        found.aws = RuleViolation::Required(&found.missing.join(", ")).in_aws_words().2;
        found.message = format!("the fields {} are missing", found.missing.join(" and "));
    }

    pub(crate) fn warn(&mut self, at: &Position, code: &'static str, message: impl Into<String>) {
        self.push(at, Severity::Warning, RuleViolation::Schema, message.into());
        if let Some(found) = self.found.last_mut() {
            found.code = code;
        }
    }

    fn push(&mut self, at: &Position, severity: Severity, rule: RuleViolation<'_>, message: String) {
        let (code, spot, aws) = rule.in_aws_words();
        let (offset, path) = (at.offset, at.path.clone());
        self.found.push(Found { offset, path, severity, code, spot, aws, message, missing: Vec::new() });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.iter().all(|found| found.severity == Severity::Warning)
    }

    /// All of them in the order of the text.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|found| found.offset);
        // Only what is found in JSON has a path.
        let tree = crate::json::from_str(self.text).unwrap_or_default();
        self.found.iter().map(|found| self.diagnostic(found, &tree)).collect()
    }

    pub(crate) fn into_problems(self) -> Problems {
        let errors =
            self.into_diagnostics().into_iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        Problems(errors.map(|diagnostic| diagnostic.problem).collect())
    }

    fn diagnostic(&self, found: &Found, tree: &Value) -> Diagnostic {
        let before = &self.text[..found.offset.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let (line, column) = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
        let place = match &found.spot {
            Location::Here => Some(location(tree, &found.path)),
            Location::Around => {
                Some(location(tree, found.path.rsplit_once('/').map_or("", |(around, _)| around)))
            }
            Location::Nowhere => None,
            Location::Source(source) => Some(source.clone()),
        };
        Diagnostic {
            severity: found.severity,
            code: found.code,
            message: found.aws.clone().unwrap_or_else(|| found.message.clone()),
            location: place,
            problem: Problem { path: found.path.clone(), line, column, message: found.message.clone() },
        }
    }
}

/// A JSON pointer as AWS writes it: `/States/A/Choices[0]/Next`, names as they are.
fn location(tree: &Value, pointer: &str) -> String {
    let mut location = String::new();
    let mut at = Some(tree);
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        match at {
            Some(Value::Array(items)) => {
                location.push_str(&format!("[{name}]"));
                at = name.parse::<usize>().ok().and_then(|index| items.get(index));
            }
            object => {
                location.push('/');
                location.push_str(&name);
                at = object.and_then(|object| object.get(&name));
            }
        }
    }
    if location.is_empty() { "/".into() } else { location }
}
