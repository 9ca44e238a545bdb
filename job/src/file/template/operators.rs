//! `+`, `~` and `*` of a template become filters, which can be guarded: `a ~ b` is read as `a | __concat(b)`.

use std::iter::Peekable;
use std::vec::IntoIter;

/// Words that separate expressions. `is` is a part of one.
const SEPARATORS: [&str; 6] = ["in", "not", "and", "or", "if", "else"];

/// The text between the marks of a tag, with its operators as filters. `None` for a text that cannot be read:
/// the template engine says what is wrong with it.
pub(super) fn guarded(inner: &str) -> Option<String> {
    if !inner.contains(['+', '~', '*']) {
        return None;
    }
    let mut tokens = lex(inner)?.into_iter().peekable();
    let mut out = String::with_capacity(inner.len() + 32);
    level(&mut tokens, None, &mut out)?;
    Some(out)
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    /// The token's text with the white space before it.
    whole: &'a str,
    text: &'a str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Literal,
    Mark,
}

type Tokens<'a> = Peekable<IntoIter<Token<'a>>>;

/// Everything up to the bracket that ends this level, or to the end.
fn level(tokens: &mut Tokens<'_>, end: Option<&str>, out: &mut String) -> Option<()> {
    let mut chain = Chain::default();
    // After a postfix mark or `is`, the next token belongs to the operand whatever it is.
    let mut wanted = false;
    while let Some(token) = tokens.next() {
        match (token.kind, token.text) {
            (_, text) if Some(text) == end => {
                chain.write(out)?;
                out.push_str(token.whole);
                return Some(());
            }
            (Kind::Mark, ")" | "]" | "}") => return None,
            (Kind::Mark, open @ ("(" | "[" | "{")) => {
                let mut group = token.whole.to_owned();
                let close = match open {
                    "(" => ")",
                    "[" => "]",
                    _ => "}",
                };
                level(tokens, Some(close), &mut group)?;
                chain.push(&group);
                wanted = false;
            }
            (Kind::Mark, "." | "|") => {
                chain.push(token.whole);
                wanted = true;
            }
            (Kind::Mark, operator @ ("+" | "-" | "~" | "*" | "/" | "//" | "%" | "**")) => {
                if chain.operand.is_empty() && chain.operators.is_empty() && matches!(operator, "*" | "**") {
                    chain.spread = Some(token.whole.to_owned());
                } else if chain.is_complete() && !wanted {
                    chain.operator(token.whole, operator);
                } else {
                    chain.push_prefix(token.whole);
                }
                wanted = false;
            }
            (Kind::Mark, _) => {
                chain.write(out)?;
                out.push_str(token.whole);
                wanted = false;
            }
            (Kind::Word, "is") if chain.is_complete() && !wanted => {
                chain.push(token.whole);
                if let Some(not) = tokens.next_if(|next| next.text == "not") {
                    chain.push(not.whole);
                }
                let test = tokens.next()?;
                chain.push(test.whole);
                while let Some(dot) = tokens.next_if(|next| next.text == ".") {
                    chain.push(dot.whole);
                    chain.push(tokens.next()?.whole);
                }
                // An argument without brackets follows directly.
                wanted = tokens.peek().is_some_and(|next| match next.kind {
                    Kind::Word => !matches!(next.text, "and" | "or" | "else" | "is"),
                    Kind::Literal => true,
                    Kind::Mark => matches!(next.text, "+" | "-" | "[" | "{"),
                });
            }
            (Kind::Word, word) if !wanted && SEPARATORS.contains(&word) => {
                chain.write(out)?;
                out.push_str(token.whole);
            }
            (kind, _) => {
                // Two texts in a row are one; any other two operands in a row belong to a statement, such as
                // `for`.
                if chain.is_complete() && !wanted && !(kind == Kind::Literal && chain.ends_in_literal) {
                    chain.write(out)?;
                }
                chain.push(token.whole);
                chain.ends_in_literal = kind == Kind::Literal;
                wanted = false;
            }
        }
    }
    chain.write(out)?;
    end.is_none().then_some(())
}

/// Operands with operators between them.
#[derive(Default)]
struct Chain {
    /// `*` or `**` before the first operand.
    spread: Option<String>,
    operands: Vec<String>,
    /// Each operator with the white space before it, and without.
    operators: Vec<(String, String)>,
    operand: String,
    complete: bool,
    ends_in_literal: bool,
}

impl Chain {
    fn push(&mut self, text: &str) {
        self.operand.push_str(text);
        self.complete = true;
        self.ends_in_literal = false;
    }

    fn push_prefix(&mut self, text: &str) {
        self.operand.push_str(text);
        self.complete = false;
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn operator(&mut self, whole: &str, text: &str) {
        self.operands.push(std::mem::take(&mut self.operand));
        self.operators.push((whole.to_owned(), text.to_owned()));
        self.complete = false;
    }

    /// Writes the chain, and begins a new one.
    fn write(&mut self, out: &mut String) -> Option<()> {
        let Self { spread, mut operands, operators, operand, .. } = std::mem::take(self);
        operands.push(operand);
        if !operators.is_empty() && operands.iter().any(|operand| operand.trim().is_empty()) {
            return None;
        }
        let mut operands = operands.into_iter();
        let mut operators = operators.into_iter().peekable();
        let chain = climb(&mut operands, &mut operators, 0);
        match spread.as_deref() {
            Some(star) if star.trim_start() == "*" => out.push_str(&format!("{star}(({chain}) | __spread)")),
            Some(stars) => out.push_str(&format!("{stars}{chain}")),
            None => out.push_str(&chain),
        }
        Some(())
    }
}

/// Operators that bind at least as tightly as `least`, from left to right.
fn climb(
    operands: &mut IntoIter<String>,
    operators: &mut Peekable<IntoIter<(String, String)>>,
    least: u8,
) -> String {
    let mut left = operands.next().unwrap_or_default();
    while let Some((whole, operator)) = operators.next_if(|(_, operator)| binding(operator) >= least) {
        let right = climb(operands, operators, binding(&operator) + 1);
        left = match operator.as_str() {
            "+" => format!("(({left}) | __add({right}))"),
            "~" => format!("(({left}) | __concat({right}))"),
            "*" => format!("(({left}) | __mul({right}))"),
            _ => format!("{left}{whole}{right}"),
        };
    }
    left
}

fn binding(operator: &str) -> u8 {
    match operator {
        "+" | "-" => 0,
        "~" => 1,
        "**" => 3,
        _ => 2,
    }
}

fn lex(inner: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut from = 0;
    while let Some(space) = inner[from..].find(|c: char| !c.is_whitespace()) {
        let start = from + space;
        let rest = &inner[start..];
        let (kind, length) = token(rest)?;
        tokens.push(Token { whole: &inner[from..start + length], text: &rest[..length], kind });
        from = start + length;
    }
    Some(tokens)
}

/// Kind and length of the token that a text begins with.
fn token(rest: &str) -> Option<(Kind, usize)> {
    let bytes = rest.as_bytes();
    match bytes {
        [quote @ (b'"' | b'\''), ..] => {
            let mut at = 1;
            while *bytes.get(at)? != *quote {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            Some((Kind::Literal, at + 1))
        }
        [b'0'..=b'9', ..] => Some((Kind::Literal, number(bytes))),
        [b'*', b'*', ..] | [b'/', b'/', ..] | [b'=' | b'!' | b'<' | b'>', b'=', ..] => Some((Kind::Mark, 2)),
        [first, ..] if first.is_ascii_punctuation() && *first != b'_' => Some((Kind::Mark, 1)),
        _ => {
            let end = rest.find(|c: char| c.is_whitespace() || (c.is_ascii_punctuation() && c != '_'));
            Some((Kind::Word, end.unwrap_or(rest.len())))
        }
    }
}

fn number(bytes: &[u8]) -> usize {
    let radix = matches!(bytes, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let exponent =
            !radix && matches!(byte, b'+' | b'-') && matches!(bytes[at - 1], b'e' | b'E') && digit(at + 1);
        if !(byte.is_ascii_alphanumeric()
            || *byte == b'_'
            || exponent
            || (*byte == b'.' && !radix && digit(at + 1)))
        {
            break;
        }
        at += 1;
    }
    at
}
