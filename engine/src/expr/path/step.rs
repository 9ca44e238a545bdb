//! The steps of a path, and how they find values.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::Lost;
use super::budget::Budget;
use super::filter::Filter;

#[derive(Debug, Clone)]
pub(in crate::expr) enum Step {
    Name(String),
    /// An object with these members.
    Names(Vec<String>),
    /// A call, which AWS takes for the name of a member.
    Function(String),
    Index(i64),
    Indices(Vec<i64>),
    Slice(Option<i64>, Option<i64>),
    Every,
    Filter(Filter),
    /// The value itself and all values inside it.
    Descend,
}

impl Step {
    /// Whether it leads to one value at most.
    pub(super) fn is_definite(&self) -> bool {
        matches!(self, Step::Name(_) | Step::Names(_) | Step::Function(_) | Step::Index(_))
    }
}

/// The single value of definite steps.
pub(super) fn definite<'v>(root: &'v Value, steps: &[Step]) -> Result<Cow<'v, Value>, Lost> {
    let mut value = root;
    for (i, step) in steps.iter().enumerate() {
        if let Step::Names(names) = step {
            return match value {
                Value::Object(fields) => Ok(Cow::Owned(pick(fields, names))),
                _ => Err(lost(value, steps, i)),
            };
        }
        value = one(value, step).ok_or_else(|| lost(value, steps, i))?;
    }
    Ok(Cow::Borrowed(value))
}

/// The value of a definite step that makes nothing.
fn one<'v>(value: &'v Value, step: &Step) -> Option<&'v Value> {
    match step {
        Step::Name(name) | Step::Function(name) => value.get(name.as_str()),
        Step::Index(index) => item(value, *index),
        _ => None,
    }
}

/// The members with these names.
fn pick(fields: &Map<String, Value>, names: &[String]) -> Value {
    let named = names.iter().filter_map(|name| Some((name.clone(), fields.get(name)?.clone())));
    Value::Object(named.collect())
}

/// All values of steps; none if there is no way. `document` is the root of paths in filters that begin with `$`.
pub(super) fn walk<'v>(
    root: &'v Value,
    document: &Value,
    steps: &[Step],
    budget: &Budget,
) -> Vec<Cow<'v, Value>> {
    let mut values = vec![root];
    let mut made = Vec::new();
    for step in steps {
        let mut found = Vec::new();
        for value in values {
            if budget.is_spent() {
                return Vec::new();
            }
            budget.spend(1);
            match (step, value) {
                // It is the last step.
                (Step::Names(names), Value::Object(fields)) => made.push(Cow::Owned(pick(fields, names))),
                _ => take_step(value, document, step, &mut found, budget),
            }
        }
        values = found;
    }
    values.into_iter().map(Cow::Borrowed).chain(made).collect()
}

fn take_step<'v>(
    value: &'v Value,
    document: &Value,
    step: &Step,
    found: &mut Vec<&'v Value>,
    budget: &Budget,
) {
    budget.spend(1);
    if budget.is_spent() {
        return;
    }
    match step {
        Step::Name(_) | Step::Function(_) | Step::Index(_) => found.extend(one(value, step)),
        Step::Names(_) => {}
        Step::Indices(indices) => found.extend(indices.iter().filter_map(|index| item(value, *index))),
        Step::Slice(from, to) => {
            if let Value::Array(items) = value {
                let bound = |index: i64| match index {
                    index if index < 0 => items.len().saturating_sub(index.unsigned_abs() as usize),
                    index => (index as usize).min(items.len()),
                };
                let (from, to) = (from.map_or(0, bound), to.map_or(items.len(), bound));
                found.extend(items.get(from..to).unwrap_or_default());
            }
        }
        Step::Every => found.extend(members(value)),
        Step::Filter(filter) => match value {
            Value::Array(items) => {
                found.extend(items.iter().filter(|item| filter.accepts(item, document, budget)))
            }
            value => found.extend(filter.accepts(value, document, budget).then_some(value)),
        },
        Step::Descend => {
            found.push(value);
            for member in members(value) {
                take_step(member, document, step, found, budget);
            }
        }
    }
}

fn members(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// A negative index counts from the end.
fn item(value: &Value, index: i64) -> Option<&Value> {
    let items = value.as_array()?;
    match index {
        index if index < 0 => items.get(items.len().checked_sub(index.unsigned_abs() as usize)?),
        index => items.get(index as usize),
    }
}

/// The reason why step `i` finds nothing in `value`, in the words of the library that AWS uses.
fn lost(value: &Value, steps: &[Step], i: usize) -> Lost {
    let (before, path) = (spell(&steps[..i]), spell(&steps[..=i]));
    let fragment = &spell(&steps[i..])[1..];
    Lost::Missing(match (&steps[i], value) {
        (Step::Name(_) | Step::Function(_), Value::Object(_)) if i + 1 == steps.len() => {
            format!("No results for path: {path}")
        }
        (Step::Name(_) | Step::Function(_), Value::Object(_)) => format!("Missing property in path {path}"),
        (Step::Index(_), Value::Array(_)) => format!("Index out of bounds when evaluating path {path}"),
        (Step::Index(_), Value::Null) => format!("The path {before} is null"),
        (Step::Index(_), _) => {
            format!("Filter: {fragment} can only be applied to arrays. Current context is: {value}")
        }
        _ => format!("Property {} not found in path {before}", &spell(&steps[i..=i])[1..]),
    })
}

/// The steps with brackets, after `$`.
pub(super) fn spell(steps: &[Step]) -> String {
    let mut text = String::from("$");
    for step in steps {
        // Writing into a String cannot fail.
        let _ = match step {
            Step::Name(name) | Step::Function(name) => write!(text, "['{name}']"),
            Step::Names(names) => write!(text, "['{}']", names.join("', '")),
            Step::Index(index) => write!(text, "[{index}]"),
            Step::Filter(_) => write!(text, "[?]"),
            Step::Descend => write!(text, ".."),
            Step::Indices(_) | Step::Slice(..) | Step::Every => write!(text, "[*]"),
        };
    }
    text
}
