//! The rules of a Choice.

use super::fields::{Fields, Language, Text};
use super::io::Leaving;
use super::json::{Kind as Json, Node};
use super::state::Kind;
use crate::breach::Breach;
use crate::problem::Report;

/// A condition; the rules of `Choices` have a `next`, those inside others none.
#[derive(Debug)]
pub(crate) struct Rule {
    /// None where it could not be read; the rule leads on nevertheless.
    pub(crate) condition: Option<Condition>,
    pub(crate) next: Option<Text>,
    pub(crate) leaving: Leaving,
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
    pub(crate) fn read_choice(language: Language, fields: &mut Fields, report: &mut Report<'_>) -> Option<Kind> {
        let default = fields.text("Default", report);
        let (at, nodes) = fields.required_list("Choices", report)?;
        if nodes.is_empty() {
            report.breaks(&at, Breach::Empty, "there must be a choice");
        }
        let rules = nodes.into_iter().filter_map(|node| Rule::read(node, Some(language), report)).collect();
        Some(Kind::Choice { rules, default })
    }

    /// `top` is the language of a rule that stands in `Choices`.
    fn read(node: Node, top: Option<Language>, report: &mut Report<'_>) -> Option<Rule> {
        let mut fields = Fields::of(node, report)?;
        fields.ignore("Comment");
        let next = top.map(|_| fields.required_text("Next", report));
        let leaving = top.map(|language| Leaving::read(true, language, &mut fields)).unwrap_or_default();
        let condition = match top {
            Some(Language::Jsonata) => {
                let condition = fields.required("Condition", report);
                fields.finish_in(Language::Jsonata, report);
                condition.map(Condition::Expression)
            }
            _ => Condition::read(fields, report),
        };
        match next {
            Some(next) => Some(Rule { condition, next: Some(next?), leaving }),
            None => Some(Rule { condition, next: None, leaving }),
        }
    }
}

impl Condition {
    fn read(mut fields: Fields, report: &mut Report<'_>) -> Option<Condition> {
        let at = fields.at.clone();
        let condition = if let Some((_, nodes)) = fields.list("And", report) {
            Condition::And(nodes.into_iter().filter_map(|node| Rule::read(node, None, report)).collect())
        } else if let Some((_, nodes)) = fields.list("Or", report) {
            Condition::Or(nodes.into_iter().filter_map(|node| Rule::read(node, None, report)).collect())
        } else if let Some(node) = fields.take("Not") {
            Condition::Not(Box::new(Rule::read(node, None, report)?))
        } else {
            if !fields.has("Variable") {
                report.breaks(&at, Breach::ConditionForm, "one of Variable, And, Or and Not must be given");
                fields.finish_in(Language::JsonPath, report);
                return None;
            }
            let variable = fields.required_text("Variable", report);
            let Some((name, operand)) = fields.take_any() else {
                report.add(&at, "a comparison must be given");
                return None;
            };
            let comparator = Text { value: name, at: operand.at.clone() };
            let condition = Condition::Compare { variable: variable?, comparator, operand };
            fields.finish(report);
            return Some(condition);
        };
        fields.finish(report);
        if let Condition::And(rules) | Condition::Or(rules) = &condition
            && rules.is_empty()
        {
            report.breaks(&at, Breach::Empty, "there must be a condition");
        }
        Some(condition)
    }
}

/// The operand's string, for comparators that need one.
pub(crate) fn as_text(node: &Node) -> Option<Text> {
    match &node.kind {
        Json::String(value) => Some(Text { value: value.clone(), at: node.at.clone() }),
        _ => None,
    }
}
