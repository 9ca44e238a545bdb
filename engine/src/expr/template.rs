//! Payload templates: JSON in which fields whose names end in `.$` hold expressions, or in JSONata strings
//! `{% … %}`.

use serde_json::Value;

use super::intrinsic::Call;
use super::{Env, Expression, Path};
use crate::failure::Failure;

#[derive(Debug, Clone)]
pub(crate) enum Template {
    Literal(Value),
    Object(Vec<(String, Template)>),
    Array(Vec<Template>),
    Path { field: String, path: Path },
    Call(Call),
    Expression(Expression),
}

impl Template {
    /// Parses the expression in the field `field` (its name with `.$`).
    pub(crate) fn expression(field: &str, text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with("States.") {
            Ok(Template::Call(Call::parse(text)?))
        } else {
            Ok(Template::Path { field: field.to_owned(), path: Path::parse(text)? })
        }
    }

    pub(crate) fn fill(&self, env: &mut Env<'_, '_>) -> Result<Value, Failure> {
        match self {
            Template::Literal(value) => Ok(value.clone()),
            Template::Object(fields) => {
                let mut filled = serde_json::Map::with_capacity(fields.len());
                for (name, template) in fields {
                    filled.insert(name.clone(), template.fill(env)?);
                }
                Ok(Value::Object(filled))
            }
            Template::Array(items) => items.iter().map(|item| item.fill(env)).collect(),
            Template::Path { field, path } => {
                let value = path.get_for(field, env)?;
                env.count(&value, false)?;
                Ok(value.into_owned())
            }
            Template::Call(call) => call.run(env),
            Template::Expression(expression) => {
                let value = expression.run(env)?;
                env.count(&value, true)?;
                Ok(value)
            }
        }
    }
}
