//! Filters in paths: `[?(@.n > 1 && @.s == 'x')]`.
//!
//! | Form | Meaning | Source |
//! |---|---|---|
//! | `@.n`, `$.n` | there is a value that is not null, in the item or in the whole document | measured on Step Functions Local (floci#3260, #3480) |
//! | `!@.n`, `!(…)` | not | measured on Step Functions Local (floci#3480) |
//! | `a && b`, `a \|\| b`, `(a)` | and, or | Jayway, "Predicates" |
//! | `== != < <= > >= =~` and words such as `in` | comparisons, see [`OPERATORS`] | Jayway, "Filter Operators" |
//! | `'x'`, `"x"`, `1`, `true`, `null`, `['x', 1]`, `/x/i` | values | Jayway, "Filter Operators" |
//! | `x` | the text `x` | asl-validator#150; definitions that AWS publishes |

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::super::cursor::Cursor;
use super::super::pattern::{Dialect, Pattern, Refused};
use super::budget::Budget;
use super::grammar::{Place, next_of_list, read_steps};
use super::step::{Step, walk};

#[derive(Debug, Clone)]
pub(in crate::expr) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Route),
    Compare(Operand, Operator, Operand),
    Matches(Operand, Pattern),
}

/// A path in a filter, from the item or from the whole document.
#[derive(Debug, Clone)]
pub(in crate::expr) struct Route {
    from_document: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(in crate::expr) enum Operand {
    Literal(Value),
    Route(Route),
}

/// Whether two values compare so.
type Operator = fn(&Value, &Value) -> bool;

/// The deepest nesting of parentheses and negations.
const DEPTH: usize = 32;

/// The operators. Longer ones come first, because the parser takes the first that matches.
const OPERATORS: &[(&str, Operator)] = &[
    ("===", |a, b| order(a, b) == Some(Ordering::Equal)),
    ("!==", |a, b| order(a, b) != Some(Ordering::Equal)),
    ("==", |a, b| order(a, b) == Some(Ordering::Equal)),
    ("!=", |a, b| order(a, b) != Some(Ordering::Equal)),
    ("<=", |a, b| matches!(order(a, b), Some(Ordering::Less | Ordering::Equal))),
    (">=", |a, b| matches!(order(a, b), Some(Ordering::Greater | Ordering::Equal))),
    ("<", |a, b| order(a, b) == Some(Ordering::Less)),
    (">", |a, b| order(a, b) == Some(Ordering::Greater)),
    ("in ", |a, b| holds(b, a)),
    ("nin ", |a, b| b.is_array() && !holds(b, a)),
    ("subsetof ", |a, b| items(a).is_some_and(|a| a.iter().all(|item| holds(b, item)))),
    ("anyof ", |a, b| items(a).is_some_and(|a| a.iter().any(|item| holds(b, item)))),
    ("noneof ", |a, b| items(a).is_some_and(|a| !a.iter().any(|item| holds(b, item)))),
    ("all ", |a, b| items(b).is_some_and(|b| b.iter().all(|item| holds(a, item)))),
    ("contains ", |a, b| match (a, b) {
        (Value::String(a), Value::String(b)) => a.contains(b.as_str()),
        (a, b) => holds(a, b),
    }),
    ("size ", |a, b| length(a).is_some_and(|length| b.as_f64() == Some(length as f64))),
    ("empty ", |a, b| length(a).is_some_and(|length| *b == (length == 0))),
];

impl Filter {
    /// Reads what follows the question mark.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        cursor.spaces();
        cursor.expect("(")?;
        let filter = Filter::any(cursor, DEPTH)?;
        cursor.spaces();
        cursor.expect(")")?;
        Ok(filter)
    }

    fn any(cursor: &mut Cursor<'_>, depth: usize) -> Result<Self, String> {
        let depth = depth.checked_sub(1).ok_or_else(|| cursor.error("the filter is nested too deeply"))?;
        let mut alternatives = Vec::new();
        loop {
            let mut all = vec![Filter::term(cursor, depth)?];
            while eat(cursor, "&&") {
                all.push(Filter::term(cursor, depth)?);
            }
            alternatives.push(Filter::All(all));
            if !eat(cursor, "||") {
                return Ok(Filter::Any(alternatives));
            }
        }
    }

    fn term(cursor: &mut Cursor<'_>, depth: usize) -> Result<Self, String> {
        let depth = depth.checked_sub(1).ok_or_else(|| cursor.error("the filter is nested too deeply"))?;
        if eat(cursor, "!") {
            return Ok(Filter::Not(Box::new(Filter::term(cursor, depth)?)));
        }
        if eat(cursor, "(") {
            let inner = Filter::any(cursor, depth)?;
            cursor.spaces();
            cursor.expect(")")?;
            return Ok(inner);
        }
        let left = Operand::read(cursor, depth, false)?;
        cursor.spaces();
        if cursor.eat("=~") {
            cursor.spaces();
            return Ok(Filter::Matches(left, read_pattern(cursor)?));
        }
        let operator = OPERATORS.iter().find(|(word, _)| cursor.eat_word(word));
        match (operator, left) {
            (Some((_, operator)), left) => {
                cursor.spaces();
                Ok(Filter::Compare(left, *operator, Operand::read(cursor, depth, true)?))
            }
            (None, Operand::Route(route)) => Ok(Filter::Exists(route)),
            (None, Operand::Literal(_)) => Err(cursor.error("a comparison expected")),
        }
    }

    pub(super) fn accepts(&self, item: &Value, document: &Value, budget: &Budget) -> bool {
        budget.spend(1);
        if budget.is_spent() {
            return false;
        }
        match self {
            Filter::Any(any) => any.iter().any(|filter| filter.accepts(item, document, budget)),
            Filter::All(all) => all.iter().all(|filter| filter.accepts(item, document, budget)),
            Filter::Not(filter) => !filter.accepts(item, document, budget),
            Filter::Exists(route) => route.find(item, document, budget).is_some_and(|value| !value.is_null()),
            Filter::Compare(left, operator, right) => {
                let (left, right) = (left.value(item, document, budget), right.value(item, document, budget));
                left.iter().chain(&right).for_each(|value| budget.spend(size(value)));
                left.zip(right).is_some_and(|(left, right)| operator(&left, &right))
            }
            Filter::Matches(operand, pattern) => match operand.value(item, document, budget).as_deref() {
                Some(Value::String(text)) => matches(pattern, text, budget),
                Some(value @ (Value::Number(_) | Value::Bool(_))) => {
                    matches(pattern, &value.to_string(), budget)
                }
                _ => false,
            },
        }
    }
}

impl Route {
    /// The value; a list if there can be several.
    fn find<'v>(&self, item: &'v Value, document: &'v Value, budget: &Budget) -> Option<Cow<'v, Value>> {
        let root = if self.from_document { document } else { item };
        let mut found = walk(root, document, &self.steps, budget);
        if self.steps.iter().all(Step::is_definite) {
            return found.pop();
        }
        found.iter().for_each(|value| budget.spend_on(value));
        if budget.is_spent() {
            return None;
        }
        let found: Vec<Value> = found.into_iter().map(Cow::into_owned).collect();
        (!found.is_empty()).then_some(Cow::Owned(Value::Array(found)))
    }
}

impl Operand {
    /// Reads a value. `bare` says whether it may be a text without quotation marks.
    fn read(cursor: &mut Cursor<'_>, depth: usize, bare: bool) -> Result<Self, String> {
        let depth = depth.checked_sub(1).ok_or_else(|| cursor.error("the filter is nested too deeply"))?;
        cursor.spaces();
        match cursor.peek() {
            Some(root @ ('@' | '$')) => {
                cursor.next();
                let steps = read_steps(cursor, Place::Filter)?;
                Ok(Operand::Route(Route { from_document: root == '$', steps }))
            }
            Some('\'' | '"') => Ok(Operand::Literal(Value::String(cursor.quoted(|quote, c| c != quote)?))),
            Some('[') => Ok(Operand::Literal(read_list(cursor, depth)?)),
            _ => {
                let mut word = cursor.take_while(|c| !"()[],=!<>~&|".contains(c)).trim_end();
                if !bare {
                    // An operator may follow.
                    word = word.split_whitespace().next().unwrap_or_default();
                }
                match serde_json::from_str(word) {
                    Ok(value) => Ok(Operand::Literal(value)),
                    Err(_) if bare && !word.is_empty() => Ok(Operand::Literal(word.into())),
                    Err(_) => Err(cursor.error("a path, a number or a text expected")),
                }
            }
        }
    }

    fn value<'v>(&'v self, item: &'v Value, document: &'v Value, budget: &Budget) -> Option<Cow<'v, Value>> {
        match self {
            Operand::Literal(value) => Some(Cow::Borrowed(value)),
            Operand::Route(route) => route.find(item, document, budget),
        }
    }
}

fn read_list(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, String> {
    cursor.expect("[")?;
    let mut items = Vec::new();
    cursor.spaces();
    while !cursor.eat("]") {
        match Operand::read(cursor, depth, true)? {
            Operand::Literal(value) => items.push(value),
            Operand::Route(_) => return Err(cursor.error("a list has no paths")),
        }
        if !next_of_list(cursor) && cursor.peek() != Some(']') {
            return Err(cursor.error("\"]\" expected"));
        }
    }
    Ok(Value::Array(items))
}

/// Reads `/pattern/flags`.
fn read_pattern(cursor: &mut Cursor<'_>) -> Result<Pattern, String> {
    cursor.expect("/")?;
    let mut pattern = String::new();
    loop {
        match cursor.next() {
            Some('/') => break,
            Some('\\') if cursor.eat("/") => pattern.push('/'),
            Some('\\') => pattern.extend(['\\', cursor.next().unwrap_or('\\')]),
            Some(c) => pattern.push(c),
            None => return Err(cursor.error("the pattern has no end")),
        }
    }
    let flags = cursor.take_while(|c| c.is_ascii_alphabetic());
    Pattern::new(&pattern, flags, Dialect::WholeText).map_err(|refused| match refused {
        Refused::Wrong(reason) => cursor.error(&reason),
        Refused::TooLarge => cursor.error("the pattern is too large"),
    })
}

/// Whether a pattern matches a text. A pattern that takes too many steps does not.
fn matches(pattern: &Pattern, text: &str, budget: &Budget) -> bool {
    /// The cost of a pattern that was stopped.
    const STOPPED: usize = 1 << 17;
    budget.spend(text.len());
    pattern.is_match(text).unwrap_or_else(|_| {
        budget.spend(STOPPED);
        false
    })
}

/// The items that a comparison may look at.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        Value::String(text) => text.len() / 64,
        _ => 0,
    }
}

fn eat(cursor: &mut Cursor<'_>, token: &str) -> bool {
    cursor.spaces();
    cursor.eat(token)
}

fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (a, b) => (a == b).then_some(Ordering::Equal),
    }
}

fn items(value: &Value) -> Option<&Vec<Value>> {
    value.as_array()
}

/// Whether `list` is an array with this item.
fn holds(list: &Value, item: &Value) -> bool {
    items(list).is_some_and(|items| items.iter().any(|other| order(other, item) == Some(Ordering::Equal)))
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(fields) => Some(fields.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The `n` of the accepted items.
    fn accepted(filter: &str) -> Vec<i64> {
        let document = json!({"want": "b", "l": [
            {"n": 1, "s": "open", "t": ["x"]},
            {"n": 2, "s": "b", "o": null, "f": false},
            {"n": 3, "o": {"p": 1}, "t": []}
        ]});
        let mut cursor = Cursor::new(filter);
        let read = Filter::read(&mut cursor).expect(filter);
        cursor.finish().expect(filter);
        let items = document["l"].as_array().expect("an array");
        let items = items.iter().filter(|item| read.accepts(item, &document, &Budget::default()));
        items.filter_map(|item| item["n"].as_i64()).collect()
    }

    #[test]
    fn filters_accept_items() {
        for (filter, expected) in [
            ("(@.n == 2)", vec![2]),
            ("(@.n > 1 && @.s == 'b')", vec![2]),
            ("(@.n == 1 || @.n == 3)", vec![1, 3]),
            ("((@.n == 1 || @.n == 3) && @.o)", vec![3]),
            ("(@.n==1&&@.s=='open')", vec![1]),
            ("(@.none)", vec![]),
            ("(@.n != 2)", vec![1, 3]),
            ("(2 <= @.n)", vec![2, 3]),
            ("(@.f == false)", vec![2]),
            ("(@.f)", vec![2]),
        ] {
            assert_eq!(accepted(filter), expected, "{filter}");
        }
        for wrong in ["", "()", "(@.a", "(@.a ==)", "('x')", "(@.a && )", "(@.a =~ x)", "(@.a in [1)", "(!)"]
        {
            assert!(Filter::read(&mut Cursor::new(wrong)).is_err(), "{wrong}");
        }
        let deep = format!("({}@.a{})", "(".repeat(5_000), ")".repeat(5_000));
        assert!(Filter::read(&mut Cursor::new(&deep)).is_err());
    }

    #[test]
    fn unquoted_text_compares_as_text() {
        assert_eq!(accepted("(@.s == open)"), [1]);
        assert_eq!(accepted("(@.s==open)"), [1]);
        assert_eq!(accepted("(@.s == open && @.n == 1)"), [1]);
        assert_eq!(accepted("(@.s == 2020-01-01)"), [0; 0]);
    }

    #[test]
    fn negation_counts_what_is_absent_or_null() {
        assert_eq!(accepted("(!@.o)"), [1, 2]);
        assert_eq!(accepted("(!@.o && @.n == 2)"), [2]);
        assert_eq!(accepted("(!(@.n == 1))"), [2, 3]);
    }

    #[test]
    fn filters_compare_with_another_path() {
        assert_eq!(accepted("(@.s == $.want)"), [2]);
        assert_eq!(accepted("($['want'] == @.s)"), [2]);
    }

    #[test]
    fn filters_have_the_operators_of_the_library() {
        for (filter, expected) in [
            ("(@.s in ['b', 'c'])", vec![2]),
            ("(@.n nin [1, 2])", vec![3]),
            ("(@.s =~ /O.*/i)", vec![1]),
            ("(@.s =~ /o/)", vec![]),
            ("(@.s contains 'pe')", vec![1]),
            ("(@.t size 1)", vec![1]),
            ("(@.t empty true)", vec![3]),
            ("(@.t anyof ['x', 'y'])", vec![1]),
            ("(@.t subsetof ['x', 'y'])", vec![1, 3]),
        ] {
            assert_eq!(accepted(filter), expected, "{filter}");
        }
    }
}
