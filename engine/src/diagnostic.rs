//! The errors and warnings of a definition and their positions, in AWS's words and in the engine's own.

use std::fmt;

use serde_json::{Value, json};

use crate::rule_violation::{Location, RuleViolation};

/// An error of a definition, in the engine's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A JSON pointer into the definition, such as `/States/Work/Next`.
    pub path: String,
    /// The line; the first is 1.
    pub line: usize,
    /// The column in characters; the first is 1.
    pub column: usize,
    /// A sentence that says what is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        write!(f, "line {}, column {}: {path}: {}", self.line, self.column, self.message)
    }
}

/// All errors of a definition, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The errors, in the order of the text.
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

/// Whether the diagnostic refuses the definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The definition is probably not what its author meant.
    Warning,
    /// The definition is refused.
    Error,
}

/// A diagnostic in AWS's words, together with the same in the engine's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the diagnostic refuses the definition.
    pub severity: Severity,
    /// Such as `SCHEMA_VALIDATION_FAILED`; see AWS's list in
    /// [ValidateStateMachineDefinitionDiagnostic](https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinitionDiagnostic.html).
    pub code: &'static str,
    /// AWS's message if it is known, otherwise the engine's own.
    pub message: String,
    /// The location in AWS's notation (`/States/A/Choices[0]/Next`).
    pub location: Option<String>,
    /// The same with line and column, in the engine's own words, which often say more.
    pub problem: Problem,
}

impl Diagnostic {
    /// The diagnostic as `ValidateStateMachineDefinition` returns it.
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

/// The longest definition that AWS accepts, in bytes.
const LONGEST: usize = 1_048_576;

/// The message about a definition that is too long, which is not even parsed.
pub(crate) fn too_long(definition: &str) -> Option<String> {
    let length = definition.len();
    (length > LONGEST)
        .then(|| format!("the definition is {length} bytes long; {LONGEST} is the most that AWS takes"))
}

/// A position in the text of a definition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Position {
    pub(crate) path: String,
    /// In bytes.
    pub(crate) offset: usize,
}

impl Position {
    /// The name of the field at this position.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// Collects errors and warnings while a definition is read and compiled.
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
    /// AWS's message, if it differs from `message`.
    aws: Option<String>,
    message: String,
    /// The missing fields of the object at this position.
    missing: Vec<String>,
}

impl<'t> Report<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// Adds an error for which AWS's message is not known.
    pub(crate) fn add(&mut self, at: &Position, message: impl Into<String>) {
        self.violation(at, RuleViolation::Schema, message);
    }

    /// Adds an error; `message` describes it in the engine's own words.
    pub(crate) fn violation(&mut self, at: &Position, rule: RuleViolation<'_>, message: impl Into<String>) {
        self.push(at, Severity::Error, rule, message.into());
    }

    /// Adds the error that the object at this position has no field `name`.
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

    /// All errors and warnings, in the order of the text.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|found| found.offset);
        // If the text is not JSON, no diagnostic has a path.
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

/// Converts a JSON pointer to AWS's notation: `/States/A/Choices[0]/Next`, with names unescaped.
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
