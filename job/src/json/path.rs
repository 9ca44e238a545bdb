//! JSONPath (RFC 9535) on a tape. Plain steps are walked in place. Filters, slices and unions are left to a
//! library, which works on a tree; its matches are then found in the text.

use std::collections::HashMap;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::{Json, Kind};

/// About how many bytes a value takes in the library's tree: a member of an object, with the allocation of
/// its name.
const LEAF: usize = 128;

/// A query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    query: Box<JsonPath>,
    /// The query's steps, if it has only plain ones.
    steps: Option<Vec<Step>>,
}

/// The matches of a query have more bytes than they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// Match the value, and every value within it.
    deep: bool,
    selector: Selector,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Selector {
    Name(String),
    Index(i64),
    All,
}

impl Path {
    /// Reads a query.
    ///
    /// # Errors
    /// In words, what is wrong with it and where.
    pub fn new(source: &str) -> Result<Self, String> {
        let query = JsonPath::parse(source).map_err(|error| {
            format!("bad JSONPath {source:?} at character {}: {}", error.position() + 1, error.message())
        })?;
        Ok(Self { query: Box::new(query), steps: steps(source) })
    }

    /// Bytes of memory that the query needs in addition to the tape.
    pub fn memory(&self, root: Json<'_>) -> usize {
        if self.steps.is_some() { 0 } else { root.tape.nodes.len() * LEAF + root.raw().len() }
    }

    /// The values that match, in order.
    ///
    /// # Errors
    /// The values have more than `most` bytes of text together.
    pub fn query<'a>(&self, root: Json<'a>, most: usize) -> Result<Vec<Json<'a>>, TooMuch> {
        match &self.steps {
            Some(steps) => steps.iter().enumerate().try_fold(vec![root], |values, (n, step)| {
                let mut left = Left { bytes: most, text: n + 1 == steps.len() };
                let mut matches = Vec::new();
                values.into_iter().try_for_each(|value| step.select(value, &mut matches, &mut left))?;
                Ok(matches)
            }),
            None => by_library(&self.query, root, most),
        }
    }
}

/// The bytes that matches may still take: a match of the last step takes its text, any other a place in the
/// list.
struct Left {
    bytes: usize,
    text: bool,
}

impl Left {
    fn take(&mut self, value: Json<'_>) -> Result<(), TooMuch> {
        let bytes = if self.text { value.raw().len() } else { size_of::<Json<'_>>() };
        self.bytes = self.bytes.checked_sub(bytes).ok_or(TooMuch)?;
        Ok(())
    }
}

impl Step {
    fn select<'a>(
        &self,
        value: Json<'a>,
        matches: &mut Vec<Json<'a>>,
        left: &mut Left,
    ) -> Result<(), TooMuch> {
        let mut push = |found: Json<'a>| {
            left.take(found)?;
            matches.push(found);
            Ok(())
        };
        match &self.selector {
            Selector::Name(name) => value.get(name).into_iter().try_for_each(&mut push)?,
            Selector::Index(n) => value.index(*n).into_iter().try_for_each(&mut push)?,
            Selector::All => children(value).try_for_each(&mut push)?,
        }
        if self.deep {
            // Values are nested at most 128 deep.
            children(value).try_for_each(|child| self.select(child, matches, left))?;
        }
        Ok(())
    }
}

fn children(value: Json<'_>) -> impl Iterator<Item = Json<'_>> {
    let skip = usize::from(value.kind() == Kind::Object);
    value.parts().skip(skip).step_by(skip + 1)
}

/// The steps of a valid query, if each is a single name, index or wildcard.
fn steps(source: &str) -> Option<Vec<Step>> {
    let mut rest = source.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let deep = rest.starts_with("..");
        rest = rest.strip_prefix("..").unwrap_or(rest);
        let selector;
        if let Some(inside) = rest.strip_prefix('[') {
            let quote = inside.chars().next().filter(|quote| matches!(quote, '"' | '\''));
            let (text, after) = match quote {
                Some(quote) => inside[1..].split_once(quote)?,
                None => inside.split_once(']').map(|(text, _)| (text, &inside[text.len()..]))?,
            };
            rest = after.strip_prefix(']')?;
            selector = match (quote, text) {
                (Some(_), name) if !name.contains('\\') => Selector::Name(name.to_owned()),
                (None, "*") => Selector::All,
                (None, index) => Selector::Index(index.parse().ok()?),
                (Some(_), _) => return None,
            };
        } else {
            rest = if deep { rest } else { rest.strip_prefix('.')? };
            let length = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(length);
            selector = match name {
                "*" => Selector::All,
                name if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii())
                    && !name.is_empty() =>
                {
                    Selector::Name(name.to_owned())
                }
                _ => return None,
            };
            rest = after;
        }
        steps.push(Step { deep, selector });
    }
    Some(steps)
}

fn by_library<'a>(query: &JsonPath, root: Json<'a>, most: usize) -> Result<Vec<Json<'a>>, TooMuch> {
    let tree = root.value();
    let matches = query.query(&tree).all();
    let mut found: HashMap<*const Value, Option<Json<'a>>> =
        matches.iter().map(|value| (std::ptr::from_ref(*value), None)).collect();
    find(&tree, root, &mut found);
    let mut left = Left { bytes: most, text: true };
    let values =
        matches.into_iter().filter_map(|value| found.get(&std::ptr::from_ref(value)).copied().flatten());
    values.map(|value| left.take(value).map(|()| value)).collect()
}

/// Walks the tree and the text together.
fn find<'a>(tree: &Value, json: Json<'a>, found: &mut HashMap<*const Value, Option<Json<'a>>>) {
    if let Some(place) = found.get_mut(&std::ptr::from_ref(tree)) {
        *place = Some(json);
    }
    match tree {
        Value::Array(values) => {
            values.iter().zip(json.items()).for_each(|(value, json)| find(value, json, found))
        }
        Value::Object(object) => {
            for (key, json) in json.members() {
                if let Some(value) = object.get(key.as_ref()) {
                    find(value, json, found);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::json::Tape;

    const STORE: &str = r#"{"store":{"book":[{"title":"A","price":8.950},{"title":"B","price":12.99,"isbn":"x"}],"bike":{"price":19.95}},"a b":{"é":[1,[2,{"price":3}]]},"":0}"#;

    #[test]
    fn plain_steps_match_as_in_the_library() {
        let tape = Tape::parse(STORE).unwrap();
        let root = tape.root(STORE);
        for (source, plain) in [
            ("$", true),
            ("$.store.book[0].title", true),
            ("$.store.book[-1]['price']", true),
            ("$.store.book[9].title", true),
            ("$.store.book[*].price", true),
            ("$.store.*", true),
            ("$..price", true),
            ("$..*", true),
            ("$..[0]", true),
            ("$..book[*].isbn", true),
            ("$[\"a b\"].é[1][1].price", true),
            ("$['']", true),
            ("$..book..*", true),
            ("$.store.book[?@.price > 10].title", false),
            ("$.store.book[0,1].title", false),
            ("$.store.book[0:1]", false),
            ("$..book[?length(@.title) == 1]", false),
            ("$['a\\u0020b']", false),
        ] {
            let path = Path::new(source).unwrap();
            assert_eq!(path.steps.is_some(), plain, "{source}");
            let ours: Vec<_> = path.query(root, usize::MAX).unwrap().iter().map(|json| json.raw()).collect();
            let theirs: Vec<_> =
                by_library(&path.query, root, usize::MAX).unwrap().iter().map(|json| json.raw()).collect();
            assert_eq!(ours, theirs, "{source}");
            let values: Vec<_> =
                theirs.iter().map(|raw| serde_json::from_str::<Value>(raw).unwrap()).collect();
            let tree: Value = serde_json::from_str(STORE).unwrap();
            assert_eq!(values.iter().collect::<Vec<_>>(), path.query.query(&tree).all(), "{source}");
        }
    }

    #[test]
    fn nested_matches_are_limited_while_they_are_collected() {
        let text = format!("{}[{}]{}", "{\"a\":".repeat(100), "1,".repeat(9_999) + "1", "}".repeat(100));
        let tape = Tape::parse(&text).unwrap();
        let root = tape.root(&text);
        for source in ["$..a", "$..[?@.a]", "$..*", "$..*..*"] {
            assert_eq!(
                Path::new(source).unwrap().query(root, 2 * text.len()).err(),
                Some(TooMuch),
                "{source}"
            );
        }
        assert!(Path::new("$..a").unwrap().query(root, 100 * text.len()).is_ok());
    }
}
