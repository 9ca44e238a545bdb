//! Reference paths, which say where to put a value.

use serde_json::{Map, Value};

use super::path::{Path, Step};
use crate::failure::Failure;

/// A path that says where to put a value.
#[derive(Debug, Clone)]
pub(crate) struct ReferencePath(Vec<Step>);

impl ReferencePath {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let steps = Path::parse(text)?.into_reference();
        let steps = steps.ok_or_else(|| {
            format!("{text:?} is not a reference path: only names and indices may follow the $")
        })?;
        Ok(ReferencePath(steps))
    }

    /// Whether it is `$`.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts `value` into `input`. Missing objects on the way are created.
    pub(crate) fn put(&self, mut input: Value, value: Value) -> Result<Value, Failure> {
        let mut place = &mut input;
        for step in &self.0 {
            place = match step {
                Step::Name(name) => {
                    if place.is_null() {
                        *place = Value::Object(Map::new());
                    }
                    match place {
                        Value::Object(fields) => fields.entry(name.clone()).or_insert(Value::Null),
                        _ => return Err(no_match()),
                    }
                }
                Step::Index(index) => match place {
                    Value::Array(items) => {
                        match usize::try_from(*index).ok().and_then(|i| items.get_mut(i)) {
                            Some(item) => item,
                            None => return Err(no_match()),
                        }
                    }
                    _ => return Err(no_match()),
                },
                _ => return Err(no_match()),
            };
        }
        *place = value;
        Ok(input)
    }
}

fn no_match() -> Failure {
    Failure::new("States.ResultPathMatchFailure", "Unable to apply ReferencePath to input")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_put_at_reference_paths() {
        let put =
            |path: &str, input: Value| ReferencePath::parse(path).expect(path).put(input, json!(1)).ok();
        assert_eq!(put("$", json!({"a": 2})), Some(json!(1)));
        assert_eq!(put("$.a", json!({"a": 2, "b": 3})), Some(json!({"a": 1, "b": 3})));
        assert_eq!(put("$.x.y", json!({})), Some(json!({"x": {"y": 1}})));
        assert_eq!(put("$.a[1]", json!({"a": [0, 0]})), Some(json!({"a": [0, 1]})));
        assert_eq!(put("$.a.b", json!({"a": 2})), None);
        assert!(ReferencePath::parse("$.a[*]").is_err());
        assert!(ReferencePath::parse("$$.a").is_err());
    }
}
