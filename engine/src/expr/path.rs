//! JSONPath as Step Functions defines it: a definite path must find its value and returns it; an indefinite
//! path returns a list.

use std::borrow::Cow;

use serde_json::Value;

use super::Env;
use super::cursor::Cursor;
use super::filter::Filter;
use crate::failure::Failure;

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

#[derive(Debug, Clone)]
pub(super) enum Step {
    Field(String),
    Index(i64),
    Fields(Vec<String>),
    Indices(Vec<i64>),
    Slice(Option<i64>, Option<i64>),
    Every,
    Filter(Filter),
    /// The value itself and all values inside it.
    Descend,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut cursor = Cursor::new(text);
        let path = Path::read(&mut cursor)?;
        cursor.finish()?;
        Ok(path)
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
        let steps = read_steps(cursor)?;
        let definite = steps.iter().all(|step| matches!(step, Step::Field(_) | Step::Index(_)));
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
        (self.definite && self.root == Root::Input).then_some(self.steps)
    }

    /// The value of the path; None if a definite path does not find its value.
    pub(crate) fn find<'a>(&self, env: &Env<'a, '_>) -> Option<Cow<'a, Value>> {
        self.find_in(self.root(env)?)
    }

    fn root<'a>(&self, env: &Env<'a, '_>) -> Option<&'a Value> {
        match &self.root {
            Root::Input => Some(env.scope.current()),
            Root::Context => Some(env.scope.context),
            Root::Variable(name) => env.scope.variables.get(name),
        }
    }

    pub(crate) fn find_in<'a>(&self, root: &'a Value) -> Option<Cow<'a, Value>> {
        if self.definite {
            return definite(root, &self.steps).ok().map(Cow::Borrowed);
        }
        Some(Cow::Owned(walk(root, &self.steps).into_iter().cloned().collect()))
    }

    /// The value for `InputPath` and `OutputPath`, or their error.
    pub(crate) fn get<'a>(&self, env: &Env<'a, '_>) -> Result<Cow<'a, Value>, Failure> {
        self.find(env).ok_or_else(|| {
            let found = self.root(env).and_then(|root| definite(root, &self.steps).err()).unwrap_or_default();
            let spelled = spell(self.steps.get(..=found).unwrap_or_default());
            let reason = if found + 1 < self.steps.len() {
                format!("Missing property in path {spelled}")
            } else {
                format!("No results for path: {spelled}")
            };
            Failure::runtime(format!("Invalid path '{}' : {reason}", self.text))
        })
    }

    /// The value for templates and `…Path` fields, or their error; `field` is the field with the path.
    pub(crate) fn get_for<'a>(&self, field: &str, env: &Env<'a, '_>) -> Result<Cow<'a, Value>, Failure> {
        self.find(env).ok_or_else(|| {
            let cause = format!(
                "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{}'",
                self.text,
                env.scope.current()
            );
            Failure::runtime(cause)
        })
    }
}

/// Reads the steps after a path's root, or after `@` in a filter.
pub(super) fn read_steps(cursor: &mut Cursor<'_>) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    loop {
        if cursor.eat("..") {
            steps.push(Step::Descend);
            match cursor.peek() {
                Some('[') => {}
                _ => steps.push(read_name(cursor)?),
            }
        } else if cursor.eat(".") {
            steps.push(read_name(cursor)?);
        } else if cursor.eat("[") {
            steps.push(read_bracket(cursor)?);
            cursor.spaces();
            cursor.expect("]")?;
        } else {
            return Ok(steps);
        }
    }
}

fn read_name(cursor: &mut Cursor<'_>) -> Result<Step, String> {
    if cursor.eat("*") {
        return Ok(Step::Every);
    }
    let name = cursor.take_while(|c| !c.is_whitespace() && !".[](),'\"*=!<>&|".contains(c));
    match name {
        "" => Err(cursor.error("a name expected")),
        _ if cursor.peek() == Some('(') => Err(cursor.error("functions in paths are not supported yet:")),
        name => Ok(Step::Field(name.to_owned())),
    }
}

fn read_bracket(cursor: &mut Cursor<'_>) -> Result<Step, String> {
    cursor.spaces();
    if cursor.eat("*") {
        return Ok(Step::Every);
    }
    if cursor.eat("?") {
        return Ok(Step::Filter(Filter::read(cursor)?));
    }
    if matches!(cursor.peek(), Some('\'' | '"')) {
        let mut names = vec![cursor.quoted(|quote, c| c != quote)?];
        while next_of_list(cursor) {
            names.push(cursor.quoted(|quote, c| c != quote)?);
        }
        return Ok(match names.len() {
            1 => Step::Field(names.remove(0)),
            _ => Step::Fields(names),
        });
    }
    let first = cursor.integer();
    if cursor.eat(":") {
        let end = cursor.integer();
        return Ok(Step::Slice(first, end));
    }
    let mut indices = vec![first.ok_or_else(|| cursor.error("a name, an index or * expected"))?];
    while next_of_list(cursor) {
        indices.push(cursor.integer().ok_or_else(|| cursor.error("an index expected"))?);
    }
    Ok(match indices.len() {
        1 => Step::Index(indices[0]),
        _ => Step::Indices(indices),
    })
}

fn next_of_list(cursor: &mut Cursor<'_>) -> bool {
    cursor.spaces();
    let more = cursor.eat(",");
    cursor.spaces();
    more
}

/// The value, or the number of the step that did not find one.
fn definite<'v>(root: &'v Value, steps: &[Step]) -> Result<&'v Value, usize> {
    let mut value = root;
    for (i, step) in steps.iter().enumerate() {
        value = match step {
            Step::Field(name) => value.get(name.as_str()),
            Step::Index(index) => item(value, *index),
            _ => None,
        }
        .ok_or(i)?;
    }
    Ok(value)
}

pub(super) fn walk<'v>(root: &'v Value, steps: &[Step]) -> Vec<&'v Value> {
    let mut values = vec![root];
    for step in steps {
        let mut found = Vec::new();
        for value in values {
            take_step(value, step, &mut found);
        }
        values = found;
    }
    values
}

fn take_step<'v>(value: &'v Value, step: &Step, found: &mut Vec<&'v Value>) {
    match step {
        Step::Field(name) => found.extend(value.get(name.as_str())),
        Step::Index(index) => found.extend(item(value, *index)),
        Step::Fields(names) => found.extend(names.iter().filter_map(|name| value.get(name.as_str()))),
        Step::Indices(indices) => found.extend(indices.iter().filter_map(|index| item(value, *index))),
        Step::Slice(from, to) => {
            if let Value::Array(items) = value {
                let bound = |index: i64| match index {
                    index if index < 0 => items.len().saturating_sub(index.unsigned_abs() as usize),
                    index => (index as usize).min(items.len()),
                };
                let (from, to) = (from.map_or(0, bound), to.map_or(items.len(), bound));
                found.extend(items.get(from..to).unwrap_or_default());
            }
        }
        Step::Every => found.extend(members(value)),
        Step::Filter(filter) => match value {
            Value::Array(items) => found.extend(items.iter().filter(|item| filter.accepts(item))),
            value => found.extend(filter.accepts(value).then_some(value)),
        },
        Step::Descend => {
            found.push(value);
            for member in members(value) {
                take_step(member, step, found);
            }
        }
    }
}

fn members(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// A negative index counts from the end.
fn item(value: &Value, index: i64) -> Option<&Value> {
    let items = value.as_array()?;
    match index {
        index if index < 0 => items.get(items.len().checked_sub(index.unsigned_abs() as usize)?),
        index => items.get(index as usize),
    }
}

fn spell(steps: &[Step]) -> String {
    let mut text = String::from("$");
    for step in steps {
        match step {
            Step::Field(name) => text.push_str(&format!("['{name}']")),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            _ => text.push_str("[*]"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            ("$.l[?(@.n == 2)].s", Some(json!(["q"]))),
            ("$.l[?(@.n > 0 && @.s == 'p')].n", Some(json!([1]))),
            ("$.l[?(@.none)]", Some(json!([]))),
            ("$.no", None),
            ("$.a.b[9]", None),
        ];
        for (path, expected) in cases {
            let found = Path::parse(path).expect(path).find_in(&value).map(Cow::into_owned);
            assert_eq!(found, expected, "{path}");
        }
        for wrong in ["", "a", "$.", "$[", "$.a[", "$.a.b[x]", "$.a b", "$.a.length()"] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }
}
