//! The placeholders that remain in what states call, read and write.

use std::collections::BTreeMap;

use serde_json::Value;

use super::placeholders::placeholder;

/// For each Task state at any depth: the placeholders that remain in what it calls.
pub(super) fn tasks(definition: &Value) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    scope(definition, "Task", &["Resource", "Parameters", "Arguments", "Credentials"], &mut found);
    found
}

/// For each Map state at any depth: the placeholders that remain in what it reads and writes.
pub(super) fn maps(definition: &Value) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    scope(definition, "Map", &["ItemReader", "ResultWriter"], &mut found);
    found
}

fn scope(definition: &Value, kind: &str, fields: &[&str], found: &mut BTreeMap<String, Vec<String>>) {
    for (name, state) in definition["States"].as_object().into_iter().flatten() {
        if state["Type"] == kind {
            let mut names = Vec::new();
            fields.iter().for_each(|field| remaining(&state[*field], *field == "Resource", &mut names));
            if !names.is_empty() {
                found.insert(name.clone(), names);
            }
        }
        let branches = state["Branches"].as_array().into_iter().flatten();
        for inner in branches.chain([&state["ItemProcessor"], &state["Iterator"]]) {
            scope(inner, kind, fields, found);
        }
    }
}

/// Adds the names of placeholders that are whole values or parts of ARNs.
fn remaining(value: &Value, any: bool, names: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let whole = placeholder(text).is_some_and(|(_, length)| length == text.len());
            if !any && !whole && !text.starts_with("arn:") {
                return;
            }
            for (at, _) in text.match_indices("${") {
                if let Some((name, _)) = placeholder(&text[at..])
                    && !names.iter().any(|known| known == name)
                {
                    names.push(name.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| remaining(item, any, names)),
        Value::Object(fields) => fields.values().for_each(|field| remaining(field, any, names)),
        _ => {}
    }
}
