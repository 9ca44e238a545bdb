//! Regular expressions as JavaScript has them.
//!
//! | JavaScript | Here |
//! |---|---|
//! | `\w \d` and their opposites | ASCII only |
//! | `\s` | the white space of ECMA-262, with U+FEFF |
//! | `\b \B` | between ASCII word characters and others |
//! | `.` | anything but LF, CR, U+2028 and U+2029 |
//! | `[]`, `[^]`, `[[]`, `[a&&b]` | nothing, anything, a bracket, these characters |
//! | `{`, `}`, `]` where they mean nothing | themselves |
//! | `\1` of a group that has not matched | the empty text |
//! | `(?=…) (?!…) (?<=…) (?<!…)` | look-around |
//! | `\xHH`, `\uHHHH`, `\cX`, `\0`, `\/` | characters |
//!
//! (Source: ECMA-262, "Pattern Semantics" and Annex B.)

mod translate;

use fancy_regex::{CompileError, Error, Regex, RegexBuilder};

use self::translate::{BOUNDARY, translate};

pub(super) use self::translate::linear;

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

/// The text that a pattern must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Any part of it.
    Part,
    /// The whole text.
    WholeText,
}

/// A match: its place in bytes and its groups.
pub(super) struct Match {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) groups: Vec<String>,
}

/// The reason why a pattern cannot be compiled.
#[derive(Debug)]
pub(super) enum Refused {
    Wrong(String),
    /// Its parts are repeated too often.
    TooLarge,
}

/// The pattern took too many steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManySteps;

/// The most steps back of one match. AWS stops an evaluation after a second.
const STEPS_BACK: usize = 1_000_000;
/// The largest compiled pattern, in bytes.
const COMPILED: usize = 10 << 20;

impl Pattern {
    pub(super) fn new(pattern: &str, flags: &str, dialect: Dialect) -> Result<Self, Refused> {
        let wrong = || Refused::Wrong(format!("Invalid regular expression: /{pattern}/"));
        let translated = translate(pattern, BOUNDARY).ok_or_else(wrong)?.pattern;
        let whole = match dialect {
            Dialect::Part => translated,
            Dialect::WholeText => format!(r"\A(?:{translated})\z"),
        };
        let built = RegexBuilder::new(&whole)
            .case_insensitive(flags.contains('i'))
            .multi_line(flags.contains('m'))
            .backtrack_limit(STEPS_BACK)
            .delegate_size_limit(COMPILED)
            .delegate_dfa_size_limit(COMPILED)
            .build();
        built.map(Pattern).map_err(|error| match error {
            Error::CompileError(error) => match *error {
                CompileError::InnerError(error) if error.size_limit().is_none() => wrong(),
                _ => Refused::TooLarge,
            },
            _ => wrong(),
        })
    }

    pub(super) fn is_match(&self, text: &str) -> Result<bool, TooManySteps> {
        self.0.is_match(text).map_err(|_| TooManySteps)
    }

    /// The first match at or after a place, in bytes.
    pub(super) fn find(&self, text: &str, from: usize) -> Result<Option<Match>, TooManySteps> {
        let found = self.0.captures_from_pos(text, from).map_err(|_| TooManySteps)?;
        let Some(captures) = found else { return Ok(None) };
        let groups = captures.iter().skip(1);
        let groups = groups.map(|group| group.map_or_else(String::new, |group| group.as_str().to_owned()));
        let groups = groups.collect();
        let whole = captures.get(0).map(|whole| whole.range());
        Ok(whole.map(|whole| Match { start: whole.start, end: whole.end, groups }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(pattern: &str, flags: &str, text: &str) -> Option<String> {
        let found = Pattern::new(pattern, flags, Dialect::Part).expect(pattern).find(text, 0);
        found.expect(pattern).map(|found| text[found.start..found.end].to_owned())
    }

    #[test]
    fn patterns_match_as_in_javascript() {
        for (pattern, flags, text, expected) in [
            (r"\w+", "", "éab_1é", Some("ab_1")),
            (r"\d", "", "٣", None),
            (r"\s", "", "\u{FEFF}", Some("\u{FEFF}")),
            (r"\bé", "", "é", None),
            (r"\ba", "", "éa", Some("a")),
            (r"\Ba", "", "ba", Some("a")),
            (".", "", "\r\u{2028}x", Some("x")),
            ("[^]", "", "\n", Some("\n")),
            ("[]", "", "a", None),
            ("[[&&-]+", "", "a[&-", Some("[&-")),
            (r"[\w-.]+", "", "é-a.", Some("-a.")),
            ("a{,2}", "", "a{,2}", Some("a{,2}")),
            ("a{2}", "", "aaa", Some("aa")),
            (r"(a)|b\1", "", "b", Some("b")),
            (r"(.)\1", "", "abb", Some("bb")),
            ("(?<q>['\"]).*?\\k<q>", "", "x'a\"b'", Some("'a\"b'")),
            ("a(?=b)", "", "acab", Some("a")),
            ("(?<!b)a", "", "ba", None),
            ("(?<=b)a", "", "ba", Some("a")),
            (r"\u00e9\x41", "", "éA", Some("éA")),
            (r"\uD83D\uDE00", "", "😀", Some("😀")),
            (r"\/\-\<", "", "/-<", Some("/-<")),
            ("É", "i", "é", Some("é")),
            ("^b$", "m", "a\nb", Some("b")),
            ("a.c", "", "xabcx", Some("abc")),
        ] {
            assert_eq!(first(pattern, flags, text).as_deref(), expected, "{pattern}");
        }
        for wrong in ["(", ")", "[a", "*", "a**", "a++", "(?a)", r"\", "(?P<a>b)"] {
            assert!(Pattern::new(wrong, "", Dialect::Part).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pattern_that_backtracks_is_stopped() {
        let text = format!("{}!c", "a".repeat(60));
        let endless = Pattern::new("^((?=a)a|a(?=a)a)+!d", "", Dialect::Part).expect("a pattern");
        assert_eq!(endless.is_match(&text), Err(TooManySteps));
        let linear = Pattern::new("(a+)+$", "", Dialect::Part).expect("a pattern");
        assert_eq!(linear.is_match(&text), Ok(false));
    }
}
