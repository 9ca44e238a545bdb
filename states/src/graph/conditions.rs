//! The conditions of a Choice in short form.

use serde_json::Value;

/// A condition in short form, which may be shortened, and in full.
pub(super) struct Condition {
    pub(super) short: String,
    pub(super) full: String,
}

/// The most letters of a condition's short form.
const LONGEST: usize = 90;

/// The condition of the rule with this number; the first is 1.
pub(super) fn condition(rule: &Value, number: usize) -> Condition {
    let parts = match rule["Condition"].as_str() {
        Some(expression) => jsonata(expression),
        None => clauses(rule),
    };
    let full = parts.join(" ");
    let fits = |text: &str| text.chars().count() <= LONGEST;
    let short = if fits(&full) {
        full.clone()
    } else {
        // The first clause, and how many more there are.
        match parts.first().filter(|first| parts.len() > 1 && fits(first)) {
            Some(first) => format!("{first} {} {} more", joint(&parts), parts.len() - 1),
            None => format!("condition {number}"),
        }
    };
    Condition { short, full }
}

/// The word between clauses, which begins all but the first.
fn joint(parts: &[String]) -> &str {
    parts.get(1).and_then(|part| part.split(' ').next()).unwrap_or("and")
}

/// The clauses of an expression that are connected by `and` or `or`.
fn jsonata(expression: &str) -> Vec<String> {
    let inner = expression.trim().trim_start_matches("{%").trim_end_matches("%}");
    let plain = inner.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = plain
        .replace("$states.input.", "")
        .replace("$states.context.", "context.")
        .replace("$states.input", "input")
        .replace("!=", "≠")
        .replace("<=", "≤")
        .replace(">=", "≥");
    let word = if plain.contains(" or ") { " or " } else { " and " };
    // Only a chain of one word at the top is divided.
    if plain.contains(" or ") && plain.contains(" and ") || plain.contains(['(', '[', '{']) {
        return vec![plain];
    }
    let clauses = plain.split(word).enumerate();
    clauses
        .map(|(at, clause)| if at == 0 { clause.to_owned() } else { format!("{} {clause}", word.trim()) })
        .collect()
}

/// The clauses of a rule in JSONPath.
fn clauses(rule: &Value) -> Vec<String> {
    for (field, word) in [("And", "and"), ("Or", "or")] {
        if let Some(rules) = rule[field].as_array() {
            let clause = |(at, rule): (usize, &Value)| {
                let inner = clauses(rule);
                let text = if inner.len() > 1 { format!("({})", inner.join(" ")) } else { inner.concat() };
                if at == 0 { text } else { format!("{word} {text}") }
            };
            return rules.iter().enumerate().map(clause).collect();
        }
    }
    if let Some(inner) = rule.get("Not") {
        let text = clauses(inner).join(" ");
        return vec![match text.split_once(" = ") {
            Some((left, right)) if !text.contains(" and ") && !text.contains(" or ") => {
                format!("{left} ≠ {right}")
            }
            _ => format!("not ({text})"),
        }];
    }
    vec![comparison(rule)]
}

fn comparison(rule: &Value) -> String {
    let variable = path(rule["Variable"].as_str().unwrap_or_default());
    let comparator =
        rule.as_object().into_iter().flatten().find(|(field, _)| {
            !["Variable", "Next", "Comment", "Output", "Assign"].contains(&field.as_str())
        });
    let Some((comparator, operand)) = comparator else { return variable };
    let yes = *operand == Value::Bool(true);
    let is = |what: &str, not: &str| format!("{variable} {}", if yes { what } else { not });
    match comparator.as_str() {
        "IsPresent" => return is("is present", "is missing"),
        "IsNull" => return is("is null", "is not null"),
        "IsString" => return is("is text", "is not text"),
        "IsNumeric" => return is("is a number", "is not a number"),
        "IsBoolean" => return is("is true or false", "is not true or false"),
        "IsTimestamp" => return is("is a time", "is not a time"),
        "BooleanEquals" => return is("is true", "is false"),
        _ => {}
    }
    let (name, operand) = match comparator.strip_suffix("Path") {
        Some(name) => (name, path(operand.as_str().unwrap_or_default())),
        None => (comparator.as_str(), value(operand)),
    };
    let time = name.starts_with("Timestamp");
    let sign = if name.ends_with("GreaterThanEquals") {
        if time { "is at or after" } else { "≥" }
    } else if name.ends_with("LessThanEquals") {
        if time { "is at or before" } else { "≤" }
    } else if name.ends_with("GreaterThan") {
        if time { "is after" } else { ">" }
    } else if name.ends_with("LessThan") {
        if time { "is before" } else { "<" }
    } else if name.ends_with("Matches") {
        "is like"
    } else {
        "="
    };
    format!("{variable} {sign} {operand}")
}

fn value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("\"{text}\""))
}

/// A path without its beginning: `order.total` for `$.order.total`.
pub(super) fn path(path: &str) -> String {
    match path.strip_prefix("$$.").map(|rest| format!("context {rest}")) {
        Some(context) => context,
        None if path == "$" => "the input".to_owned(),
        None => path.strip_prefix("$.").unwrap_or(path).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_are_written_in_short_form() {
        for (rule, short) in [
            (json!({ "Variable": "$.a.b", "StringEquals": "x", "Next": "N" }), "a.b = \"x\""),
            (json!({ "Variable": "$.n", "NumericGreaterThanEqualsPath": "$.m" }), "n ≥ m"),
            (json!({ "Not": { "Variable": "$.n", "NumericEquals": 3 } }), "n ≠ 3"),
            (
                json!({ "And": [{ "Variable": "$.a", "IsPresent": true }, { "Or": [{ "Variable": "$.b", "BooleanEquals": false }, { "Variable": "$", "IsNull": true }] }] }),
                "a is present and (b is false or the input is null)",
            ),
            (
                json!({ "Variable": "$$.State.EnteredTime", "TimestampLessThan": "2030-01-01T00:00:00Z" }),
                "context State.EnteredTime is before \"2030-01-01T00:00:00Z\"",
            ),
            (json!({ "Condition": "{% $states.input.n >= 3 and $x %}" }), "n ≥ 3 and $x"),
        ] {
            assert_eq!(condition(&rule, 1).short, short);
        }
        let many: Vec<Value> =
            (0..9).map(|n| json!({ "Variable": "$.status", "StringEquals": format!("state {n}") })).collect();
        assert_eq!(condition(&json!({ "Or": many }), 2).short, "status = \"state 0\" or 8 more");
        assert_eq!(
            condition(&json!({ "Condition": format!("{{% $f({}) %}}", "x".repeat(99)) }), 2).short,
            "condition 2"
        );
    }
}
