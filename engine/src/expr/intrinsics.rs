//! The intrinsic functions, one per row.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::Digest;

use super::RecordedRng;
use crate::digest::hex;

type Result = std::result::Result<Value, String>;

pub(super) struct Intrinsic {
    pub(super) name: &'static str,
    pub(super) arity: RangeInclusive<usize>,
    pub(super) run: fn(&[Value], &mut RecordedRng<'_>) -> Result,
}

impl std::fmt::Debug for Intrinsic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "States.{}", self.name)
    }
}

const fn row(
    name: &'static str,
    arity: RangeInclusive<usize>,
    run: fn(&[Value], &mut RecordedRng<'_>) -> Result,
) -> Intrinsic {
    Intrinsic { name, arity, run }
}

pub(super) const INTRINSICS: &[Intrinsic] = &[
    row("Array", 0..=usize::MAX, |args, _| Ok(args.iter().cloned().collect())),
    row("ArrayContains", 2..=2, |args, _| {
        Ok(array(&args[0])?.iter().any(|item| same(item, &args[1])).into())
    }),
    row("ArrayGetItem", 2..=2, |args, _| array_get_item(&args[0], &args[1])),
    row("ArrayLength", 1..=1, |args, _| Ok(array(&args[0])?.len().into())),
    row("ArrayPartition", 2..=2, |args, _| array_partition(&args[0], &args[1])),
    row("ArrayRange", 3..=3, |args, _| array_range(&args[0], &args[1], &args[2])),
    row("ArrayUnique", 1..=1, |args, _| array_unique(&args[0])),
    row("Base64Decode", 1..=1, |args, _| base64_decode(&args[0])),
    row("Base64Encode", 1..=1, |args, _| Ok(STANDARD.encode(short_text(&args[0])?).into())),
    row("Format", 1..=usize::MAX, |args, _| format(text(&args[0])?, &args[1..])),
    row("Hash", 2..=2, |args, _| hash(&args[0], &args[1])),
    row("JsonMerge", 3..=3, |args, _| json_merge(&args[0], &args[1], &args[2])),
    row("JsonToString", 1..=1, |args, _| Ok(args[0].to_string().into())),
    row("MathAdd", 2..=2, |args, _| math_add(&args[0], &args[1])),
    row("MathRandom", 2..=3, math_random),
    row("StringSplit", 2..=2, |args, _| string_split(text(&args[0])?, text(&args[1])?)),
    row("StringToJson", 1..=1, |args, _| string_to_json(text(&args[0])?)),
    row("UUID", 0..=0, |_, rng| Ok(rng.uuid())),
];

/// Compares two values. Objects are equal only if their fields are in the same order.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => one.iter().eq(other),
        _ => one == other,
    }
}

fn array_get_item(list: &Value, index: &Value) -> Result {
    let index = usize::try_from(integer(index)?).map_err(|_| "the index is negative")?;
    array(list)?.get(index).cloned().ok_or_else(|| format!("there is no item {index}"))
}

fn array_partition(list: &Value, size: &Value) -> Result {
    if size.as_f64().is_some_and(|size| size < 1.0) {
        return Err("the size must be at least 1".into());
    }
    match usize::try_from(integer(size)?) {
        Ok(size) if size > 0 => {
            Ok(array(list)?.chunks(size).map(|chunk| Value::from(chunk.to_vec())).collect())
        }
        _ => Err("the size must be positive".into()),
    }
}

/// The longest result of States.ArrayRange, in items.
const RANGE: usize = 1_000;

fn array_range(first: &Value, last: &Value, step: &Value) -> Result {
    let (first, last, step) = (integer(first)?, integer(last)?, integer(step)?);
    if step == 0 {
        return Err("the step cannot be 0".into());
    }
    let mut items = Vec::new();
    let mut at = first;
    while (step > 0 && at <= last) || (step < 0 && at >= last) {
        if items.len() == RANGE {
            return Err(format!("the range has more than {RANGE} items"));
        }
        items.push(at);
        match at.checked_add(step) {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(items.into())
}

fn array_unique(list: &Value) -> Result {
    let mut unique: Vec<Value> = Vec::new();
    for item in array(list)? {
        if !unique.contains(item) {
            unique.push(item.clone());
        }
    }
    Ok(unique.into())
}

fn base64_decode(data: &Value) -> Result {
    let bytes = STANDARD.decode(short_text(data)?).map_err(|e| format!("not Base64: {e}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned().into())
}

/// Fills the `{}` of a template; `\{`, `\}`, `\'` and `\\` stand for their second character.
fn format(template: &str, values: &[Value]) -> Result {
    let mut values = values.iter();
    let mut filled = String::new();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => filled.push(chars.next().unwrap_or('\\')),
            '{' if chars.peek() == Some(&'}') => {
                chars.next();
                print(values.next().ok_or("there are fewer arguments than {}")?, &mut filled);
            }
            c => filled.push(c),
        }
    }
    match values.next() {
        Some(_) => Err("there are more arguments than {}".into()),
        None => Ok(filled.into()),
    }
}

/// Writes a value into a text as AWS does: objects as `{name=value}`.
fn print(value: &Value, text: &mut String) {
    match value {
        Value::String(value) => text.push_str(value),
        Value::Object(fields) => {
            text.push('{');
            for (i, (name, value)) in fields.iter().enumerate() {
                text.push_str(if i > 0 { ", " } else { "" });
                text.push_str(name);
                text.push('=');
                print(value, text);
            }
            text.push('}');
        }
        other => text.push_str(&other.to_string()),
    }
}

pub(super) fn hash(data: &Value, algorithm: &Value) -> Result {
    let data = match data {
        Value::String(_) => short_text(data)?.to_owned(),
        other => other.to_string(),
    };
    let bytes = match text(algorithm)? {
        "MD5" => hex(&md5::Md5::digest(&data)),
        "SHA-1" => hex(&sha1::Sha1::digest(&data)),
        "SHA-256" => hex(&sha2::Sha256::digest(&data)),
        "SHA-384" => hex(&sha2::Sha384::digest(&data)),
        "SHA-512" => hex(&sha2::Sha512::digest(&data)),
        other => return Err(format!("there is no algorithm {other}")),
    };
    Ok(bytes.into())
}

fn json_merge(one: &Value, other: &Value, deep: &Value) -> Result {
    match (one, other, deep) {
        (Value::Object(one), Value::Object(other), Value::Bool(false)) => {
            let mut merged = one.clone();
            merged.extend(other.clone());
            Ok(merged.into())
        }
        (_, _, Value::Bool(true)) => Err("deep merging does not exist".into()),
        _ => Err("two objects and false expected".into()),
    }
}

fn math_add(one: &Value, other: &Value) -> Result {
    let sum = integer(one)? + integer(other)?;
    i32::try_from(sum).map(Value::from).map_err(|_| "the sum is out of range".into())
}

fn math_random(args: &[Value], rng: &mut RecordedRng<'_>) -> Result {
    let (start, end) = (integer(&args[0])?, integer(&args[1])?);
    // AWS also refuses a range with a single number.
    if start + 1 >= end {
        return Err("the start must be less than the end, and not by one only".into());
    }
    let chance = match args.get(2) {
        None => rng.random(),
        Some(seed) => java_random(integer(seed)?),
    };
    let drawn = start + (chance * (end - start) as f64) as i64;
    Ok(json!(drawn.min(end - 1)))
}

/// The first number from 0 (included) to 1 (excluded) of Java's generator with this seed.
pub(super) fn java_random(seed: i64) -> f64 {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut state = (seed as u64 ^ MULTIPLIER) & MASK;
    let mut next = |bits: u32| {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        state >> (48 - bits)
    };
    let high = next(26) << 27;
    (high + next(27)) as f64 / (1_u64 << 53) as f64
}

fn string_to_json(text: &str) -> Result {
    match text.trim() {
        "" => Ok(Value::Null),
        text => crate::json::from_str(text).map_err(|e| format!("not JSON: {e}")),
    }
}

fn string_split(data: &str, delimiters: &str) -> Result {
    let parts = data.split(|c| delimiters.contains(c)).filter(|part| !part.is_empty());
    Ok(parts.map(Value::from).collect())
}

fn array(value: &Value) -> std::result::Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("an array expected, not {value}"))
}

fn text(value: &Value) -> std::result::Result<&str, String> {
    value.as_str().ok_or_else(|| format!("a string expected, not {value}"))
}

/// A text for a function that encodes or hashes it; its length is limited.
fn short_text(value: &Value) -> std::result::Result<&str, String> {
    /// AWS's limit of a text that is encoded or hashed, in characters.
    const CHARACTERS: usize = 10_000;
    match text(value)? {
        text if text.chars().count() > CHARACTERS => {
            Err(format!("the text has more than {CHARACTERS} characters"))
        }
        text => Ok(text),
    }
}

/// A 32-bit integer. Fractions are rounded.
fn integer(value: &Value) -> std::result::Result<i64, String> {
    let number = value.as_f64().ok_or_else(|| format!("a number expected, not {value}"))?;
    // Halves are rounded up, as in Java.
    let number = (number + 0.5).floor();
    if number >= f64::from(i32::MIN) && number <= f64::from(i32::MAX) {
        Ok(number as i64)
    } else {
        Err(format!("{value} is out of range"))
    }
}
