//! The messages of JSONata 2.0.6, in which AWS reports errors.
//!
//! A message of the parser has no code. A message of an evaluation begins with its code. A failure that has
//! no code comes from what surrounds JSONata on AWS: the limits of time, memory and depth.

use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::parser::ParserError;

pub(super) const TOO_DEEP: &str = "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive";
pub(super) const TOO_LONG: &str = "Expression evaluation timeout: Check for infinite loop";
pub(super) const TOO_MUCH: &str =
    "Expression evaluation memory limit exceeded: Check for excessive memory usage";

/// The beginning of a message that is the engine's own.
const OWN: char = '\u{0}';

/// An error whose message is reported as it is.
pub(super) fn thrown(reason: impl AsRef<str>) -> EvaluatorError {
    EvaluatorError::EvaluationError(format!("{OWN}{}", reason.as_ref()))
}

/// The code of a failure because the expression is nested more deeply than the parser can read.
const UNREADABLY_DEEP: &str = "U1002";

/// Whether the expression is only too deep, which AWS reports when it evaluates it.
pub(super) fn is_too_deep(error: &ParserError) -> bool {
    matches!(error, ParserError::Coded { code, .. } if *code == UNREADABLY_DEEP)
}

/// The message of an expression that cannot be parsed.
pub(super) fn of_parser(error: &ParserError) -> String {
    match error {
        ParserError::Expected { expected, .. } if expected == "parameter name" => {
            "Parameter of function definition must be a variable name (start with $)".to_owned()
        }
        ParserError::Expected { expected, found } if found == "Eof" => {
            format!("Expected {} before end of expression", token(expected))
        }
        ParserError::Expected { expected, found } => {
            format!("Expected {}, got {}", token(expected), token(found))
        }
        ParserError::UnexpectedToken(found) if found == "Eof" => "Unexpected end of expression".to_owned(),
        ParserError::UnexpectedToken(found) if found.starts_with("Unexpected token in signature") => {
            "Syntax error in the signature of a function".to_owned()
        }
        ParserError::UnexpectedToken(found) if found.starts_with(char::is_alphabetic) => {
            format!("The symbol {} cannot be used as a unary operator", token(found))
        }
        ParserError::UnexpectedToken(found) => format!("Unknown operator: {}", token(found)),
        ParserError::InvalidNumber(number) => {
            format!("Number out of range: {}", number.trim_start_matches("S0102: Number out of range: "))
        }
        ParserError::UnclosedComment => "Comment has no closing tag".to_owned(),
        ParserError::InvalidSyntax(message) => match without_code(message).strip_prefix("Syntax error: ") {
            Some(found) => format!("Syntax error: {}", token(found)),
            None => without_code(message).to_owned(),
        },
        error => without_code(&error.to_string()).to_owned(),
    }
}

/// The spelling of a token in messages, by its name in the parser.
fn token(name: &str) -> String {
    const TOKENS: &[(&str, &str)] = &[
        ("Plus", "+"),
        ("Minus", "-"),
        ("Star", "*"),
        ("StarStar", "**"),
        ("Slash", "/"),
        ("Percent", "%"),
        ("Equal", "="),
        ("NotEqual", "!="),
        ("LessThan", "<"),
        ("LessThanOrEqual", "<="),
        ("GreaterThan", ">"),
        ("GreaterThanOrEqual", ">="),
        ("And", "and"),
        ("Or", "or"),
        ("In", "in"),
        ("Ampersand", "&"),
        ("Dot", "."),
        ("DotDot", ".."),
        ("Question", "?"),
        ("QuestionQuestion", "??"),
        ("QuestionColon", "?:"),
        ("Colon", ":"),
        ("ColonEqual", ":="),
        ("TildeArrow", "~>"),
        ("LeftParen", "("),
        ("RightParen", ")"),
        ("LeftBracket", "["),
        ("RightBracket", "]"),
        ("LeftBrace", "{"),
        ("RightBrace", "}"),
        ("Comma", ","),
        ("Semicolon", ";"),
        ("Caret", "^"),
        ("Pipe", "|"),
        ("Hash", "#"),
        ("At", "@"),
        ("Eof", "(end)"),
        ("True", "(value)"),
        ("False", "(value)"),
        ("Null", "(value)"),
        ("Undefined", "(value)"),
    ];
    let kind = name.split(['(', ' ']).next().unwrap_or_default();
    let spelled = match kind {
        "Identifier" | "Variable" | "ParentVariable" | "Function" => "(name)",
        "String" | "Number" => "(literal)",
        "Regex" => "(regex)",
        _ => TOKENS.iter().find(|(known, _)| *known == name).map_or(name, |(_, spelled)| *spelled),
    };
    format!("\"{spelled}\"")
}

/// Messages without values, by their codes.
const FIXED: &[(&str, &str)] = &[
    ("D1002", "Cannot negate a non-numeric value"),
    ("D2014", "The size of the sequence allocated by the range operator (..) must not exceed 1e6."),
    ("D3001", "Attempting to invoke string function on Infinity or NaN"),
    ("D3010", "Second argument of replace function cannot be an empty string"),
    ("D3020", "Third argument of split function must evaluate to a positive number"),
    ("D3080", "The picture string must only contain a maximum of two sub-pictures"),
    ("D3081", "The sub-picture must not contain more than one instance of the 'decimal-separator' character"),
    ("D3082", "The sub-picture must not contain more than one instance of the 'percent' character"),
    ("D3083", "The sub-picture must not contain more than one instance of the 'per-mille' character"),
    ("D3084", "The sub-picture must not contain both a 'percent' and a 'per-mille'"),
    (
        "D3085",
        "The mantissa part of a sub-picture must contain at least one character that is either an 'optional digit character' or a member of the 'decimal digit family'",
    ),
    (
        "D3086",
        "The sub-picture must not contain a passive character that is preceded by an active character and that is followed by another active character",
    ),
    (
        "D3087",
        "The sub-picture must not contain a 'grouping-separator' character that appears adjacent to a 'decimal-separator' character",
    ),
    ("D3088", "The sub-picture must not contain a 'grouping-separator' at the end of the integer part"),
    (
        "D3089",
        "The sub-picture must not contain two adjacent instances of the 'grouping-separator' character",
    ),
    (
        "D3090",
        "The integer part of the sub-picture must not contain a member of the 'decimal digit family' that is followed by an instance of the 'optional digit character'",
    ),
    (
        "D3091",
        "The fractional part of the sub-picture must not contain an instance of the 'optional digit character' that is followed by a member of the 'decimal digit family'",
    ),
    (
        "D3092",
        "A sub-picture that contains a 'percent' or 'per-mille' character must not contain a character treated as an 'exponent-separator'",
    ),
    (
        "D3093",
        "The exponent part of the sub-picture must comprise only of one or more characters that are members of the 'decimal digit family'",
    ),
    ("D3138", "The $single() function expected exactly 1 matching result.  Instead it matched more."),
    ("T1006", "Attempted to invoke a non-function"),
    ("T2003", "The left side of the range operator (..) must evaluate to an integer"),
    ("T2004", "The right side of the range operator (..) must evaluate to an integer"),
    ("T2011", "The insert/update clause of the transform expression must evaluate to an object"),
    ("T2012", "The delete clause of the transform expression must evaluate to a string or array of strings"),
];

/// The message of an evaluation that failed. `called` is the function that was called last, and `operator`
/// the first operator of the expression that compares.
pub(super) fn of_evaluator(error: &EvaluatorError, called: &str, operator: &str) -> String {
    let message = error.message();
    if let Some(own) = message.strip_prefix(OWN) {
        return own.to_owned();
    }
    let Some(code) = error.code() else { return uncoded(message) };
    if let Some((_, fixed)) = FIXED.iter().find(|(known, _)| *known == code) {
        return format!("{code}: {fixed}");
    }
    let rest = without_code(message);
    match code {
        "D1011" | "U1001" => TOO_DEEP.to_owned(),
        "D1012" => TOO_LONG.to_owned(),
        "D2015" => TOO_MUCH.to_owned(),
        "T0410" | "T0411" | "T0412" => of_argument(code, rest, called),
        "T2001" | "T2002" => format!("{code}: {}", quote_operator(rest)),
        "T2010" => format!(
            "{code}: The expressions either side of operator \"{operator}\" must evaluate to numeric or string values"
        ),
        "D3030" => {
            let value = rest.split('\'').nth(1).map(|value| format!(": \"{value}\"")).unwrap_or_default();
            format!("{code}: Unable to cast value to a number{value}")
        }
        "D3100" => {
            let given = rest.rsplit(' ').next().unwrap_or_default();
            format!(
                "{code}: The radix of the formatBase function must be between 2 and 36.  It was given {given}"
            )
        }
        _ => message.to_owned(),
    }
}

/// Whether the message of an error names the function that was called.
pub(super) fn names_function(error: &EvaluatorError) -> bool {
    matches!(error.code(), Some("T0410" | "T0411" | "T0412"))
}

/// The message about an argument that does not have the type that its function demands.
fn of_argument(code: &str, rest: &str, called: &str) -> String {
    let numbers: Vec<usize> =
        rest.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    let index = match numbers.as_slice() {
        // The first argument that is missing, or too much.
        [expected, actual] if rest.contains("count mismatch") => expected.min(actual) + 1,
        [index, ..] => *index,
        [] => 1,
    };
    // A message may know the function better, such as `length`.
    let named = rest.split_once("of function ").map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
    let named = named
        .map(|name| name.trim_matches(['$', '"']))
        .filter(|name| !["", "does", "must", "undefined"].contains(name));
    let name = named.filter(|_| called.is_empty()).unwrap_or(called);
    match code {
        "T0411" => {
            format!(
                "{code}: Context value is not a compatible type with argument {index} of function \"{name}\""
            )
        }
        "T0412" => {
            let of = rest.rsplit(' ').next().unwrap_or_default().to_ascii_lowercase();
            let kinds = ["number", "string", "object", "array", "boolean", "function"];
            let kind = kinds.into_iter().find(|kind| of.contains(kind)).unwrap_or("value");
            format!("{code}: Argument {index} of function \"{name}\" must be an array of \"{kind}s\"")
        }
        _ => format!("{code}: Argument {index} of function \"{name}\" does not match function signature"),
    }
}

/// `the + operator` with quotation marks.
fn quote_operator(message: &str) -> String {
    let parts = message.split_once(" of the ").and_then(|(before, rest)| {
        let (operator, after) = rest.split_once(" operator")?;
        Some(format!("{before} of the \"{}\" operator{after}", operator.trim_matches('"')))
    });
    parts.unwrap_or_else(|| message.to_owned())
}

/// The message about an error without a code: nearly all of these are about arguments.
fn uncoded(message: &str) -> String {
    if message.starts_with("Invalid regex") {
        // Only its size is wrong: other patterns are refused with the definition.
        return TOO_LONG.to_owned();
    }
    let name = message.split_once("()").map(|(name, _)| name.trim_start_matches('$'));
    match name.filter(|name| name.chars().all(char::is_alphanumeric)) {
        Some(name) => {
            let index = ["first", "second", "third"].iter().position(|word| message.contains(word));
            let index = index.map_or(1, |index| index + 1);
            format!("T0410: Argument {index} of function \"{name}\" does not match function signature")
        }
        None => "The expression cannot be evaluated".to_owned(),
    }
}

/// The message without JSONata's error code, as AWS returns it.
pub(super) fn without_code(message: &str) -> &str {
    let is_code = |code: &str| code.len() == 5 && code.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    message.split_once(": ").filter(|(code, _)| is_code(code)).map_or(message, |(_, message)| message)
}

#[cfg(test)]
mod tests {
    use jsonata_core::parser::parse;

    use super::*;

    #[test]
    fn parse_errors_have_the_words_of_jsonata() {
        for (source, message) in [
            ("a[1,2)", "Expected \"]\", got \",\""),
            ("\"unterminated", "String literal must be terminated by a matching quote"),
            ("1 +", "Unexpected end of expression"),
            ("{\"a\":}", "The symbol \"}\" cannot be used as a unary operator"),
            ("$x :=", "Unexpected end of expression"),
            ("$f(1 2)", "Expected \")\", got \"(literal)\""),
            ("(1", "Expected \")\" before end of expression"),
        ] {
            assert_eq!(of_parser(&parse(source).expect_err(source)), message, "{source}");
        }
    }
}
