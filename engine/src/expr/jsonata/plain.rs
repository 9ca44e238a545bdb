//! Expressions that are only a variable and names, which need no evaluator.

use jsonata_core::ast::AstNode;
use serde_json::Value;

use super::super::Env;
use super::Expression;

/// The value of an expression that is only a variable and names.
pub(super) enum PlainValue<'v> {
    Found(&'v Value),
    Undefined,
    /// The expression is more than that, or there is an array on the way, over which JSONata maps.
    NeedsEvaluator,
}

impl Expression {
    /// Finds the value of names after a variable without an evaluator, which leaves numbers as they are written.
    pub(super) fn find_plain<'v>(&self, env: &Env<'v, '_>) -> PlainValue<'v> {
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
}

/// The variable and names of an expression such as `$states.input.a.b` or `$variable.a.b`.
pub(super) fn plain(ast: &AstNode) -> Option<(String, Vec<String>)> {
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
