//! Numbers that only pass through an evaluation keep their digits, as on AWS: `1.0` and 9007199254740993 are
//! not what 64-bit floating point makes of them. JSONata has no other numbers, so such a number passes through
//! as a NaN with an index into a table, and everything that looks at a number gets the number itself.

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use serde_json::{Map, Number, Value, json};
use std::rc::Rc;

use super::convert::{WHOLE, from_json};

/// The name of the inserted function that gives the number itself. No expression can contain it.
pub(super) const PLAIN: &str = "the plain value";

/// The bits of a NaN that stands for a number, without its index. Arithmetic makes no such NaN.
const STANDS_FOR: u64 = 0x7FFC_A5A0_0000_0000;
const INDEX: u64 = 0xFFFF_FFFF;

/// The numbers that stand-ins stand for.
#[derive(Debug, Default, Clone)]
pub(super) struct Exact(Vec<Number>);

impl Exact {
    /// Converts a value. Numbers that would lose digits become stand-ins.
    pub(super) fn convert(&mut self, value: &Value) -> JValue {
        match value {
            Value::Number(number) if loses_digits(number) && self.0.len() < INDEX as usize => {
                let index = self.0.len() as u64;
                self.0.push(number.clone());
                JValue::Number(f64::from_bits(STANDS_FOR | index))
            }
            Value::Array(items) => JValue::array(items.iter().map(|item| self.convert(item)).collect()),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.clone(), self.convert(value)));
                JValue::object(fields.collect())
            }
            value => from_json(value),
        }
    }

    /// The number that a stand-in stands for.
    pub(super) fn number(&self, number: f64) -> Option<&Number> {
        let bits = number.to_bits();
        let index = (bits & !INDEX == STANDS_FOR).then_some(bits & INDEX)?;
        self.0.get(usize::try_from(index).ok()?)
    }

    /// The value without stand-ins; None if it has none.
    fn plain(&self, value: &JValue) -> Option<JValue> {
        match value {
            JValue::Number(number) => {
                let number = self.number(*number)?;
                Some(JValue::Number(number.as_f64().unwrap_or_default()))
            }
            JValue::Array(items) => {
                let changed: Vec<_> = items.iter().map(|item| self.plain(item)).collect();
                changed.iter().any(Option::is_some).then(|| {
                    let items = items.iter().zip(changed);
                    JValue::array(
                        items.map(|(item, changed)| changed.unwrap_or_else(|| item.clone())).collect(),
                    )
                })
            }
            JValue::Object(fields) => {
                let changed: Vec<_> = fields.values().map(|value| self.plain(value)).collect();
                changed.iter().any(Option::is_some).then(|| {
                    let fields = fields.iter().zip(changed);
                    let fields = fields.map(|((name, value), changed)| {
                        (name.clone(), changed.unwrap_or_else(|| value.clone()))
                    });
                    JValue::object(fields.collect())
                })
            }
            _ => None,
        }
    }
}

/// Registers the function that gives the number itself.
pub(super) fn register(evaluator: &mut Evaluator, exact: &Rc<Exact>) -> Result<(), EvaluatorError> {
    let exact = exact.clone();
    evaluator.register_fn(PLAIN, move |args: &[JValue]| {
        let value = args.first().cloned().unwrap_or(JValue::Undefined);
        Ok(exact.plain(&value).unwrap_or(value))
    })
}

/// Whether a value has a number that loses digits.
pub(super) fn is_needed(value: &Value) -> bool {
    match value {
        Value::Number(number) => loses_digits(number),
        Value::Array(items) => items.iter().any(is_needed),
        Value::Object(fields) => fields.values().any(is_needed),
        _ => false,
    }
}

fn loses_digits(number: &Number) -> bool {
    match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => whole.unsigned_abs() > WHOLE as u64,
        (None, Some(float)) if number.is_f64() => float.fract() == 0.0 && float.abs() <= WHOLE,
        (None, _) => true,
    }
}

/// Functions that pass the numbers of their arguments on.
const PASSING: &[&str] = &[
    "append", "count", "each", "exists", "filter", "keys", "lookup", "map", "merge", "reduce", "reverse",
    "shuffle", "sift", "single", "sort", "spread", "type", "zip",
];
/// Those of them that look at what the function that they call returns.
const DECIDING: &[&str] = &["filter", "sift", "single", "sort"];
/// Those of them that call a function.
const CALLING: &[&str] = &["each", "filter", "map", "reduce", "sift", "single", "sort"];
/// Other functions of JSONata and of Step Functions.
const LOOKING: &[&str] = &[
    "abs",
    "assert",
    "average",
    "base64decode",
    "base64encode",
    "boolean",
    "ceil",
    "contains",
    "decodeUrl",
    "decodeUrlComponent",
    "distinct",
    "encodeUrl",
    "encodeUrlComponent",
    "error",
    "eval",
    "floor",
    "formatBase",
    "formatInteger",
    "formatNumber",
    "fromMillis",
    "hash",
    "join",
    "length",
    "lowercase",
    "match",
    "max",
    "millis",
    "min",
    "not",
    "now",
    "number",
    "pad",
    "parse",
    "parseInteger",
    "partition",
    "power",
    "random",
    "range",
    "replace",
    "round",
    "split",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "toMillis",
    "trim",
    "uppercase",
    "uuid",
];

/// Inserts calls that give the number itself wherever a number is looked at. Returns false where that cannot
/// be seen: a function of JSONata is a value, or takes the context item.
pub(super) fn insert(tree: &mut Value) -> bool {
    match tree {
        Value::Object(fields) => fields.iter_mut().all(|(kind, node)| insert_in(kind, node)),
        Value::Array(items) => items.iter_mut().all(insert),
        _ => true,
    }
}

fn insert_in(kind: &str, node: &mut Value) -> bool {
    match (kind, &*node) {
        ("Variable", Value::String(name)) if is_builtin(name) => return false,
        ("Transform", _) => return false,
        // These are not expressions.
        ("params" | "String" | "Name" | "Regex", _) => return true,
        _ => {}
    }
    if kind == "Function" && !insert_in_call(node) || kind != "Function" && !insert(node) {
        return false;
    }
    match kind {
        "Binary" => match node["op"].as_str() {
            Some("ColonEqual" | "FocusBind" | "IndexBind") => {}
            Some("ChainPipe") => {
                let right = node["rhs"].get("Function").and_then(|call| call["name"].as_str());
                // The function that such a function calls is not seen here.
                if right.is_some_and(|name| CALLING.contains(&name)) {
                    return false;
                }
                if right.is_some_and(|name| LOOKING.contains(&name)) {
                    wrap(&mut node["lhs"]);
                }
            }
            _ => {
                wrap(&mut node["lhs"]);
                wrap(&mut node["rhs"]);
            }
        },
        "Unary" => wrap(&mut node["operand"]),
        "Conditional" => wrap(&mut node["condition"]),
        "Filter" => wrap(node),
        "Sort" => {
            for term in node["terms"].as_array_mut().into_iter().flatten() {
                wrap(&mut term[0]);
            }
        }
        _ => {}
    }
    true
}

fn insert_in_call(call: &mut Value) -> bool {
    let name = call["name"].as_str().unwrap_or_default().to_owned();
    let Some(args) = call["args"].as_array_mut() else { return true };
    if !args.iter_mut().all(insert) || args.iter().any(|arg| arg == "Placeholder") {
        return false;
    }
    let takes_two = ["power", "formatNumber", "formatInteger"].contains(&name.as_str());
    if is_builtin(&name) && (args.is_empty() && !["now", "millis", "random", "uuid"].contains(&name.as_str()))
        || takes_two && args.len() < 2
    {
        return false;
    }
    if LOOKING.contains(&name.as_str()) {
        args.iter_mut().for_each(wrap);
    } else if CALLING.contains(&name.as_str()) {
        match args.get_mut(1).and_then(|function| function.get_mut("Lambda")) {
            Some(lambda) if DECIDING.contains(&name.as_str()) => wrap(&mut lambda["body"]),
            Some(_) => {}
            None => args.iter_mut().for_each(wrap),
        }
    }
    true
}

fn is_builtin(name: &str) -> bool {
    PASSING.contains(&name) || LOOKING.contains(&name)
}

/// Wraps a node that may give a stand-in.
fn wrap(node: &mut Value) {
    let plain = match &*node {
        Value::Object(fields) => fields.iter().all(|(kind, inner)| match kind.as_str() {
            "String" | "Number" | "Boolean" | "Regex" | "Lambda" => true,
            "Binary" => !["ColonEqual", "ChainPipe"].contains(&inner["op"].as_str().unwrap_or_default()),
            "Function" => inner["name"] == PLAIN,
            _ => false,
        }),
        _ => true,
    };
    if !plain {
        let inner = node.take();
        let call = json!({"name": PLAIN, "args": [inner], "is_builtin": true});
        *node = Value::Object(Map::from_iter([("Function".to_owned(), call)]));
    }
}
