//! Plain scalars of YAML: texts, numbers, truth values and null (YAML 1.2, "Core Schema").

use serde_json::{Number, Value};

/// A plain scalar by the core schema.
pub(super) fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    let radix = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix).and_then(|digits| u64::from_str_radix(digits, radix).ok())
    };
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Some(number.into());
    }
    if !text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c))
        || !text.contains(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    if let Ok(number) = serde_json::from_str::<Number>(text) {
        return Some(number);
    }
    text.parse::<i64>().ok().map(Number::from).or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
}
