//! Compiles the rules of a Choice.

use super::{Compiler, Names};
use crate::expr::comparison::Comparator;
use crate::machine::{Condition, Kind, Operand, Rule};
use crate::rule_violation::RuleViolation;
use crate::syntax::{self, Json, Text, as_text, is_expression};

impl Compiler<'_, '_> {
    pub(super) fn choice(&mut self, rules: Vec<syntax::Rule>, default: Option<Text>, names: &Names) -> Kind {
        let mut compiled = Vec::with_capacity(rules.len());
        for rule in rules {
            let next = rule.next.map(|next| self.target(&next, names));
            let on_exit = self.on_exit(&rule.on_exit);
            // A rule without a condition has an error already, so this value is never used.
            let condition = rule
                .condition
                .and_then(|condition| self.condition(condition))
                .unwrap_or(Condition::Literal(false));
            if let Some(next) = next {
                compiled.push(Rule { condition, on_exit, next });
            }
        }
        Kind::Choice { rules: compiled, default: default.map(|name| self.target(&name, names)) }
    }

    fn condition(&mut self, condition: syntax::Condition) -> Option<Condition> {
        match condition {
            syntax::Condition::And(rules) => Some(Condition::And(self.conditions(rules))),
            syntax::Condition::Or(rules) => Some(Condition::Or(self.conditions(rules))),
            syntax::Condition::Not(rule) => Some(Condition::Not(Box::new(self.condition(rule.condition?)?))),
            syntax::Condition::Expression(node) => match (&node.kind, as_text(&node)) {
                (Json::Plain(serde_json::Value::Bool(value)), _) => Some(Condition::Literal(*value)),
                (_, Some(text)) if is_expression(&text.value) => {
                    self.jsonata(&text).map(Condition::Expression)
                }
                _ => {
                    self.report.add(&node.at, "must be true, false or a JSONata expression");
                    None
                }
            },
            syntax::Condition::Compare { variable, comparator, operand } => {
                let variable = self.reference(&variable);
                let Some((comparator, by_path)) = Comparator::named(&comparator.value) else {
                    let rule = RuleViolation::Unsupported(&comparator.value);
                    self.report.violation(
                        &comparator.at,
                        rule,
                        format!("there is no comparison {}", comparator.value),
                    );
                    return None;
                };
                let operand = if by_path {
                    match as_text(&operand) {
                        Some(text) => Operand::Path(self.reference(&text)?),
                        None => {
                            self.report.add(&operand.at, "must be a path");
                            return None;
                        }
                    }
                } else {
                    let value = operand.value();
                    if !comparator.operand.accepts(&value) {
                        self.report.add(&operand.at, format!("must be {}", comparator.operand.described()));
                    }
                    Operand::Literal(value)
                };
                Some(Condition::Compare { variable: variable?, comparator, operand })
            }
        }
    }

    fn conditions(&mut self, rules: Vec<syntax::Rule>) -> Vec<Condition> {
        rules.into_iter().filter_map(|rule| self.condition(rule.condition?)).collect()
    }
}
