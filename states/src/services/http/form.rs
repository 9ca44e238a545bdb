//! Request bodies in the form encoding (the guide of HTTP tasks, "Applying URL-encoding on request body").

use engine::TaskError;
use serde_json::{Map, Value};

use super::{invalid, plain};

/// A form. Arrays are written as the format says: `a[0]=x&a[1]=y`, `a=x&a=y`, `a=x,y` or `a[]=x&a[]=y`.
pub(super) fn encode(fields: &Map<String, Value>, arrays: &str) -> Result<String, TaskError> {
    let mut url = reqwest::Url::parse("http://form").expect("it is a URL");
    for (name, value) in fields {
        add(&mut url, name, value, arrays)?;
    }
    Ok(url.query().unwrap_or_default().to_owned())
}

fn add(url: &mut reqwest::Url, name: &str, value: &Value, arrays: &str) -> Result<(), TaskError> {
    match value {
        Value::Array(items) => match arrays {
            "COMMAS" => {
                url.query_pairs_mut()
                    .append_pair(name, &items.iter().map(plain).collect::<Vec<_>>().join(","));
                Ok(())
            }
            "INDICES" => items
                .iter()
                .enumerate()
                .try_for_each(|(i, item)| add(url, &format!("{name}[{i}]"), item, arrays)),
            "BRACKETS" => items.iter().try_for_each(|item| add(url, &format!("{name}[]"), item, arrays)),
            "REPEAT" => items.iter().try_for_each(|item| add(url, name, item, arrays)),
            other => Err(invalid(&format!(
                "{other:?} is not an ArrayFormat; formats: INDICES, REPEAT, COMMAS, BRACKETS"
            ))),
        },
        Value::Object(fields) => {
            fields.iter().try_for_each(|(field, value)| add(url, &format!("{name}[{field}]"), value, arrays))
        }
        value => {
            url.query_pairs_mut().append_pair(name, &plain(value));
            Ok(())
        }
    }
}
