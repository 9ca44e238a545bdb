//! Payload templates.

use super::Compiler;
use crate::expr::Template;
use crate::syntax::{Json, Node, Text};

impl Compiler<'_, '_> {
    pub(super) fn template(&mut self, node: &Node) -> Template {
        match &node.kind {
            Json::Plain(value) => Template::Literal(value.clone()),
            Json::String(text) => Template::Literal(text.clone().into()),
            Json::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.template(item)).collect();
                match items.iter().all(|item| matches!(item, Template::Literal(_))) {
                    true => Template::Literal(node.value()),
                    false => Template::Array(items),
                }
            }
            Json::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| self.field(name, value));
                Template::Object(fields.collect())
            }
        }
    }

    fn field(&mut self, name: &str, value: &Node) -> (String, Template) {
        let Some(plain) = name.strip_suffix(".$") else {
            return (name.to_owned(), self.template(value));
        };
        let expression = match &value.kind {
            Json::String(text) => self.expression(name, &Text { value: text.clone(), at: value.at.clone() }),
            _ => {
                self.report.add(&value.at, "a field whose name ends in .$ must be a path or an intrinsic function");
                None
            }
        };
        (plain.to_owned(), expression.unwrap_or(Template::Literal(serde_json::Value::Null)))
    }

    pub(super) fn expression(&mut self, field: &str, text: &Text) -> Option<Template> {
        let expression = Template::expression(field, &text.value);
        expression.map_err(|reason| self.report.add(&text.at, reason)).ok()
    }
}
