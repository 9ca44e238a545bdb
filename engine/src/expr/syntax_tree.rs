//! Reads and changes a parsed expression of JSONata in the form of JSON.

use jsonata_core::ast::AstNode;
use jsonata_core::parser;
use serde_json::{Value, json};

use super::pattern::{self, Dialect, Pattern, Refused};

/// The name of the inserted function that matches a pattern. No expression can contain it.
pub(super) const MATCH: &str = "the match";
/// The name of the inserted function that splits a text at the matches of a pattern.
pub(super) const SPLIT: &str = "the parts";
/// The name of the inserted function that notes which function is called.
pub(super) const CALLED: &str = "the function called";

/// The deepest nesting that AWS evaluates.
pub(super) const DEEPEST: usize = 100;

/// A parsed expression as JSON.
pub(super) fn of(ast: &AstNode) -> Result<Value, String> {
    serde_json::to_value(ast).map_err(|_| "The expression cannot be read".to_owned())
}

/// Finds the first operator of these.
pub(super) fn find_operator(tree: &Value, operators: &[(&str, &'static str)]) -> Option<&'static str> {
    match tree {
        Value::Object(fields) => {
            let named = fields.get("op").and_then(Value::as_str);
            let found = operators.iter().find(|(name, _)| Some(*name) == named).map(|(_, spelled)| *spelled);
            found.or_else(|| fields.values().find_map(|value| find_operator(value, operators)))
        }
        Value::Array(items) => items.iter().find_map(|item| find_operator(item, operators)),
        _ => None,
    }
}

/// The depth of what is evaluated in every case: bodies of functions and branches of conditions do not count.
pub(super) fn depth(node: &AstNode) -> usize {
    let deepest = |nodes: &[&AstNode]| nodes.iter().map(|node| depth(node)).max().unwrap_or(0);
    1 + match node {
        AstNode::Binary { lhs, rhs, .. } => deepest(&[lhs, rhs]),
        AstNode::Unary { operand, .. } => depth(operand),
        AstNode::Function { args, .. } => deepest(&args.iter().collect::<Vec<_>>()),
        AstNode::Call { procedure, args } => {
            deepest(&std::iter::once(&**procedure).chain(args).collect::<Vec<_>>())
        }
        AstNode::Array(items) | AstNode::Block(items) | AstNode::ArrayGroup(items) => {
            deepest(&items.iter().collect::<Vec<_>>())
        }
        AstNode::Object(pairs) => {
            deepest(&pairs.iter().flat_map(|(key, value)| [key, value]).collect::<Vec<_>>())
        }
        AstNode::Path { steps } => steps.iter().map(|step| depth(&step.node)).max().unwrap_or(0),
        AstNode::Conditional { condition, .. } => depth(condition),
        _ => 0,
    }
}

/// Translates the regular expressions. Returns whether one of them looks around or back and was replaced by a
/// function.
pub(super) fn translate_patterns(tree: &mut Value) -> Result<bool, String> {
    let mut replaced = false;
    match tree {
        Value::Object(fields) => {
            if let Some(call) = fields.get("Function")
                && let Some([text, pattern, limit @ ..]) = call["args"].as_array().map(Vec::as_slice)
                && let Some(regex) = pattern.get("Regex")
            {
                let (mut text, mut pattern) = (text.clone(), pattern.clone());
                // These two functions take no function in place of a pattern.
                let called = match call["name"].as_str() {
                    Some("contains") if translate_patterns(&mut pattern)? => {
                        translate_patterns(&mut text)?;
                        let matched = json!({"Call": {"procedure": pattern, "args": [text]}});
                        Some(("exists", vec![matched]))
                    }
                    Some("split") if translate_patterns(&mut pattern)? => {
                        translate_patterns(&mut text)?;
                        let text_of = |name: &str| json!({"String": regex[name]});
                        let mut args = vec![text, text_of("pattern"), text_of("flags")];
                        args.extend(limit.iter().cloned());
                        Some((SPLIT, args))
                    }
                    _ => None,
                };
                if let Some((name, args)) = called {
                    *tree = json!({"Function": {"name": name, "args": args, "is_builtin": true}});
                    return Ok(true);
                }
            }
            if let Some(Value::Object(regex)) = fields.get_mut("Regex") {
                let text =
                    |name: &str| regex.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                let (source, flags) = (text("pattern"), text("flags"));
                if source.is_empty() {
                    return Err("Empty regular expressions are not allowed".to_owned());
                }
                if let Err(Refused::Wrong(reason)) = Pattern::new(&source, &flags, Dialect::Part) {
                    return Err(reason);
                }
                match pattern::linear(&source) {
                    Some(linear) if !linear.backtracks => {
                        regex.insert("pattern".to_owned(), linear.pattern.into());
                    }
                    _ => {
                        *tree = matcher(&source, &flags)?;
                        return Ok(true);
                    }
                }
                return Ok(false);
            }
            for value in fields.values_mut() {
                replaced |= translate_patterns(value)?;
            }
        }
        Value::Array(items) => {
            for item in items {
                replaced |= translate_patterns(item)?;
            }
        }
        _ => {}
    }
    Ok(replaced)
}

/// A function that matches like a regular expression: from a text and a place to the match, from which the
/// next match can be had.
fn matcher(pattern: &str, flags: &str) -> Result<Value, String> {
    const SOURCE: &str = r#"(
        $matcher := function($text, $from) {(
            $found := $match_once("pattern", "flags", $text, $from);
            $exists($found) ? {
                "match": $found.match,
                "start": $found.start,
                "end": $found.end,
                "groups": [$found.groups],
                "next": function() { $matcher($text, $found.end) }
            }
        )};
        $matcher
    )"#;
    let ast = parser::parse(SOURCE).map_err(|error| error.to_string())?;
    let mut tree = of(&ast)?;
    fill(&mut tree, pattern, flags);
    Ok(tree)
}

fn fill(tree: &mut Value, pattern: &str, flags: &str) {
    match tree {
        Value::Object(fields) => {
            if let Some(call) = fields.get_mut("Function")
                && call["name"] == "match_once"
            {
                call["name"] = MATCH.into();
                call["is_builtin"] = true.into();
                call["args"][0] = json!({"String": pattern});
                call["args"][1] = json!({"String": flags});
            }
            fields.values_mut().for_each(|value| fill(value, pattern, flags));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, pattern, flags)),
        _ => {}
    }
}

/// Inserts calls that note which function is called, after its arguments are evaluated.
pub(super) fn note_calls(tree: &mut Value) {
    match tree {
        Value::Object(fields) => {
            fields.values_mut().for_each(note_calls);
            if let Some(call) = fields.get_mut("Function") {
                let name = call["name"].clone();
                if let Some(Value::Array(args)) = call.get_mut("args")
                    && !args.iter().any(|arg| arg == "Placeholder")
                    && let Some(last) = args.last_mut()
                {
                    *last = noted(name, last.take());
                }
            }
            if let Some(binary) = fields.get_mut("Binary")
                && binary["op"] == "ChainPipe"
            {
                let name = match &binary["rhs"] {
                    Value::Object(right) => {
                        right.get("Variable").or_else(|| right.get("Function")?.get("name"))
                    }
                    _ => None,
                };
                if let Some(name) = name.cloned() {
                    let left = binary["lhs"].take();
                    binary["lhs"] = noted(name, left);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(note_calls),
        _ => {}
    }
}

fn noted(name: Value, argument: Value) -> Value {
    let args = [json!({"String": name}), argument];
    json!({"Function": {"name": CALLED, "args": args, "is_builtin": true}})
}
