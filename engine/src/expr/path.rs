//! JSONPath as Step Functions defines it: a definite path must find its value and returns it; an indefinite
//! path returns a list.
//!
//! # What AWS accepts
//!
//! Step Functions reads paths with Jayway's JsonPath, to which its Developer Guide refers ("Using JSONPath
//! paths"). The grammar, with the source of each rule:
//!
//! | Form | Meaning | Source |
//! |---|---|---|
//! | `$`, `$$`, `$name` | the input, the context object, a variable | Developer Guide, "Using JSONPath paths" |
//! | `.name`, `['name']`, `["name"]` | a member | Developer Guide, ibid. |
//! | `.[0]`, `.['name']` | a dot before a bracket means nothing | Developer Guide, "Manipulating parameters"; asl-validator#47 |
//! | `\c`, `\uD800` in a name | the character itself, a UTF-16 unit | Amazon States Language, "Reference Paths" |
//! | `['a','b']` | an object with these members; only as the last step | measured on AWS (gist of deric4) |
//! | `[0]`, `[-1]`, `[0,1]`, `[1:3]` | items | Jayway, "Operators" |
//! | `[(@.length-1)]` | an item, counted from the end | asl-validator#90 |
//! | `.*`, `[*]`, `..name`, `..[0]` | all members, at any depth | Developer Guide, "Using JSONPath paths" |
//! | `[?(…)]` | the items that a filter accepts, see `filter` | Developer Guide, "Manage distributed maps", and others |
//! | `.sum()` | a member with this name, which hardly exists: functions are not supported | re:Post "sum() function"; Developer Guide, pull request 5 |
//! | blanks around a path | nothing | definitions that AWS publishes |
//!
//! Names after a dot end at a dot, a bracket or a blank. They may hold any other character; a parenthesis, a
//! comma, a star and quotation marks must be escaped.

mod budget;
mod filter;
mod grammar;
mod step;

use std::borrow::Cow;

use serde_json::Value;

use self::budget::Budget;
use self::step::{definite, walk};
use super::Env;
use super::cursor::Cursor;
use crate::failure::Failure;

pub(super) use self::step::Step;

/// A path into the input (`$`), the context object (`$$`) or a variable (`$name`).
#[derive(Debug, Clone)]
pub(crate) struct Path {
    text: String,
    root: Root,
    steps: Vec<Step>,
    definite: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Root {
    Input,
    Context,
    Variable(String),
}

/// The reason why a path has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lost {
    /// The value does not exist.
    Missing(String),
    /// The path cannot be applied to any value.
    Invalid(String),
    /// There is no input that a path could be applied to.
    NoInput,
    /// The path takes too long, or its values are too large.
    TooMuch,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut cursor = Cursor::new(text);
        cursor.spaces();
        let path = Path::read(&mut cursor)?;
        cursor.spaces();
        cursor.finish()?;
        Ok(Self { text: text.to_owned(), ..path })
    }

    /// Reads a path that may be followed by other text.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        let start = cursor.at();
        cursor.expect("$")?;
        let root = if cursor.eat("$") {
            Root::Context
        } else {
            match cursor.take_while(|c| c.is_alphanumeric() || c == '_') {
                "" => Root::Input,
                name => Root::Variable(name.to_owned()),
            }
        };
        let steps = grammar::read_steps(cursor, grammar::Place::Field)?;
        let definite = steps.iter().all(Step::is_definite);
        Ok(Self { text: cursor.since(start).to_owned(), root, steps, definite })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is `$`.
    pub(crate) fn is_input(&self) -> bool {
        self.root == Root::Input && self.steps.is_empty()
    }

    /// Its steps, if the path refers to a single place in the input.
    pub(super) fn into_reference(self) -> Option<Vec<Step>> {
        let reference = self.steps.iter().all(|step| matches!(step, Step::Name(_) | Step::Index(_)));
        (reference && self.root == Root::Input).then_some(self.steps)
    }

    /// The value of the path; None if a definite path does not find its value.
    pub(crate) fn find<'a>(&self, env: &Env<'a, '_>) -> Result<Option<Cow<'a, Value>>, Failure> {
        match self.look_up(env) {
            Ok(value) => Ok(Some(value)),
            Err(Lost::Missing(_)) => Ok(None),
            Err(lost) => Err(self.failure(lost)),
        }
    }

    /// The value for `InputPath` and `OutputPath`, or their error.
    pub(crate) fn get<'a>(&self, env: &Env<'a, '_>) -> Result<Cow<'a, Value>, Failure> {
        self.look_up(env).map_err(|lost| self.failure(lost))
    }

    /// The value for templates and `…Path` fields, or their error; `field` is the field with the path.
    pub(crate) fn get_for<'a>(&self, field: &str, env: &Env<'a, '_>) -> Result<Cow<'a, Value>, Failure> {
        self.find(env)?.ok_or_else(|| {
            let cause = format!(
                "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{}'",
                self.text,
                env.scope.current()
            );
            Failure::runtime(cause)
        })
    }

    fn look_up<'a>(&self, env: &Env<'a, '_>) -> Result<Cow<'a, Value>, Lost> {
        let root = match &self.root {
            Root::Input => match env.scope.current() {
                Value::Null => return Err(Lost::NoInput),
                input => input,
            },
            Root::Context => env.scope.context,
            Root::Variable(name) => {
                let missing = || Lost::Missing(format!("No results for path: ${name}"));
                env.scope.variables.get(name).ok_or_else(missing)?
            }
        };
        self.find_in(root)
    }

    fn find_in<'a>(&self, root: &'a Value) -> Result<Cow<'a, Value>, Lost> {
        if let Some(at) = self.steps.iter().position(|step| matches!(step, Step::Names(_)))
            && at + 1 < self.steps.len()
        {
            let spelled = step::spell(&self.steps[..=at]);
            return Err(Lost::Invalid(format!("Multi properties can only be used as path leafs: {spelled}")));
        }
        if self.definite {
            return definite(root, &self.steps);
        }
        let budget = Budget::default();
        let found = walk(root, root, &self.steps, &budget);
        found.iter().for_each(|value| budget.spend_on(value));
        if budget.is_spent() {
            return Err(Lost::TooMuch);
        }
        Ok(Cow::Owned(found.into_iter().map(Cow::into_owned).collect()))
    }

    fn failure(&self, lost: Lost) -> Failure {
        match lost {
            Lost::Missing(reason) | Lost::Invalid(reason) => {
                Failure::runtime(format!("Invalid path '{}' : {reason}", self.text))
            }
            Lost::TooMuch => Failure::runtime(format!("Invalid path '{}' : too many values", self.text)),
            Lost::NoInput => Failure::runtime("Unable to apply Path transformation to null or empty input."),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(path: &str, value: &Value) -> Option<Value> {
        Path::parse(path).expect(path).find_in(value).map(Cow::into_owned).ok()
    }

    #[test]
    fn paths_find_values() {
        let value =
            json!({"a": {"b": [1, 2, {"c": 3}]}, "x y": 4, "l": [{"n": 1, "s": "p"}, {"n": 2, "s": "q"}]});
        let cases = [
            ("$", Some(value.clone())),
            ("$.a.b[0]", Some(json!(1))),
            ("$.a.b[-1].c", Some(json!(3))),
            ("$['a']['b'][1]", Some(json!(2))),
            ("$[\"x y\"]", Some(json!(4))),
            ("$.a.b[*]", Some(json!([1, 2, {"c": 3}]))),
            ("$.a.b[:2]", Some(json!([1, 2]))),
            ("$.a.b[1:]", Some(json!([2, {"c": 3}]))),
            ("$.a.b[0,1]", Some(json!([1, 2]))),
            ("$..c", Some(json!([3]))),
            ("$.l[*].n", Some(json!([1, 2]))),
            ("$.l[*].none", Some(json!([]))),
            ("$.no", None),
            ("$.no[*]", Some(json!([]))),
            ("$.no.such[1:].c", Some(json!([]))),
            ("$.a.b[9]", None),
        ];
        for (path, expected) in cases {
            assert_eq!(found(path, &value), expected, "{path}");
        }
        for wrong in
            ["", "a", "$.", "$..", "$[", "$.a[", "$.a.b[x]", "$.a b", "$.a...b", "$.a[1:2:3]", "$.a.sum("]
        {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dot_before_a_bracket_means_nothing() {
        let value = json!({"a": {"b c": 1, "l": [7, 8]}});
        for (path, expected) in [
            ("$.['a'].['b c']", json!(1)),
            ("$.a.['l'].[1]", json!(8)),
            ("$.a.l.[*]", json!([7, 8])),
            ("$..['b c']", json!([1])),
            ("$..[0]", json!([7])),
        ] {
            assert_eq!(found(path, &value), Some(expected), "{path}");
        }
    }

    #[test]
    fn escapes_of_the_specification_are_names() {
        let value =
            json!({"foo@bar": {"baz[[": {"?pretty": 1}}, "&Ж中": {"\u{10346}": 2}, "store.book": 3, ".b": 4});
        for (path, expected) in [
            (r"$.foo\@bar.baz\[\[.\?pretty", 1),
            (r"$.&Ж中.\uD800\uDF46", 2),
            (r"$.store\.book", 3),
            (r"$.\stor\e.boo\k", 5),
            (r"$.\.b", 4),
        ] {
            let mut value = value.clone();
            value["store"] = json!({"book": 5});
            assert_eq!(found(path, &value), Some(json!(expected)), "{path}");
        }
    }

    #[test]
    fn several_names_make_an_object() {
        let value = json!({"a": 1, "b": 2, "l": [{"a": 3}]});
        assert_eq!(found("$['b', 'a', 'none']", &value), Some(json!({"b": 2, "a": 1})));
        assert_eq!(found("$.l[*]['a','b']", &value), Some(json!([{"a": 3}])));
        let lost = Path::parse("$['a','b'].c").expect("a path").find_in(&value).expect_err("no value");
        let reason = "Multi properties can only be used as path leafs: $['a', 'b']";
        assert_eq!(lost, Lost::Invalid(reason.into()));
    }

    #[test]
    fn computed_index_counts_from_the_end() {
        let value = json!([{"bar": 1}, {"bar": 2}]);
        assert_eq!(found("$[(@.length-1)].bar", &value), Some(json!(2)));
        assert_eq!(found("$[( @.length - 2 )].bar", &value), Some(json!(1)));
        assert_eq!(found("$[(@.length-3)].bar", &value), None);
    }

    #[test]
    fn path_that_finds_too_much_is_stopped() {
        let mut nested = json!(0);
        for _ in 0..100 {
            nested = json!([nested, "x".repeat(1_000)]);
        }
        let flat = json!((0..20_000).collect::<Vec<_>>());
        for (path, value) in [
            ("$..*..*..*..*..*..*", &nested),
            ("$..[?($..*..*..*)]", &nested),
            ("$[?(@ in $[*])]..[?($[*])]", &flat),
            ("$[?($..[?($..*)])]", &flat),
        ] {
            let found = Path::parse(path).expect(path).find_in(value);
            assert_eq!(found.expect_err(path), Lost::TooMuch, "{path}");
        }
        assert!(Path::parse("$..*").expect("a path").find_in(&nested).is_ok());
    }

    #[test]
    fn lost_values_have_the_reasons_of_the_library() {
        let value = json!({"list": [1], "o": {}});
        for (path, reason) in [
            ("$.no", "No results for path: $['no']"),
            ("$.o.no.such", "Missing property in path $['o']['no']"),
            ("$.list.length()", "Property ['length()'] not found in path $['list']"),
            ("$.list[3]", "Index out of bounds when evaluating path $['list'][3]"),
            ("$.o[0]", "Filter: [0] can only be applied to arrays. Current context is: {}"),
        ] {
            let lost = Path::parse(path).expect(path).find_in(&value).expect_err(path);
            assert_eq!(lost, Lost::Missing(reason.into()), "{path}");
        }
    }
}
