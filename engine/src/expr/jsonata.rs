//! JSONata expressions, `{% … %}`, as Step Functions evaluates them: JSONata 2.0.6 with functions of its own
//! and without `$eval` (AWS developer guide, "Transforming data with JSONata").

mod plain;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use serde_json::Value;

use self::plain::{PlainValue, plain};
use super::convert::{Unfit, from_json, to_exact_json};
use super::exact::{self, Exact};
use super::functions::{self, EvaluationRng};
use super::words::{self, TOO_DEEP, TOO_MUCH, without_code};
use super::{Env, EvalScope};
use super::{measure, meter, references, syntax_tree};
use crate::failure::Failure;

/// A parsed expression and its field.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    source: String,
    /// The field, such as `Output/total`.
    field: String,
    ast: Box<AstNode>,
    /// The expression with inserted calls that measure its values; None if it cannot make anything large.
    measured: Option<Box<AstNode>>,
    /// The expression in which numbers that only pass through keep their digits, once an evaluation needs it;
    /// None if there is no such expression.
    exact: OnceLock<Option<Box<Variant>>>,
    /// The deepest nesting of an evaluation. Inserted calls make it deeper.
    deepest: usize,
    /// Whether the evaluation is nested too deeply in every case.
    too_deep: bool,
    /// Which members of `$states` the expression may refer to.
    parts: [bool; PARTS.len()],
    /// The functions of Step Functions that the expression may call.
    functions: functions::Named,
    /// Whether a pattern was replaced by a function.
    matches: bool,
    /// A variable and the names after it, if the expression is nothing else.
    plain: Option<(String, Vec<String>)>,
}

/// A form of an expression with inserted calls, and its deepest nesting.
#[derive(Debug, Clone)]
struct Variant {
    ast: AstNode,
    deepest: usize,
}

/// The limits of an evaluation. AWS stops an evaluation after a second, and limits its memory (see `meter`)
/// and its stack.
const LIMITS: EvaluatorOptions = EvaluatorOptions {
    timeout_ms: Some(1_000),
    cancel: None,
    max_stack_depth: Some(syntax_tree::DEEPEST),
    max_sequence_length: Some(400_000),
};

impl Expression {
    /// Parses an expression; `text` includes `{%` and `%}`. An error is JSONata's message.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, String> {
        let source = text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}")).unwrap_or(text).trim();
        let mut expression = Self {
            source: source.to_owned(),
            field: field.to_owned(),
            ast: Box::new(AstNode::Null),
            measured: None,
            exact: OnceLock::new(),
            deepest: syntax_tree::DEEPEST,
            too_deep: false,
            parts: parts_in(source),
            functions: functions::Named::of(source),
            matches: false,
            plain: None,
        };
        let mut ast = match parser::parse(source) {
            Ok(ast) => ast,
            Err(error) if words::is_too_deep(&error) => {
                expression.too_deep = true;
                return Ok(expression);
            }
            Err(error) => return Err(words::of_parser(&error)),
        };
        let mut tree = syntax_tree::of(&ast)?;
        if let Some(operator) = syntax_tree::find_operator(&tree, LATER_OPERATORS) {
            return Err(format!("The symbol \"{operator}\" cannot be used as a unary operator"));
        }
        if source.contains('/') {
            expression.matches = syntax_tree::translate_patterns(&mut tree)?;
            ast = serde_json::from_value(tree).map_err(|error| error.to_string())?;
        }
        let depth = syntax_tree::depth(&ast);
        expression.too_deep = depth > syntax_tree::DEEPEST;
        expression.plain = plain(&ast);
        if expression.plain.is_none() && !expression.too_deep {
            let mut measured = ast.clone();
            if measure::insert(&mut measured, source) {
                expression.deepest = deepest(&ast, &measured, source);
                expression.measured = Some(Box::new(measured));
            }
        }
        expression.ast = Box::new(ast);
        Ok(expression)
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
        if self.too_deep {
            return Err(self.thrown(TOO_DEEP));
        }
        let used = env.rng.draws.used;
        let variant = if self.meets_exact_numbers(env) {
            self.exact.get_or_init(|| self.exact_variant()).as_ref()
        } else {
            None
        };
        let mut exact = Exact::default();
        let found = match variant {
            Some(variant) => self.evaluate(&variant.ast, variant.deepest, env, &mut exact, Mode::Exact),
            None => {
                let ast = self.measured.as_ref().unwrap_or(&self.ast);
                self.evaluate(ast, self.deepest, env, &mut exact, Mode::Plain)
            }
        };
        match found {
            Ok(JValue::Undefined) => Err(self.undefined()),
            Ok(value) => to_exact_json(&value, &exact).map_err(|unfit| match unfit {
                Unfit::Function => self.failed("returned an unsupported result type."),
                Unfit::TooLarge => self.thrown(TOO_MUCH),
                Unfit::TooDeep => self.thrown(TOO_DEEP),
            }),
            Err(error) => {
                // The same numbers are drawn again.
                env.rng.draws.used = used;
                let called = if words::names_function(&error) { self.called(env) } else { String::new() };
                let tree = syntax_tree::of(&self.ast).unwrap_or_default();
                let operator = syntax_tree::find_operator(&tree, COMPARISONS).unwrap_or_default();
                Err(self.thrown(&words::of_evaluator(&error, &called, operator)))
            }
        }
    }

    fn evaluate(
        &self,
        ast: &AstNode,
        deepest: usize,
        env: &mut Env<'_, '_>,
        exact: &mut Exact,
        mode: Mode<'_>,
    ) -> Result<JValue, EvaluatorError> {
        let mut convert = |value: &Value| match mode {
            Mode::Exact => exact.convert(value),
            Mode::Plain | Mode::Noting(_) => from_json(value),
        };
        let mut context = Context::new();
        context.bind("states".into(), self.states(env, &mut convert));
        env.scope.variables.visit(&mut |name, value| {
            if self.source.contains(name) {
                context.bind(name.to_owned(), convert(value));
            }
        });
        let limits = EvaluatorOptions { max_stack_depth: Some(deepest), ..LIMITS };
        let mut evaluator = Evaluator::with_options(context, limits);
        let rng = Rc::new(RefCell::new(EvaluationRng::begin(env.rng)));
        functions::register(&mut evaluator, self.functions, &rng);
        if self.measured.is_some() {
            meter::register(&mut evaluator);
        }
        if self.matches {
            evaluator.register_fn(syntax_tree::MATCH, functions::match_once)?;
            evaluator.register_fn(syntax_tree::SPLIT, functions::split_at_matches)?;
        }
        match mode {
            Mode::Plain => {}
            Mode::Exact => exact::register(&mut evaluator, &Rc::new(exact.clone()))?,
            Mode::Noting(called) => {
                let called = called.clone();
                evaluator.register_fn(syntax_tree::CALLED, move |args: &[JValue]| {
                    let name = args.first().and_then(JValue::as_str).unwrap_or_default();
                    *called.borrow_mut() = name.to_owned();
                    Ok(args.get(1).cloned().unwrap_or(JValue::Undefined))
                })?;
            }
        }
        let found = evaluator.evaluate(ast, &JValue::Undefined);
        rng.borrow_mut().end(env.rng);
        found
    }

    /// Whether the values that the expression can refer to have numbers that lose digits.
    fn meets_exact_numbers(&self, env: &Env<'_, '_>) -> bool {
        let mut found = self.parts(env).any(|(_, value)| exact::is_needed(value));
        env.scope.variables.visit(&mut |name, value| {
            found = found || self.source.contains(name) && exact::is_needed(value);
        });
        found
    }

    fn exact_variant(&self) -> Option<Box<Variant>> {
        let mut tree = syntax_tree::of(&self.ast).ok()?;
        if !exact::insert(&mut tree) {
            return None;
        }
        let mut ast: AstNode = serde_json::from_value(tree).ok()?;
        measure::insert(&mut ast, &self.source);
        let deepest = deepest(&self.ast, &ast, &self.source);
        Some(Box::new(Variant { ast, deepest }))
    }

    /// The function that is called last before the evaluation fails: it is evaluated again.
    fn called(&self, env: &mut Env<'_, '_>) -> String {
        let called = Rc::<RefCell<String>>::default();
        let tree = syntax_tree::of(&self.ast).map(|mut tree| {
            syntax_tree::note_calls(&mut tree);
            tree
        });
        if let Some(ast) = tree.ok().and_then(|tree| serde_json::from_value(tree).ok()) {
            // The evaluation fails as before.
            let deepest = self.deepest.max(2 * syntax_tree::DEEPEST);
            let _ = self.evaluate(&ast, deepest, env, &mut Exact::default(), Mode::Noting(&called));
        }
        called.take()
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

    /// The members of `$states` that the expression may refer to.
    fn parts<'v>(&self, env: &Env<'v, '_>) -> impl Iterator<Item = (&'static str, &'v Value)> {
        let scope = env.scope;
        let parts = PARTS.into_iter().zip(self.parts).filter(|(_, named)| *named);
        parts.filter_map(move |(part, _)| Some((part, scope.part(part)?)))
    }

    /// `$states`.
    fn states(&self, env: &Env<'_, '_>, convert: &mut dyn FnMut(&Value) -> JValue) -> JValue {
        let parts = self.parts(env).map(|(part, value)| (part.to_owned(), convert(value)));
        JValue::object(parts.collect())
    }
}

/// The additional work of an evaluation.
#[derive(Clone, Copy)]
enum Mode<'c> {
    Plain,
    /// Numbers that only pass through keep their digits.
    Exact,
    /// The function that was called last is noted.
    Noting(&'c Rc<RefCell<String>>),
}

/// The members of `$states`.
const PARTS: [&str; 4] = ["input", "result", "errorOutput", "context"];

/// Which members of `$states` an expression may refer to.
fn parts_in(source: &str) -> [bool; 4] {
    let named = |rest: &str| {
        PARTS.iter().any(|part| rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(part)))
    };
    let all = !source.split("$states").skip(1).all(named);
    PARTS.map(|part| all || source.contains(part))
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

/// The operators `??` and `?:`, which JSONata has only since 2.1, and the character that an older parser does
/// not understand.
const LATER_OPERATORS: &[(&str, &str)] = &[("Coalesce", "?"), ("Default", ":")];

const COMPARISONS: &[(&str, &str)] =
    &[("LessThan", "<"), ("LessThanOrEqual", "<="), ("GreaterThan", ">"), ("GreaterThanOrEqual", ">=")];

/// The deepest nesting of an expression with inserted calls: as much deeper as the calls make it. Inside of
/// functions, which may call themselves, that is at most twice as deep.
fn deepest(ast: &AstNode, with_calls: &AstNode, source: &str) -> usize {
    let calls_itself = source.contains("function") || source.contains('λ');
    let deeper = syntax_tree::DEEPEST * syntax_tree::depth(with_calls) / syntax_tree::depth(ast);
    deeper.max(if calls_itself { 2 * syntax_tree::DEEPEST } else { 0 })
}

/// The longest message of an error, in bytes. A cause has at most 32,768 characters.
const LONGEST: usize = 16_384;

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
