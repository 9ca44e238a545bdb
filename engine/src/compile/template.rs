//! Compiles payload templates and similar fields, in both query languages.

use super::Compiler;
use crate::diagnostic::Position;
use crate::expr::{Expression, Template};
use crate::language::Language;
use crate::machine::{Number, OnExit, TextOrPath};
use crate::rule_violation::RuleViolation;
use crate::syntax::{self, Json, Node, Text, is_expression};

impl Compiler<'_, '_> {
    /// Compiles a template in the query language of the state.
    pub(super) fn template(&mut self, node: &Node) -> Template {
        match &node.kind {
            Json::Plain(value) => Template::Literal(value.clone()),
            Json::String(text) if self.language == Language::Jsonata && text.starts_with("{%") => {
                let text = Text { value: text.clone(), at: node.at.clone() };
                self.jsonata(&text).map_or(Template::Literal(serde_json::Value::Null), Template::Expression)
            }
            Json::String(text) => Template::Literal(text.clone().into()),
            Json::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.template(item)).collect();
                if items.iter().all(|item| matches!(item, Template::Literal(_))) {
                    Template::Literal(node.value())
                } else {
                    Template::Array(items)
                }
            }
            Json::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| self.field(name, value));
                Template::Object(fields.collect())
            }
        }
    }

    fn field(&mut self, name: &str, value: &Node) -> (String, Template) {
        let Some(plain) = name.strip_suffix(".$").filter(|_| self.language == Language::JsonPath) else {
            if self.language == Language::JsonPath {
                self.warn_of_path(
                    value,
                    "NO_DOLLAR",
                    "looks like a path or a function, but the field's name does not end in .$",
                );
            }
            return (name.to_owned(), self.template(value));
        };
        let expression = match &value.kind {
            Json::String(text) => self.expression(name, &Text { value: text.clone(), at: value.at.clone() }),
            _ => {
                self.report.violation(
                    &value.at,
                    RuleViolation::Template(name),
                    "a field whose name ends in .$ must be a path or an intrinsic function",
                );
                None
            }
        };
        (plain.to_owned(), expression.unwrap_or(Template::Literal(serde_json::Value::Null)))
    }

    fn warn_of_path(&mut self, node: &Node, code: &'static str, message: &str) {
        if matches!(&node.kind, Json::String(text) if looks_like_path(text)) {
            self.report.warn(&node.at, code, message);
        }
    }

    /// Warns of paths in the result of a Pass, in which nothing is evaluated.
    pub(super) fn warn_of_static(&mut self, node: &Node) {
        self.warn_of_path(
            node,
            "PASS_RESULT_IS_STATIC",
            "looks like a path or a function, but nothing in Result is evaluated",
        );
        match &node.kind {
            Json::Object(fields) => fields.iter().for_each(|(_, value)| self.warn_of_static(value)),
            Json::Array(items) => items.iter().for_each(|item| self.warn_of_static(item)),
            _ => {}
        }
    }

    /// Compiles a path or a call of an intrinsic function.
    pub(super) fn expression(&mut self, field: &str, text: &Text) -> Option<Template> {
        let expression = Template::expression(field, &text.value);
        expression
            .map_err(|reason| self.report.violation(&text.at, RuleViolation::Template(field), reason))
            .ok()
    }

    pub(super) fn jsonata(&mut self, text: &Text) -> Option<Expression> {
        if !is_expression(&text.value) {
            self.report.violation(
                &text.at,
                RuleViolation::JsonataForm,
                "a JSONata expression begins with {% and ends with %}",
            );
            return None;
        }
        let expression = Expression::parse(&self.location(&text.at), &text.value);
        let say = |reason: String| {
            let message = format!("the JSONata expression {:?} cannot be parsed: {reason}", text.value);
            self.report.violation(&text.at, RuleViolation::Jsonata(&reason), message);
        };
        let expression = expression.map_err(say).ok()?;
        let caught = self.location(&text.at).starts_with("Catch[");
        for what in expression.unsupported(caught) {
            self.report.violation(
                &text.at,
                RuleViolation::JsonataName(&what),
                format!("in the JSONata expression {:?}: {what}", text.value),
            );
        }
        Some(expression)
    }

    /// The position within its state, as errors name it: `Choices[0]/Condition`.
    fn location(&self, at: &Position) -> String {
        let mut location = String::new();
        for part in at.path.get(self.state_path.len() + 1..).unwrap_or_default().split('/') {
            match part.parse::<usize>() {
                Ok(index) => location.push_str(&format!("[{index}]")),
                Err(_) if location.is_empty() => location.push_str(part),
                Err(_) => location.push_str(&format!("/{part}")),
            }
        }
        location
    }

    pub(super) fn on_exit(&mut self, on_exit: &syntax::OnExit) -> OnExit {
        let mut assign = Vec::new();
        if let Some(node) = &on_exit.assign {
            match self.template(node) {
                Template::Object(fields) => assign = fields,
                _ => self.report.violation(&node.at, RuleViolation::Type("Object"), "must be an object"),
            }
            for (name, _) in &assign {
                self.variable_name(name, &node.at);
            }
        }
        OnExit { output: on_exit.output.as_ref().map(|node| self.template(node)), assign }
    }

    /// Checks a name: it must be an identifier of at most 80 characters.
    fn variable_name(&mut self, name: &str, at: &Position) {
        let mut chars = name.chars();
        let starts = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
        if !starts || !chars.all(|c| c.is_alphanumeric() || c == '_') || name.chars().count() > 80 {
            self.report.violation(
                at,
                RuleViolation::VariableName(name),
                format!(
                    "{name:?} is not a name of a variable: a name has 1 to 80 letters, digits and _, and does not begin with a digit"
                ),
            );
        }
        if name == "states" {
            self.report.violation(at, RuleViolation::ReservedVariable, "the variable $states cannot be set");
        }
        if let Some(outer) = self.variables_outside.iter().find(|outer| *outer == name) {
            self.report
                .add(at, format!("the variable ${outer} belongs to an outer scope, and cannot be set here"));
        }
    }

    pub(super) fn number(&mut self, number: Option<syntax::Number>) -> Option<Number> {
        match (number?, self.language) {
            (syntax::Number::Literal(number), _) => Some(Number::Literal(number)),
            (syntax::Number::Path(text), Language::JsonPath) => self.path(&text).map(Number::Path),
            (syntax::Number::Expression(text), Language::Jsonata) => {
                self.jsonata(&text).map(Number::Expression)
            }
            (syntax::Number::Path(text), Language::Jsonata) => {
                self.report.violation(
                    &text.at,
                    RuleViolation::OnlyJsonPath(text.at.name()),
                    "a state in JSONata has no field for a path",
                );
                None
            }
            (syntax::Number::Expression(text), Language::JsonPath) => {
                self.report.violation(
                    &text.at,
                    RuleViolation::Type("Integer"),
                    "must be a number: the state's query language is not JSONata",
                );
                None
            }
        }
    }

    pub(super) fn text_or_path(&mut self, field: &str, text: syntax::TextOrPath) -> Option<TextOrPath> {
        match (text.text, text.path) {
            (Some(text), _) if self.language == Language::Jsonata && text.value.starts_with("{%") => {
                Some(TextOrPath::Template(Template::Expression(self.jsonata(&text)?)))
            }
            (Some(text), _) => {
                if self.language == Language::JsonPath && looks_like_path(&text.value) {
                    self.report.warn(
                        &text.at,
                        "NO_PATH",
                        format!("looks like a path, which belongs into the field {field}"),
                    );
                }
                Some(TextOrPath::Literal(text.value))
            }
            (None, Some(text)) if self.language == Language::Jsonata => {
                self.report.violation(
                    &text.at,
                    RuleViolation::OnlyJsonPath(text.at.name()),
                    "a state in JSONata has no field for a path",
                );
                None
            }
            (None, Some(text)) => Some(TextOrPath::Template(self.expression(field, &text)?)),
            (None, None) => None,
        }
    }
}

fn looks_like_path(text: &str) -> bool {
    let function = text.starts_with("States.") && text.ends_with(')');
    function || text == "$" || ["$.", "$[", "$$."].iter().any(|start| text.starts_with(start))
}
