//! YAML as JSON, with the places of its values. Tags of CloudFormation become its functions: `!Sub x` is
//! `{"Fn::Sub": "x"}`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Value};

use super::scalar::scalar;

/// The most nodes of a document, with those that aliases repeat.
const MAX_NODES: usize = 500_000;
/// The deepest nesting; deeper JSON is refused too.
const MAX_DEPTH: usize = 120;

/// Line and column of values, by their JSON pointers. Both begin with 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// The pointer of the definition in its file.
    base: String,
    by_pointer: HashMap<String, (usize, usize)>,
}

impl Places {
    /// The place of a value, or of the innermost value around it that has one.
    pub(super) fn find(&self, pointer: &str) -> Option<(usize, usize)> {
        let mut pointer = format!("{}{pointer}", self.base);
        loop {
            if let Some(place) = self.by_pointer.get(&pointer) {
                return Some(*place);
            }
            pointer.truncate(pointer.rfind('/')?);
        }
    }

    /// The places of the value at a pointer.
    pub(super) fn below(&self, base: String) -> Self {
        Self { base, by_pointer: self.by_pointer.clone() }
    }
}

/// Reads the first document.
pub(super) fn read(text: &str) -> Result<(Value, Places), String> {
    // The parser refuses a closing bracket that is not indented, which AWS accepts.
    parse(text).or_else(|error| parse(&indented(text)).map_err(|_| error))
}

/// The text with more space before lines of closing brackets, where space has no meaning.
fn indented(text: &str) -> String {
    let closes = |line: &str| !line.trim().is_empty() && line.trim().chars().all(|c| "]},".contains(c));
    let lines = text
        .lines()
        .map(|line| if closes(line) { format!("{:80}{line}\n", "") } else { format!("{line}\n") });
    lines.collect()
}

fn parse(text: &str) -> Result<(Value, Places), String> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        builder.add(event, span)?;
    }
    Ok((builder.root.unwrap_or_default(), Places { base: String::new(), by_pointer: builder.places }))
}

#[derive(Default)]
struct Builder {
    root: Option<Value>,
    open: Vec<Open>,
    places: HashMap<String, (usize, usize)>,
    anchors: HashMap<usize, (Value, usize)>,
    nodes: usize,
}

/// A list or mapping that has not ended.
struct Open {
    content: Content,
    pointer: String,
    tag: Option<String>,
    anchor: usize,
    /// The number of nodes before it.
    nodes: usize,
}

enum Content {
    List(Vec<Value>),
    /// The entries, those of merged mappings, and the key whose value comes next.
    Mapping {
        entries: Map<String, Value>,
        merged: Map<String, Value>,
        key: Option<String>,
    },
}

impl Builder {
    fn add(&mut self, event: Event<'_>, span: Span) -> Result<(), String> {
        let place = (span.start.line(), span.start.col() + 1);
        let fail = |what: &dyn Display| format!("line {}, column {}: {what}", place.0, place.1);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(None) = self.key_slot() {
                    return self.set_key(&text, place).map_err(|error| fail(&error));
                }
                self.mark(place);
                let plain = style == ScalarStyle::Plain && !is_text(tag.as_deref());
                let value = if plain { scalar(&text) } else { Value::String(text.into_owned()) };
                let value = tagged(value, name_of(tag));
                if anchor > 0 {
                    self.anchors.insert(anchor, (value.clone(), 1));
                }
                self.count(1).map_err(|error| fail(&error))?;
                self.put(value).map_err(|error| fail(&error))
            }
            Event::SequenceStart(anchor, tag) => self
                .begin(Content::List(Vec::new()), anchor, name_of(tag), place)
                .map_err(|error| fail(&error)),
            Event::MappingStart(anchor, tag) => {
                let content = Content::Mapping { entries: Map::new(), merged: Map::new(), key: None };
                self.begin(content, anchor, name_of(tag), place).map_err(|error| fail(&error))
            }
            Event::SequenceEnd | Event::MappingEnd => self.end().map_err(|error| fail(&error)),
            Event::Alias(anchor) => {
                let (value, nodes) = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or_else(|| fail(&"the anchor of this alias has not ended"))?;
                self.mark(place);
                self.count(nodes).map_err(|error| fail(&error))?;
                self.put(value).map_err(|error| fail(&error))
            }
            _ => Ok(()),
        }
    }

    /// The key of the innermost mapping, if a mapping is innermost.
    fn key_slot(&mut self) -> Option<&mut Option<String>> {
        match self.open.last_mut().map(|open| &mut open.content) {
            Some(Content::Mapping { key, .. }) => Some(key),
            _ => None,
        }
    }

    fn set_key(&mut self, text: &str, place: (usize, usize)) -> Result<(), String> {
        let Some(Open { content: Content::Mapping { entries, key, .. }, pointer, .. }) = self.open.last_mut()
        else {
            return Ok(());
        };
        // In a template, the last of two resources with the same name counts. States must differ.
        if entries.contains_key(text) && (pointer.is_empty() || pointer.contains("/States")) {
            return Err(format!("the key {text:?} is there twice"));
        }
        *key = Some(text.to_owned());
        let pointer = format!("{pointer}/{}", escape(text));
        self.places.insert(pointer, place);
        Ok(())
    }

    /// The pointer of the value that comes next.
    fn pointer(&self) -> String {
        match self.open.last() {
            None => String::new(),
            Some(Open { content: Content::List(items), pointer, .. }) => format!("{pointer}/{}", items.len()),
            Some(Open { content: Content::Mapping { key, .. }, pointer, .. }) => {
                format!("{pointer}/{}", escape(key.as_deref().unwrap_or_default()))
            }
        }
    }

    /// Keeps the place of the value that comes next. The place of an entry is that of its key.
    fn mark(&mut self, place: (usize, usize)) {
        let pointer = self.pointer();
        self.places.entry(pointer).or_insert(place);
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            Err(format!("the document has more than {MAX_NODES} values"))
        } else {
            Ok(())
        }
    }

    fn begin(
        &mut self,
        content: Content,
        anchor: usize,
        tag: Option<String>,
        place: (usize, usize),
    ) -> Result<(), String> {
        if let Some(None) = self.key_slot() {
            return Err("a key must be text".to_owned());
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("the document is nested more than {MAX_DEPTH} deep"));
        }
        self.mark(place);
        let pointer = self.pointer();
        self.open.push(Open { content, pointer, tag, anchor, nodes: self.nodes });
        self.count(1)
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.content {
            Content::List(items) => Value::Array(items),
            Content::Mapping { mut entries, merged, .. } => {
                for (key, value) in merged {
                    entries.entry(key).or_insert(value);
                }
                Value::Object(entries)
            }
        };
        let value = tagged(value, open.tag);
        if open.anchor > 0 {
            self.anchors.insert(open.anchor, (value.clone(), self.nodes - open.nodes));
        }
        self.put(value)
    }

    fn put(&mut self, value: Value) -> Result<(), String> {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(value),
            Some(Content::List(items)) => items.push(value),
            Some(Content::Mapping { entries, merged, key }) => match key.take() {
                Some(name) if name == "<<" => {
                    let several = match value {
                        Value::Array(several) => several,
                        one => vec![one],
                    };
                    for one in several {
                        let Value::Object(fields) = one else {
                            return Err("only a mapping can be merged".to_owned());
                        };
                        for (key, value) in fields {
                            merged.entry(key).or_insert(value);
                        }
                    }
                }
                Some(name) => drop(entries.insert(name, value)),
                None => return Err("a key must be text".to_owned()),
            },
        }
        Ok(())
    }
}

/// The text of a tag of CloudFormation, such as `Sub`.
fn name_of(tag: Option<Cow<'_, Tag>>) -> Option<String> {
    tag.filter(|tag| tag.handle == "!" && !tag.suffix.is_empty()).map(|tag| tag.suffix.clone())
}

/// Whether a tag says that a scalar is text.
fn is_text(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| tag.handle == "!" || tag.is_yaml_core_schema() && tag.suffix == "str")
}

fn tagged(value: Value, tag: Option<String>) -> Value {
    let Some(tag) = tag else { return value };
    let name = if tag == "Ref" || tag == "Condition" { tag } else { format!("Fn::{tag}") };
    Value::Object(Map::from_iter([(name, value)]))
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_is_read_as_json_with_places() {
        let text = "a: &x\n  n: 1.0\n  t: '1'\nb:\n  <<: *x\n  t: !Sub \"${A}\"\nc: [yes, ~, 0x1F, +5, 1e3, 2024-01-01]\nd: |\n  two\n  lines\n";
        let (value, places) = read(text).expect("it is YAML");
        assert_eq!(value["a"], json!({ "n": 1.0, "t": "1" }));
        assert_eq!(value["b"], json!({ "t": { "Fn::Sub": "${A}" }, "n": 1.0 }));
        assert_eq!(value["c"], json!(["yes", null, 31, 5, 1000.0, "2024-01-01"]));
        assert_eq!(value["d"], "two\nlines\n");
        assert_eq!(places.find("/a/t"), Some((3, 3)));
        assert_eq!(places.find("/c/2/none"), Some((7, 13)));
    }

    #[test]
    fn what_aws_accepts_in_templates_is_accepted() {
        let (value, _) =
            read("R:\n  A: {\n    \"x\": [\n      1\n    ]\n  }\n  A: 3\n  B: {\n}\n").expect("it is YAML");
        assert_eq!(value, json!({ "R": { "A": 3, "B": {} } }));
    }

    #[test]
    fn hostile_yaml_is_refused() {
        let bomb: String = (1..12)
            .map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", ")))
            .collect();
        for text in [
            format!("a0: &a0 x\n{bomb}"),
            "[".repeat(2000),
            "a: 1\na: 2\n".into(),
            "a: &a [*a]\n".into(),
            "? [1]\n: 2\n".into(),
            "States:\n  A: 1\n  A: 2\n".into(),
        ] {
            assert!(read(&text).is_err(), "{}", &text[..10]);
        }
    }
}
