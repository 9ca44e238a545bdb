//! The permission table of `cdk/lib/permissions.ts`, read from its text.

use std::collections::HashMap;

use testing::Access;

const SOURCE: &str = include_str!("../../../cdk/lib/permissions.ts");

/// A value of the table: a pattern or a list of patterns.
type Patterns = Vec<String>;

/// The access of each step, by its name in `STEPS`.
pub(super) fn steps() -> HashMap<String, Access> {
    let mut tokens = tokens(SOURCE);
    let mut constants: HashMap<String, Patterns> = HashMap::new();
    while let Some(token) = tokens.next() {
        if token != Token::Word("const".into()) {
            continue;
        }
        let Some(Token::Word(name)) = tokens.next() else { continue };
        if tokens.next() != Some(Token::Sign('=')) {
            continue;
        }
        match tokens.next() {
            Some(Token::Text(pattern)) => _ = constants.insert(name, vec![pattern]),
            Some(Token::Sign('[')) => _ = constants.insert(name, list(&mut tokens, &constants)),
            Some(Token::Sign('{')) if name == "STEPS" => return table(&mut tokens, &constants),
            _ => {}
        }
    }
    panic!("cdk/lib/permissions.ts has no STEPS");
}

fn table(
    tokens: &mut impl Iterator<Item = Token>,
    constants: &HashMap<String, Patterns>,
) -> HashMap<String, Access> {
    let mut steps = HashMap::new();
    while let Some(Token::Word(step)) = next_entry(tokens) {
        assert_eq!(tokens.next(), Some(Token::Sign('{')), "{step}");
        let mut access = Access::default();
        while let Some(Token::Word(kind)) = next_entry(tokens) {
            let patterns = match tokens.next() {
                Some(Token::Sign('[')) => list(tokens, constants),
                Some(Token::Word(name)) => constants[&name].clone(),
                other => panic!("{step}.{kind}: {other:?}"),
            };
            let of = match kind.as_str() {
                "read" => &mut access.read,
                "write" => &mut access.write,
                "upload" => &mut access.upload,
                "remove" => &mut access.remove,
                "list" => &mut access.list,
                other => panic!("{step} has the unknown kind {other}"),
            };
            *of = patterns;
        }
        steps.insert(step, access);
    }
    steps
}

/// The next key of an object, or `None` at its end.
fn next_entry(tokens: &mut impl Iterator<Item = Token>) -> Option<Token> {
    tokens.find(|token| *token != Token::Sign(',')).filter(|token| *token != Token::Sign('}'))
}

fn list(tokens: &mut impl Iterator<Item = Token>, constants: &HashMap<String, Patterns>) -> Patterns {
    let mut patterns = Patterns::new();
    for token in tokens {
        match token {
            Token::Text(pattern) => patterns.push(pattern),
            Token::Word(name) => patterns.extend(constants[&name].clone()),
            Token::Sign(']') => return patterns,
            Token::Sign(_) => {}
        }
    }
    panic!("a list has no end");
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A name; dots before it and a colon after it are left out.
    Word(String),
    /// A string.
    Text(String),
    Sign(char),
}

fn tokens(source: &str) -> impl Iterator<Item = Token> {
    let mut rest = source;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '.' || c == ':');
            let comment = if rest.starts_with("//") { "\n" } else { "*/" };
            if !rest.starts_with("//") && !rest.starts_with("/*") {
                break;
            }
            rest = rest.split_once(comment).map_or("", |(_, after)| after);
        }
        let first = rest.chars().next()?;
        if first == '\'' {
            let (text, after) = rest[1..].split_once('\'')?;
            rest = after;
            return Some(Token::Text(text.to_owned()));
        }
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(if length == 0 { first.len_utf8() } else { length });
        rest = after;
        Some(if length == 0 { Token::Sign(first) } else { Token::Word(word.to_owned()) })
    })
}
