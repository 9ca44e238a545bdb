//! Finds the tags of a template that calculate. After each value in them it puts a filter that turns the
//! value into a number of the template engine.

use std::borrow::Cow;

use super::exact::NUMBER;

/// Filters that take a value as text or pass it on.
const TRANSPARENT: [&str; 20] = [
    "safe",
    "string",
    "tojson",
    "default",
    "d",
    "urlencode",
    "join",
    "first",
    "last",
    "trim",
    "upper",
    "lower",
    "replace",
    "list",
    "reverse",
    "items",
    "length",
    "count",
    "e",
    "escape",
];
/// Words of an expression that are not names.
const WORDS: [&str; 16] = [
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "for",
    "recursive",
    "secret",
];

/// A tag with its marks. If the tag calculates, every name in the result is followed by the filter.
pub(super) fn prepare(tag: &str) -> Cow<'_, str> {
    let tokens = tokens(tag);
    // The name that a statement sets, or that a loop assigns, is not a value.
    let word = tokens.iter().find(|token| token.is_word()).map_or("", |token| token.text);
    let from = match (tag.starts_with("{%"), word) {
        (false, _) => 0,
        (true, "if" | "elif") => 1,
        (true, "for") => tokens.iter().position(|token| token.text == "in").map_or(tokens.len(), |at| at + 1),
        (true, "set") => tokens.iter().position(|token| token.text == "=").map_or(tokens.len(), |at| at + 1),
        (true, _) => tokens.len(),
    };
    let Some(expression) = tokens.get(from..).filter(|tokens| calculates(tokens)) else {
        return Cow::Borrowed(tag);
    };
    let mut prepared = String::with_capacity(tag.len() + 32);
    let mut done = 0;
    let mut at = 0;
    while at < expression.len() {
        let before = at.checked_sub(1).map_or("", |before| expression[before].text);
        let after = expression.get(at + 1).map_or("", |after| after.text);
        let token = expression[at];
        // `name=` gives an argument its name, and `name ==` compares.
        let names =
            after == "(" || (after == "=" && expression.get(at + 2).is_none_or(|next| next.text != "="));
        at += 1;
        let value =
            token.is_word() && !WORDS.contains(&token.text) && !matches!(before, "." | "|" | "is") && !names;
        if !value || (before == "not" && at > 2 && expression[at - 3].text == "is") {
            continue;
        }
        let start = token.end - token.text.len();
        // A member of a value calculates as the value does; the row and the variables only lead to their values.
        if matches!(token.text, "row" | "vars") {
            at = accessor_end(expression, at);
        }
        let end = expression[at - 1].end;
        // Signs bind closer than filters.
        prepared.push_str(&format!("{}({}|{NUMBER})", &tag[done..start], &tag[start..end]));
        done = end;
    }
    prepared.push_str(&tag[done..]);
    Cow::Owned(prepared)
}

/// Whether an expression does more with its values than to print them or to pass them on.
fn calculates(tokens: &[Token<'_>]) -> bool {
    tokens.iter().enumerate().any(|(n, token)| {
        let before = n.checked_sub(1).map_or("", |before| tokens[before].text);
        match token.text {
            // A negative number is not a calculation: it is an index or a default.
            "-" if matches!(before, "[" | ":" | "(" | "," | "=") => {
                tokens.get(n + 1).is_none_or(|next| !next.text.starts_with(|c: char| c.is_ascii_digit()))
            }
            "+" | "-" | "*" | "/" | "%" | "<" | ">" | "!" | "in" | "is" => true,
            "=" => before == "=",
            "(" => {
                n > 0 && tokens[n - 1].is_word() && !TRANSPARENT.contains(&before) && !WORDS.contains(&before)
            }
            text => before == "|" && !TRANSPARENT.contains(&text),
        }
    })
}

/// The place after `.name` or `[…]`, if there is one.
fn accessor_end(tokens: &[Token<'_>], at: usize) -> usize {
    match tokens.get(at).map(|token| token.text) {
        Some(".") if tokens.get(at + 1).is_some() => at + 2,
        Some("[") => {
            let mut depth = 0;
            let close = tokens[at..].iter().position(|token| {
                depth += i32::from(token.text == "[") - i32::from(token.text == "]");
                depth == 0
            });
            close.map_or(tokens.len(), |close| at + close + 1)
        }
        _ => at,
    }
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    end: usize,
}

impl Token<'_> {
    fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// The tokens between the marks of a tag: words, numbers, strings, and marks of one character.
fn tokens(tag: &str) -> Vec<Token<'_>> {
    let inner = &tag[..tag.len().saturating_sub(2).max(2)];
    let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner);
    let mut tokens = Vec::new();
    let mut at = 2 + usize::from(inner[2..].starts_with(['-', '+']));
    while let Some(first) = inner.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = &inner[at..];
        let length = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '"' | '\'' => {
                let mut escaped = false;
                let close = rest.char_indices().skip(1).find(|(_, c)| {
                    let closes = *c == first && !escaped;
                    escaped = *c == '\\' && !escaped;
                    closes
                });
                close.map_or(rest.len(), |(at, _)| at + 1)
            }
            '0'..='9' => rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
                .unwrap_or(rest.len()),
            c if c.is_alphabetic() || c == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        at += length;
        tokens.push(Token { text: &rest[..length], end: at });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_only_print_are_not_changed() {
        for tag in [
            "{{ a }}",
            "{{- a.b['x-y'] -}}",
            "{{ a | default(b) }}",
            "{{ \"a + b\" }}",
            "{% for a in b %}",
            "{% endfor %}",
            "{% set x = a %}",
            "{{ a | join('-') }}",
            "{%- if a -%}",
        ] {
            assert_eq!(prepare(tag), tag);
        }
        for (tag, expected) in [
            ("{{ a * 2 }}", "{{ (a|__number) * 2 }}"),
            ("{{- a.b[c] + true -}}", "{{- (a|__number).b[(c|__number)] + true -}}"),
            ("{{ a.b(c) }}", "{{ (a|__number).b((c|__number)) }}"),
            ("{{ f(x=a) }}", "{{ f(x=(a|__number)) }}"),
            ("{% if a is not number %}", "{% if (a|__number) is not number %}"),
            ("{% set a, b = c + 1, d %}", "{% set a, b = (c|__number) + 1, (d|__number) %}"),
            ("{{ row['a'].b + row.c }}", "{{ (row['a']|__number).b + (row.c|__number) }}"),
            ("{{ vars.a + b }}", "{{ (vars.a|__number) + (b|__number) }}"),
            ("{% macro f(a=1) %}", "{% macro f(a=1) %}"),
        ] {
            assert_eq!(prepare(tag), expected);
        }
    }
}
