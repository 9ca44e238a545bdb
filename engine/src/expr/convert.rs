//! Converts JSON to values of JSONata and back.

use jsonata_core::value::JValue;
use serde_json::{Map, Number, Value};

use super::exact::Exact;
use super::meter;

/// The deepest nesting of a value that JSONata returns.
const MAX_DEPTH: usize = 100;

pub(super) fn from_json(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(value) => JValue::Bool(*value),
        Value::Number(number) => JValue::Number(number.as_f64().unwrap_or_default()),
        Value::String(text) => JValue::string(text.as_str()),
        Value::Array(items) => JValue::array(items.iter().map(from_json).collect()),
        Value::Object(fields) => {
            JValue::object(fields.iter().map(|(name, value)| (name.clone(), from_json(value))).collect())
        }
    }
}

/// The reason why a value of JSONata cannot become JSON.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unfit {
    Function,
    TooLarge,
    TooDeep,
}

/// Converts a value to JSON. Whole numbers get no fraction. A part that a value holds twice is copied twice.
pub(super) fn to_json(value: &JValue) -> Result<Value, Unfit> {
    to_exact_json(value, &Exact::default())
}

/// Converts a value in which stand-ins stand for numbers.
pub(super) fn to_exact_json(value: &JValue, exact: &Exact) -> Result<Value, Unfit> {
    convert(value, exact, &mut meter::Weight::default(), MAX_DEPTH)
}

/// 2^53: larger numbers have lost digits in f64, and an i64 would pretend that the digits are exact.
pub(super) const WHOLE: f64 = 9_007_199_254_740_992.0;

/// The text that AWS returns for a number that JSON cannot hold.
fn not_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn convert(value: &JValue, exact: &Exact, weight: &mut meter::Weight, depth: usize) -> Result<Value, Unfit> {
    let depth = depth.checked_sub(1).ok_or(Unfit::TooDeep)?;
    let heavy = |_| Unfit::TooLarge;
    weight.add(0).map_err(heavy)?;
    Ok(match value {
        JValue::Null => Value::Null,
        JValue::Bool(value) => Value::Bool(*value),
        JValue::Number(number) if number.fract() == 0.0 && number.abs() <= WHOLE => {
            Value::from(*number as i64)
        }
        JValue::Number(number) => {
            let number = Number::from_f64(*number).or_else(|| exact.number(*number).cloned()).ok_or(*number);
            number.map_or_else(|number| not_finite(number).into(), Value::Number)
        }
        JValue::String(text) => {
            weight.add(text.len()).map_err(heavy)?;
            Value::String(text.to_string())
        }
        JValue::Array(items) => Value::Array(
            items.iter().map(|item| convert(item, exact, weight, depth)).collect::<Result<_, _>>()?,
        ),
        JValue::Object(fields) => {
            let mut found = Map::with_capacity(fields.len());
            for (name, value) in fields.iter() {
                if !matches!(value, JValue::Undefined) {
                    weight.add(name.len()).map_err(heavy)?;
                    found.insert(name.clone(), convert(value, exact, weight, depth)?);
                }
            }
            Value::Object(found)
        }
        _ => return Err(Unfit::Function),
    })
}
