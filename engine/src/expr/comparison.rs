//! The comparisons of a Choice.

use std::cmp::Ordering;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A comparison of two values. Values of other types are never equal, less or greater.
#[derive(Clone, Copy)]
pub(crate) struct Comparator {
    pub(crate) name: &'static str,
    /// The type that the definition's operand must have.
    pub(crate) operand: Type,
    /// Whether there is a form that ends in `Path`.
    pub(crate) has_path: bool,
    pub(crate) test: fn(&Value, &Value) -> bool,
}

impl std::fmt::Debug for Comparator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    String,
    Number,
    Boolean,
    Timestamp,
}

impl Type {
    pub(crate) fn accepts(self, value: &Value) -> bool {
        match self {
            Type::String => value.is_string(),
            Type::Number => value.is_number(),
            Type::Boolean => value.is_boolean(),
            Type::Timestamp => timestamp(value).is_some(),
        }
    }

    pub(crate) fn described(self) -> &'static str {
        match self {
            Type::String => "a string",
            Type::Number => "a number",
            Type::Boolean => "true or false",
            Type::Timestamp => "a timestamp such as 2026-01-31T12:00:00Z",
        }
    }
}

/// The comparator that tests whether there is a value.
pub(crate) const IS_PRESENT: &str = "IsPresent";

macro_rules! orders {
    ($($kind:literal $type:ident $order:ident;)*) => {
        &[
            $(
                Comparator { name: concat!($kind, "Equals"), operand: Type::$type, has_path: true,
                    test: |a, b| $order(a, b) == Some(Ordering::Equal) },
                Comparator { name: concat!($kind, "LessThan"), operand: Type::$type, has_path: true,
                    test: |a, b| $order(a, b) == Some(Ordering::Less) },
                Comparator { name: concat!($kind, "GreaterThan"), operand: Type::$type, has_path: true,
                    test: |a, b| $order(a, b) == Some(Ordering::Greater) },
                Comparator { name: concat!($kind, "LessThanEquals"), operand: Type::$type, has_path: true,
                    test: |a, b| matches!($order(a, b), Some(Ordering::Less | Ordering::Equal)) },
                Comparator { name: concat!($kind, "GreaterThanEquals"), operand: Type::$type, has_path: true,
                    test: |a, b| matches!($order(a, b), Some(Ordering::Greater | Ordering::Equal)) },
            )*
        ]
    };
}

const ORDERED: &[Comparator] = orders! {
    "String" String strings;
    "Numeric" Number numbers;
    "Timestamp" Timestamp timestamps;
};

const fn is(name: &'static str, test: fn(&Value, &Value) -> bool) -> Comparator {
    Comparator { name, operand: Type::Boolean, has_path: false, test }
}

const OTHERS: &[Comparator] = &[
    Comparator {
        name: "BooleanEquals",
        operand: Type::Boolean,
        has_path: true,
        test: |a, b| a.is_boolean() && a == b,
    },
    Comparator { name: "StringMatches", operand: Type::String, has_path: false, test: string_matches },
    is("IsNull", |a, b| *b == a.is_null()),
    is("IsNumeric", |a, b| *b == a.is_number()),
    is("IsString", |a, b| *b == a.is_string()),
    is("IsBoolean", |a, b| *b == a.is_boolean()),
    is("IsTimestamp", |a, b| *b == timestamp(a).is_some()),
    is(IS_PRESENT, |_, b| *b == true),
];

impl Comparator {
    /// Finds a comparator by the field's name. Also says whether the operand is a path.
    pub(crate) fn named(name: &str) -> Option<(Self, bool)> {
        let find =
            |name: &str| ORDERED.iter().chain(OTHERS).find(|comparator| comparator.name == name).copied();
        if let Some(comparator) = find(name) {
            return Some((comparator, false));
        }
        let comparator = find(name.strip_suffix("Path")?)?;
        comparator.has_path.then_some((comparator, true))
    }
}

fn strings(a: &Value, b: &Value) -> Option<Ordering> {
    Some(a.as_str()?.cmp(b.as_str()?))
}

fn numbers(a: &Value, b: &Value) -> Option<Ordering> {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

fn timestamps(a: &Value, b: &Value) -> Option<Ordering> {
    Some(timestamp(a)?.cmp(&timestamp(b)?))
}

fn timestamp(value: &Value) -> Option<OffsetDateTime> {
    parse_timestamp(value.as_str()?)
}

/// Parses an RFC 3339 timestamp with an upper-case T and Z, as the Amazon States Language demands.
pub(crate) fn parse_timestamp(text: &str) -> Option<OffsetDateTime> {
    let strict = text.as_bytes().get(10) == Some(&b'T') && !text.ends_with('z');
    strict.then(|| OffsetDateTime::parse(text, &Rfc3339).ok()).flatten()
}

/// Matches a text with a pattern: `*` matches any characters, `\*` a star and `\\` a backslash.
fn string_matches(value: &Value, pattern: &Value) -> bool {
    let (Some(text), Some(pattern)) = (value.as_str(), pattern.as_str()) else { return false };
    let mut parts = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => parts.push(String::new()),
            c => {
                let c = if c == '\\' { chars.next().unwrap_or('\\') } else { c };
                if let Some(part) = parts.last_mut() {
                    part.push(c);
                }
            }
        }
    }
    let last = parts.pop().unwrap_or_default();
    let Some((first, middle)) = parts.split_first() else { return text == last };
    let Some(rest) = text.strip_prefix(first.as_str()) else { return false };
    let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
    for part in middle {
        match rest.find(part.as_str()) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_match_texts() {
        for (text, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "a*c", true),
            ("abc", "*", true),
            ("abab", "ab*ab", true),
            ("aba", "ab*ba", false),
            ("a*c", "a\\*c", true),
            ("abc", "a\\*c", false),
            ("log.2.txt", "log.*.txt", true),
        ] {
            assert_eq!(string_matches(&json!(text), &json!(pattern)), expected, "{text} {pattern}");
        }
    }
}
