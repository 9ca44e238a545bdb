//! JSONata expressions, `{% … %}`, as Step Functions evaluates them: JSONata 2.0.6 with functions of its own
//! and without `$eval` (AWS developer guide, "Transforming data with JSONata").

use std::cell::RefCell;
use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use serde_json::Value;

use super::convert::{Unfit, from_json, to_json};
use super::functions::{self, EvaluationRng};
use super::{Env, EvalScope};
use super::{measure, meter, references};
use crate::failure::Failure;

/// A parsed expression and its field.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    source: String,
    /// The field, such as `Output/total`.
    field: String,
    ast: AstNode,
    /// The expression with inserted calls that measure its values; None if it cannot make anything large.
    measured: Option<AstNode>,
    /// A variable and the names after it, if the expression is nothing else.
    plain: Option<(String, Vec<String>)>,
}

/// The value of an expression that is only a variable and names.
enum PlainValue<'v> {
    Found(&'v Value),
    Undefined,
    /// The expression is more than that, or there is an array on the way, over which JSONata maps.
    NeedsEvaluator,
}

/// The limits of an evaluation. AWS stops an evaluation after a second, and limits its memory (see `meter`)
/// and its stack.
const LIMITS: EvaluatorOptions = EvaluatorOptions {
    timeout_ms: Some(1_000),
    cancel: None,
    max_stack_depth: Some(400),
    max_sequence_length: Some(1_000_000),
};

impl Expression {
    /// Parses an expression; `text` includes `{%` and `%}`. An error is JSONata's message.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, String> {
        let source = text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}")).unwrap_or(text).trim();
        let ast = parser::parse(source).map_err(|error| without_code(&error.to_string()).to_owned())?;
        refuse_later_operators(&ast)?;
        let plain = plain(&ast);
        let mut measured = plain.is_none().then(|| ast.clone());
        measured.take_if(|ast| !measure::insert(ast, source));
        Ok(Self { source: source.to_owned(), field: field.to_owned(), ast, measured, plain })
    }

    /// AWS's messages about references that it refuses. `caught` says whether there is a caught error.
    pub(crate) fn unsupported(&self, caught: bool) -> Vec<String> {
        references::unsupported(&self.ast, caught)
    }

    pub(crate) fn run(&self, env: &mut Env<'_, '_>) -> Result<Value, Failure> {
        match self.find_plain(env) {
            PlainValue::Found(value) => return Ok(value.clone()),
            PlainValue::Undefined => return Err(self.undefined()),
            PlainValue::NeedsEvaluator => {}
        }
        let mut context = Context::new();
        context.bind("states".into(), self.states(env));
        env.scope.variables.visit(&mut |name, value| {
            if self.source.contains(name) {
                context.bind(name.to_owned(), from_json(value));
            }
        });
        let mut evaluator = Evaluator::with_options(context, LIMITS);
        let rng = Rc::new(RefCell::new(EvaluationRng::begin(env.rng)));
        functions::register(&mut evaluator, &self.source, &rng);
        if self.measured.is_some() {
            meter::register(&mut evaluator);
        }
        let found = evaluator.evaluate(self.measured.as_ref().unwrap_or(&self.ast), &JValue::Undefined);
        rng.borrow_mut().end(env.rng);
        match found {
            Ok(JValue::Undefined) => Err(self.undefined()),
            Ok(value) => to_json(&value).map_err(|unfit| match unfit {
                Unfit::Function => self.failed("returned an unsupported result type."),
                Unfit::TooLarge => self.thrown(meter::TOO_MUCH),
                Unfit::TooDeep => self.thrown(TOO_DEEP),
            }),
            Err(error) => Err(self.thrown(message(&error))),
        }
    }

    /// Evaluates an expression whose value must have this type: `array`, `boolean`, `number` or `string`.
    pub(crate) fn run_as(&self, kind: &str, env: &mut Env<'_, '_>) -> Result<Value, Failure> {
        let value = self.run(env)?;
        let found = type_of(&value);
        if found == kind {
            Ok(value)
        } else {
            Err(self.failed(&format!(
                "returned an unexpected result type. Expected '{kind}', but was '{found}' for value: {value}"
            )))
        }
    }

    fn undefined(&self) -> Failure {
        self.failed("returned nothing (undefined).")
    }

    /// Makes the failure for an error. Errors of JSONata have a code; errors of its surroundings, such as a
    /// timeout, do not.
    fn thrown(&self, message: &str) -> Failure {
        let separator = if without_code(message) == message { ":" } else { "." };
        let message = message.get(..message.floor_char_boundary(LONGEST)).unwrap_or_default();
        self.failed(&format!("threw an error during evaluation{separator} {message}"))
    }

    fn failed(&self, what: &str) -> Failure {
        Failure::query(
            &self.field,
            format!(
                "The JSONata expression '{}' specified for the field '{}' {what}",
                self.source, self.field
            ),
        )
    }

    /// Finds the value of names after a variable without an evaluator, which leaves numbers as they are written.
    fn find_plain<'v>(&self, env: &Env<'v, '_>) -> PlainValue<'v> {
        let Some((variable, names)) = &self.plain else { return PlainValue::NeedsEvaluator };
        let (mut value, names) = match variable.as_str() {
            "states" => {
                let Some((first, rest)) = names.split_first() else { return PlainValue::NeedsEvaluator };
                (env.scope.part(first), rest)
            }
            name => (env.scope.variables.get(name), names.as_slice()),
        };
        for name in names {
            value = match value {
                Some(Value::Array(_)) => return PlainValue::NeedsEvaluator,
                value => value.and_then(|value| value.get(name.as_str())),
            };
        }
        value.map_or(PlainValue::Undefined, PlainValue::Found)
    }

    /// `$states`, with the members that the expression may refer to.
    fn states(&self, env: &Env<'_, '_>) -> JValue {
        const PARTS: [&str; 4] = ["input", "result", "errorOutput", "context"];
        let named = |rest: &str| {
            PARTS.iter().any(|part| rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(part)))
        };
        let all = !self.source.split("$states").skip(1).all(named);
        let parts = PARTS.into_iter().filter(|part| all || self.source.contains(part));
        let parts = parts.filter_map(|part| Some((part.to_owned(), from_json(env.scope.part(part)?))));
        JValue::object(parts.collect())
    }
}

impl<'a> EvalScope<'a> {
    /// A member of `$states`.
    fn part(&self, name: &str) -> Option<&'a Value> {
        match name {
            "input" => Some(self.input),
            "result" => self.result,
            "errorOutput" => self.error,
            "context" => Some(self.context),
            _ => None,
        }
    }
}

/// The message without JSONata's error code, as AWS returns it.
fn without_code(message: &str) -> &str {
    let is_code = |code: &str| code.len() == 5 && code.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    message.split_once(": ").filter(|(code, _)| is_code(code)).map_or(message, |(_, message)| message)
}

/// The variable and names of an expression such as `$states.input.a.b` or `$variable.a.b`.
fn plain(ast: &AstNode) -> Option<(String, Vec<String>)> {
    match ast {
        AstNode::Variable(name) if !name.is_empty() => Some((name.clone(), Vec::new())),
        AstNode::Path { steps } => {
            let mut names = Vec::with_capacity(steps.len());
            for step in steps {
                let simple = step.stages.is_empty() && step.focus.is_none() && step.index_var.is_none();
                match &step.node {
                    AstNode::Variable(name) if simple && names.is_empty() && !name.is_empty() => {
                        names.push(name.clone())
                    }
                    AstNode::Name(name) if simple && !names.is_empty() => names.push(name.clone()),
                    _ => return None,
                }
            }
            let variable = names.remove(0);
            Some((variable, names))
        }
        _ => None,
    }
}

/// Refuses `?:` and `??`, which JSONata has only since 2.1.
fn refuse_later_operators(ast: &AstNode) -> Result<(), String> {
    fn find(node: &Value) -> Option<&str> {
        match node {
            Value::Object(fields) => match fields.get("op").and_then(Value::as_str) {
                Some("Coalesce") => Some("??"),
                Some("Default") => Some("?:"),
                _ => fields.values().find_map(find),
            },
            Value::Array(items) => items.iter().find_map(find),
            _ => None,
        }
    }
    let tree = serde_json::to_value(ast).map_err(|error| error.to_string())?;
    match find(&tree) {
        Some(operator) => Err(format!("JSONata 2.0.6 has no operator {operator}")),
        None => Ok(()),
    }
}

/// The longest message of an error, in bytes. A cause has at most 32,768 characters.
const LONGEST: usize = 16_384;
const TOO_DEEP: &str = "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive";

/// The message in the words of JSONata 2.0.6 and of its sandbox on AWS.
fn message(error: &EvaluatorError) -> &str {
    match error.code() {
        Some("T1006") => "T1006: Attempted to invoke a non-function",
        Some("D1011" | "U1001") => TOO_DEEP,
        Some("D2014") => {
            "D2014: The size of the sequence allocated by the range operator (..) must not exceed 1e6."
        }
        Some("D1012") => "Expression evaluation timeout: Check for infinite loop",
        _ => error.message(),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
