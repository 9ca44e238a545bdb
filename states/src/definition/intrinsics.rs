//! CloudFormation's functions as text (AWS CloudFormation Template Reference, "Intrinsic function reference").
//! What is known only in the stack becomes a placeholder: the attribute Arn of a resource is `${Resource.Arn}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The value with every function in it replaced by text.
pub(super) fn resolved(value: &Value, parameters: &BTreeMap<String, String>) -> Value {
    match value {
        Value::Object(fields) if function(fields).is_some() => text(value, parameters).into(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), resolved(value, parameters)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.iter().map(|item| resolved(item, parameters)).collect(),
        plain => plain.clone(),
    }
}

/// The name and the argument of a function.
fn function(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = fields.iter().next().filter(|_| fields.len() == 1)?;
    if name == "Ref" {
        Some((name, argument))
    } else {
        name.strip_prefix("Fn::").map(|name| (name, argument))
    }
}

/// The text of a value, in which placeholders stand for what only the stack knows.
pub(super) fn text(value: &Value, parameters: &BTreeMap<String, String>) -> String {
    let of = |value: &Value| text(value, parameters);
    let (name, argument) = match value {
        Value::String(text) => return text.clone(),
        Value::Object(fields) => match function(fields) {
            Some(call) => call,
            None => return value.to_string(),
        },
        Value::Null => return String::new(),
        other => return other.to_string(),
    };
    match (name, argument) {
        ("Ref", Value::String(name)) => {
            parameters.get(name).cloned().unwrap_or_else(|| format!("${{{name}}}"))
        }
        ("GetAtt", Value::String(path)) => format!("${{{path}}}"),
        ("GetAtt", Value::Array(parts)) => {
            format!("${{{}}}", parts.iter().map(of).collect::<Vec<_>>().join("."))
        }
        ("Join", Value::Array(arguments)) => match &arguments[..] {
            [separator, Value::Array(parts)] => parts.iter().map(of).collect::<Vec<_>>().join(&of(separator)),
            _ => unknown(name, argument),
        },
        ("Sub", Value::String(template)) => substitute(template, &Map::new(), parameters),
        ("Sub", Value::Array(arguments)) => match &arguments[..] {
            [Value::String(template), Value::Object(values)] => substitute(template, values, parameters),
            _ => unknown(name, argument),
        },
        ("Select", Value::Array(arguments)) => match &arguments[..] {
            [index, Value::Array(items)] => {
                let index = of(index).parse::<usize>().ok();
                index.and_then(|index| items.get(index)).map_or_else(|| unknown(name, argument), of)
            }
            _ => unknown(name, argument),
        },
        // A picture and a validation need one of the two.
        ("If", Value::Array(arguments)) if arguments.len() == 3 => of(&arguments[1]),
        ("ToJsonString", value) => resolved(value, parameters).to_string(),
        _ => unknown(name, argument),
    }
}

/// A placeholder that is named after the function and its texts.
fn unknown(name: &str, argument: &Value) -> String {
    let mut parts = vec![name.to_owned()];
    match argument {
        Value::Array(items) => parts.extend(items.iter().filter_map(|item| item.as_str().map(str::to_owned))),
        Value::String(text) => parts.push(text.clone()),
        _ => {}
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    let name: String = parts.join(".").chars().map(|c| if plain(c) { c } else { '-' }).collect();
    format!("${{{name}}}")
}

/// `Fn::Sub`: `${!Name}` is the text `${Name}`.
fn substitute(template: &str, values: &Map<String, Value>, parameters: &BTreeMap<String, String>) -> String {
    let mut result = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("${") {
        let Some(length) = rest[at..].find('}') else { break };
        let name = &rest[at + 2..at + length];
        result.push_str(&rest[..at]);
        match (name.strip_prefix('!'), values.get(name), parameters.get(name)) {
            (Some(literal), ..) => result.push_str(&format!("${{{literal}}}")),
            (None, Some(value), _) => result.push_str(&text(value, parameters)),
            (None, None, Some(value)) => result.push_str(value),
            (None, None, None) => result.push_str(&rest[at..=at + length]),
        }
        rest = &rest[at + length + 1..];
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn functions_become_text_with_placeholders() {
        let parameters = BTreeMap::from([("Env".to_owned(), "dev".to_owned())]);
        for (value, expected) in [
            (
                json!({ "Fn::Join": ["-", ["a", { "Ref": "Env" }, { "Fn::GetAtt": ["F", "Arn"] }]] }),
                "a-dev-${F.Arn}",
            ),
            (json!({ "Fn::Sub": "${Env}/${F.Arn}/${!Later}" }), "dev/${F.Arn}/${Later}"),
            (json!({ "Fn::Sub": ["${A}", { "A": { "Ref": "Q" } }] }), "${Q}"),
            (json!({ "Fn::Select": ["1", ["a", "b"]] }), "b"),
            (json!({ "Fn::ImportValue": "x y" }), "${ImportValue.x-y}"),
            (json!({ "Fn::If": ["C", "yes", "no"] }), "yes"),
        ] {
            assert_eq!(text(&value, &parameters), expected);
        }
        assert_eq!(
            resolved(&json!({ "a": [{ "Ref": "Env" }], "Ref": 1 }), &parameters),
            json!({ "a": ["dev"], "Ref": 1 })
        );
    }
}
