//! The constraints of the members of requests, as a table, and AWS's words for a member that breaks one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::ApiError;

const TABLE: &str = include_str!("constraints.tsv");

/// The rule of a member: `tags[].key` is the key of each tag.
struct Rule {
    path: Vec<Step>,
    kind: Kind,
    required: bool,
    least: Option<i64>,
    most: Option<i64>,
    pattern: Option<&'static str>,
    values: Vec<&'static str>,
}

#[derive(Debug, PartialEq)]
enum Step {
    Member(&'static str),
    EachItem,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    String,
    Integer,
    Float,
    Boolean,
    List,
    Structure,
}

static RULES: LazyLock<BTreeMap<&'static str, Vec<Rule>>> = LazyLock::new(|| {
    let mut rules: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_default();
        let operation = next();
        let rule = Rule {
            path: path(next()),
            kind: match next() {
                "integer" | "long" => Kind::Integer,
                "float" => Kind::Float,
                "boolean" => Kind::Boolean,
                "list" => Kind::List,
                "structure" => Kind::Structure,
                _ => Kind::String,
            },
            required: next() == "required",
            least: next().parse().ok(),
            most: next().parse().ok(),
            pattern: Some(next()).filter(|pattern| !pattern.is_empty()),
            values: next().split(',').filter(|value| !value.is_empty()).collect(),
        };
        rules.entry(operation).or_default().push(rule);
    }
    rules
});

fn path(text: &'static str) -> Vec<Step> {
    let mut steps = Vec::new();
    for member in text.split('.') {
        let name = member.trim_end_matches("[]");
        steps.push(Step::Member(name));
        steps.extend((name.len()..member.len()).step_by(2).map(|_| Step::EachItem));
    }
    steps
}

/// Checks the members of a request.
///
/// # Errors
/// `SerializationException` for a member of another type, `ValidationException` for an unknown member and for
/// the first member that breaks a constraint.
pub(super) fn check(operation: &str, input: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(rules) = RULES.get(operation) else { return Ok(()) };
    let whole = Value::Object(input.clone());
    for rule in rules {
        rule.check_below(&whole, &rule.path, &mut String::new())?;
    }
    check_known(rules, &whole, &mut Vec::new())
}

impl Rule {
    fn check_below(&self, value: &Value, rest: &[Step], shown: &mut String) -> Result<(), ApiError> {
        match rest {
            [] => self.check_value(value, shown),
            [Step::EachItem, rest @ ..] => {
                let items = value.as_array().into_iter().flatten();
                items.enumerate().try_for_each(|(at, item)| {
                    let mut shown = format!("{shown}.{}.member", at + 1);
                    self.check_below(item, rest, &mut shown)
                })
            }
            [Step::Member(name), rest @ ..] => {
                // What is not an object has been refused by the rule of the structure itself.
                let Some(fields) = value.as_object() else { return Ok(()) };
                if !shown.is_empty() {
                    shown.push('.');
                }
                shown.push_str(name);
                match fields.get(*name).filter(|value| !value.is_null()) {
                    Some(value) => self.check_below(value, rest, shown),
                    None if rest.is_empty() && self.required => {
                        Err(refused("null", shown, "Member must not be null"))
                    }
                    None => Ok(()),
                }
            }
        }
    }

    fn check_value(&self, value: &Value, at: &str) -> Result<(), ApiError> {
        let (size, what) = match (self.kind, value) {
            (Kind::String, Value::String(text)) => {
                (i64::try_from(text.chars().count()).unwrap_or(i64::MAX), "length")
            }
            (Kind::List, Value::Array(items)) => (i64::try_from(items.len()).unwrap_or(i64::MAX), "length"),
            (Kind::Integer, Value::Number(number)) if number.as_i64().is_some() => {
                (number.as_i64().unwrap_or_default(), "value")
            }
            // Only their bounds are whole.
            (Kind::Float, Value::Number(number)) => {
                let number = number.as_f64().unwrap_or_default();
                ((if number < 0.0 { number.floor() } else { number.ceil() }) as i64, "value")
            }
            (Kind::Boolean, Value::Bool(_)) | (Kind::Structure, Value::Object(_)) => return Ok(()),
            _ => {
                let message = format!("the member '{at}' has the wrong type");
                return Err(ApiError::new("SerializationException", message));
            }
        };
        let shown = || format!("'{}'", java(value));
        if let Some(most) = self.most.filter(|most| size > *most) {
            return Err(refused(
                &shown(),
                at,
                &format!("Member must have {what} less than or equal to {most}"),
            ));
        }
        if let Some(least) = self.least.filter(|least| size < *least) {
            let words = format!("Member must have {what} greater than or equal to {least}");
            return Err(refused(&shown(), at, &words));
        }
        let Some(text) = value.as_str() else { return Ok(()) };
        if let Some(pattern) = self.pattern.filter(|pattern| !matches(pattern, text)) {
            let words = format!("Member must satisfy regular expression pattern: {pattern}");
            return Err(refused(&shown(), at, &words));
        }
        if !self.values.is_empty() && !self.values.contains(&text) {
            let words = format!("Member must satisfy enum value set: [{}]", self.values.join(", "));
            return Err(refused(&shown(), at, &words));
        }
        Ok(())
    }
}

fn refused(value: &str, at: &str, constraint: &str) -> ApiError {
    ApiError::validation(format!(
        "1 validation error detected: Value {value} at '{at}' failed to satisfy constraint: {constraint}"
    ))
}

/// The three patterns of the table.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "[!-~]+" => !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'!'..=b'~')),
        r"\p{ASCII}*" => text.is_ascii(),
        // ^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$
        _ => {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
                && text.bytes().any(|byte| !byte.is_ascii_digit())
        }
    }
}

/// A value as AWS's messages show it, which are of Java.
fn java(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(java).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let class = if fields.contains_key("weight") { "RoutingConfigurationListItem" } else { "" };
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name}={}", java(value))).collect();
            format!("{class}({})", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// A member that the table does not have would be ignored, so it is refused.
fn check_known<'a>(rules: &[Rule], value: &'a Value, path: &mut Vec<&'a str>) -> Result<(), ApiError> {
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            path.push(name);
            let known = rules.iter().any(|rule| {
                let names = rule.path.iter().filter_map(|step| match step {
                    Step::Member(name) => Some(*name),
                    Step::EachItem => None,
                });
                names.eq(path.iter().copied())
            });
            if !known {
                return Err(ApiError::unsupported(&format!("the member '{}'", path.join("."))));
            }
            check_known(rules, value, path)?;
            path.pop();
            Ok(())
        }),
        Value::Array(items) => items.iter().try_for_each(|item| check_known(rules, item, path)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn error(operation: &str, input: Value) -> String {
        let error = check(operation, input.as_object().unwrap()).unwrap_err();
        format!("{}: {}", error.code, error.message)
    }

    #[test]
    fn broken_constraints_have_the_words_of_aws() {
        let said = |rest: &str| format!("ValidationException: 1 validation error detected: Value {rest}");
        for (operation, input, rest) in [
            (
                "ListActivities",
                json!({"maxResults": 1001}),
                "'1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000",
            ),
            (
                "ListActivities",
                json!({"maxResults": -1}),
                "'-1' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 0",
            ),
            (
                "DescribeActivity",
                json!({}),
                "null at 'activityArn' failed to satisfy constraint: Member must not be null",
            ),
            (
                "CreateStateMachineAlias",
                json!({"name": "a", "routingConfiguration": [{"stateMachineVersionArn": "v", "weight": 101}]}),
                "'101' at 'routingConfiguration.1.member.weight' failed to satisfy constraint: Member must have value less than or equal to 100",
            ),
            (
                "CreateStateMachineAlias",
                json!({"name": "123", "routingConfiguration": [{"stateMachineVersionArn": "v", "weight": 100}]}),
                "'123' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(?=.*[a-zA-Z_\\-\\.])[a-zA-Z0-9_\\-\\.]+$",
            ),
            (
                "ListExecutions",
                json!({"statusFilter": "succeeded"}),
                "'succeeded' at 'statusFilter' failed to satisfy constraint: Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]",
            ),
            (
                "StopExecution",
                json!({"executionArn": "e", "error": "x".repeat(257)}),
                &format!(
                    "'{}' at 'error' failed to satisfy constraint: Member must have length less than or equal to 256",
                    "x".repeat(257)
                ),
            ),
        ] {
            assert_eq!(error(operation, input), said(rest));
        }
    }

    #[test]
    fn wrong_types_and_unknown_members_are_refused_by_name() {
        let wrong = error("StartExecution", json!({"stateMachineArn": 1}));
        assert_eq!(wrong, "SerializationException: the member 'stateMachineArn' has the wrong type");
        let unknown = error(
            "TagResource",
            json!({"resourceArn": "a", "tags": [{"key": "a", "value": "b", "color": "c"}]}),
        );
        assert_eq!(unknown, "ValidationException: the member 'tags.color' is not supported by this server");
        check("TagResource", json!({"resourceArn": "a", "tags": [{"key": "a"}]}).as_object().unwrap())
            .unwrap();
    }

    #[test]
    fn the_table_is_well_formed() {
        assert_eq!(RULES.len(), 37);
        for rule in RULES.values().flatten() {
            let numeric = matches!(rule.kind, Kind::Integer | Kind::Float);
            assert!(rule.values.is_empty() || rule.kind == Kind::String);
            assert!(numeric || rule.least.is_none_or(|least| least >= 0));
        }
    }
}
