//! The variables that the states of a definition refer to, as `DescribeStateMachine` shows them in
//! `variableReferences`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The names of the variables, by state. A state that refers to none is left out.
pub(super) fn of(definition: &str) -> Map<String, Value> {
    let mut found = Map::new();
    if let Ok(definition) = serde_json::from_str::<Value>(definition) {
        scope(&definition, &mut found);
    }
    found
}

fn scope(machine: &Value, found: &mut Map<String, Value>) {
    for (name, state) in machine["States"].as_object().into_iter().flatten() {
        let mut names = BTreeSet::new();
        for (field, value) in state.as_object().into_iter().flatten() {
            match field.as_str() {
                "ItemProcessor" | "Iterator" => scope(value, found),
                "Branches" => value.as_array().into_iter().flatten().for_each(|branch| scope(branch, found)),
                // Plain texts.
                "Comment" | "Result" | "Next" | "Default" | "Type" | "Resource" | "Error" | "Cause" => {
                    jsonata(value, &mut names);
                }
                _ => values(field, value, &mut names),
            }
        }
        if !names.is_empty() {
            found.insert(name.clone(), names.into_iter().map(Value::String).collect());
        }
    }
}

fn values(field: &str, value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(field, value)| values(field, value, names)),
        Value::Array(items) => items.iter().for_each(|item| values(field, item, names)),
        // In JSONPath only some fields are expressions: those whose names say so.
        Value::String(text) if is_expression(text) => jsonata(value, names),
        Value::String(text) if field.ends_with(".$") || field.ends_with("Path") || field == "Variable" => {
            collect(text, '\'', |_| true, names);
        }
        _ => {}
    }
}

fn is_expression(text: &str) -> bool {
    text.starts_with("{%") && text.ends_with("%}")
}

/// An expression in JSONata. Functions, `$states` and the names that the expression itself binds are no
/// variables of the state machine.
fn jsonata(value: &Value, names: &mut BTreeSet<String>) {
    let Some(text) = value.as_str().filter(|text| is_expression(text)) else { return };
    let mut bound = BTreeSet::new();
    for (at, _) in text.match_indices("function") {
        let parameters = text[at..].split_once('(').and_then(|(_, rest)| rest.split_once(')'));
        collect(parameters.map_or("", |(parameters, _)| parameters), '"', |_| true, &mut bound);
    }
    collect(text, '"', |rest| rest.trim_start().starts_with(":="), &mut bound);
    let mut used = BTreeSet::new();
    collect(text, '"', |rest| !rest.trim_start().starts_with('('), &mut used);
    names.extend(used.into_iter().filter(|name| name != "states" && !bound.contains(name)));
}

/// The names `$name` outside of texts in quotation marks whose following text is accepted.
fn collect(text: &str, quote: char, accepts: impl Fn(&str) -> bool, names: &mut BTreeSet<String>) {
    let mut in_text = false;
    let mut before = None;
    for (at, c) in text.char_indices() {
        if c == quote && before != Some('\\') {
            in_text = !in_text;
        } else if c == '$' && !in_text && before != Some('$') {
            let rest = &text[at + 1..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = &rest[..end];
            let begins = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
            if begins && accepts(&rest[end..]) {
                names.insert(name.to_owned());
            }
        }
        before = Some(c);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(state: Value) -> Value {
        of(&json!({"StartAt": "S", "States": {"S": state}}).to_string()).remove("S").unwrap_or_default()
    }

    #[test]
    fn variables_are_found_where_expressions_are() {
        assert_eq!(found(json!({"Type": "Pass", "Parameters": {"a": "$a", "b.$": "$b.c[0]"}})), json!(["b"]));
        assert_eq!(
            found(json!({"Type": "Pass", "InputPath": "$.a", "OutputPath": "$$.Execution"})),
            json!(null)
        );
        let intrinsic = "States.Format('costs $x {} {}', $y, $.z)";
        assert_eq!(found(json!({"Type": "Pass", "Assign": {"n.$": intrinsic}})), json!(["y"]));
        assert_eq!(found(json!({"Type": "Wait", "SecondsPath": "$w"})), json!(["w"]));
        let choice = json!([{"Variable": "$g", "StringEqualsPath": "$a", "Next": "S"}]);
        assert_eq!(found(json!({"Type": "Choice", "Choices": choice})), json!(["a", "g"]));
        let sum = "{% ($l := $sum($states.input.n); $map($v, function($i) { $i + $l }) & \"$q\") %}";
        assert_eq!(found(json!({"Type": "Pass", "Output": sum})), json!(["v"]));
    }
}
