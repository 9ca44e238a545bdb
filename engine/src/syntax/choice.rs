//! The rules of a Choice.

use super::fields::{Fields, Text};
use super::io::OnExit;
use super::json::{Json, Node};
use super::state::StateBody;
use crate::diagnostic::Report;
use crate::language::Language;
use crate::rule_violation::RuleViolation;

/// A condition. The rules of `Choices` have a `next`; rules inside other rules do not.
#[derive(Debug)]
pub(crate) struct Rule {
    /// None if it could not be read. The rule still leads to `next`.
    pub(crate) condition: Option<Condition>,
    pub(crate) next: Option<Text>,
    pub(crate) on_exit: OnExit,
}

#[derive(Debug)]
pub(crate) enum Condition {
    And(Vec<Rule>),
    Or(Vec<Rule>),
    Not(Box<Rule>),
    Compare {
        variable: Text,
        comparator: Text,
        operand: Node,
    },
    /// JSONata's `Condition`: an expression, true or false.
    Expression(Node),
}

impl Rule {
    pub(crate) fn read_choice(language: Language, fields: &mut Fields<'_, '_>) -> Option<StateBody> {
        let default = fields.text("Default");
        let (at, nodes) = fields.required_list("Choices")?;
        if nodes.is_empty() {
            fields.report.violation(&at, RuleViolation::Empty, "there must be a choice");
        }
        let rules =
            nodes.into_iter().filter_map(|node| Rule::read(node, Some(language), fields.report)).collect();
        Some(StateBody::Choice { rules, default })
    }

    /// Reads a rule. `top` is the query language if the rule is an entry of `Choices`.
    fn read(node: Node, top: Option<Language>, report: &mut Report<'_>) -> Option<Self> {
        let mut fields = Fields::of(node, report)?;
        fields.ignore("Comment");
        let next = top.map(|_| fields.required_text("Next"));
        let on_exit = top.map(|language| OnExit::read(true, language, &mut fields)).unwrap_or_default();
        let condition = match top {
            Some(Language::Jsonata) => {
                let condition = fields.required("Condition");
                fields.finish_in(Language::Jsonata);
                condition.map(Condition::Expression)
            }
            _ => Condition::read(fields),
        };
        match next {
            Some(next) => Some(Self { condition, next: Some(next?), on_exit }),
            None => Some(Self { condition, next: None, on_exit }),
        }
    }
}

impl Condition {
    fn read(mut fields: Fields<'_, '_>) -> Option<Self> {
        let at = fields.at.clone();
        let condition = if let Some((_, nodes)) = fields.list("And") {
            Condition::And(
                nodes.into_iter().filter_map(|node| Rule::read(node, None, fields.report)).collect(),
            )
        } else if let Some((_, nodes)) = fields.list("Or") {
            Condition::Or(
                nodes.into_iter().filter_map(|node| Rule::read(node, None, fields.report)).collect(),
            )
        } else if let Some(node) = fields.take("Not") {
            Condition::Not(Box::new(Rule::read(node, None, fields.report)?))
        } else {
            if !fields.has("Variable") {
                fields.report.violation(
                    &at,
                    RuleViolation::ConditionForm,
                    "one of Variable, And, Or and Not must be given",
                );
                fields.finish_in(Language::JsonPath);
                return None;
            }
            let variable = fields.required_text("Variable");
            let Some((name, operand)) = fields.take_any() else {
                fields.report.add(&at, "a comparison must be given");
                return None;
            };
            let comparator = Text { value: name, at: operand.at.clone() };
            let condition = Condition::Compare { variable: variable?, comparator, operand };
            fields.finish();
            return Some(condition);
        };
        if let Condition::And(rules) | Condition::Or(rules) = &condition
            && rules.is_empty()
        {
            fields.report.violation(&at, RuleViolation::Empty, "there must be a condition");
        }
        fields.finish();
        Some(condition)
    }
}

/// The operand's text, for comparators that need one.
pub(crate) fn as_text(node: &Node) -> Option<Text> {
    match &node.kind {
        Json::String(value) => Some(Text { value: value.clone(), at: node.at.clone() }),
        _ => None,
    }
}
