//! Keeps the values of secrets out of everything that is written down.

use job::secrets::Secrets;
use serde_json::Value;

const MASK: &str = "***";
/// Values of columns are an answer's data: only what is too long to be there by chance is masked in them.
const LONG: usize = 8;

/// The values of a job's secrets in the forms in which a server may echo them.
#[derive(Clone, Default)]
pub(crate) struct Mask {
    /// Longest first, so that no form hides a part of another.
    forms: Vec<String>,
    long: Vec<String>,
}

impl Mask {
    pub(crate) fn new(secrets: &Secrets, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let values = names.into_iter().filter_map(|name| secrets.get(name.as_ref()).map(|secret| secret.reveal().to_owned()));
        let values: Vec<String> = values.filter(|value| value.len() >= 4).collect();
        let long = with_forms(values.iter().filter(|value| value.len() >= LONG));
        Self { forms: with_forms(values.iter()), long }
    }

    /// A message without secrets.
    pub(crate) fn text(&self, text: &str) -> String {
        replace(&self.forms, text).unwrap_or_else(|| text.to_owned())
    }

    /// Extracted values without secrets.
    pub(crate) fn values(&self, values: &mut [Value]) {
        if !self.long.is_empty() {
            values.iter_mut().for_each(|value| self.value(value));
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(masked) = replace(&self.long, text) {
                    *text = masked;
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value)),
            Value::Object(object) if object.keys().any(|key| replace(&self.long, key).is_some()) => {
                let pairs = std::mem::take(object).into_iter();
                *object = pairs.map(|(key, value)| (replace(&self.long, &key).unwrap_or(key), value)).collect();
                object.values_mut().for_each(|value| self.value(value));
            }
            Value::Object(object) => object.values_mut().for_each(|value| self.value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// As it is, percent-encoded, form-encoded, and inside a JSON text.
fn with_forms<'a>(values: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut forms = Vec::new();
    for value in values {
        let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let json = Value::String(value.clone()).to_string();
        forms.extend([value.clone(), encoded.replace('+', "%20").replace("%7E", "~").replace('*', "%2A"), encoded]);
        forms.push(json[1..json.len() - 1].to_owned());
    }
    forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms
}

fn replace(forms: &[String], text: &str) -> Option<String> {
    let mut masked = None;
    for form in forms {
        let current = masked.as_deref().unwrap_or(text);
        if current.contains(form.as_str()) {
            masked = Some(current.replace(form.as_str(), MASK));
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use job::secrets::Secret;
    use serde_json::json;

    use super::*;

    fn mask(secret: &str) -> Mask {
        let secrets: Secrets = [("K".to_owned(), Secret::new(secret))].into_iter().collect();
        Mask::new(&secrets, ["K"])
    }

    #[test]
    fn every_form() {
        let mask = mask("hunter 2/é\"~");
        for text in ["key hunter 2/é\"~!", "q=hunter%202%2F%C3%A9%22~", "q=hunter+2%2F%C3%A9%22%7E", r#"{"k":"hunter 2/é\"~"}"#] {
            let masked = mask.text(text);
            assert!(masked.contains(MASK) && !masked.contains("hunter"), "{masked}");
        }
    }

    #[test]
    fn values_keep_their_shape() {
        let mut values = [json!({"a": ["x hunter22 y", 1], "hunter22": null})];
        mask("hunter22").values(&mut values);
        assert_eq!(values[0], json!({"a": ["x *** y", 1], "***": null}));
    }

    #[test]
    fn short_secrets_stay_in_data() {
        let mut values = [json!("abcde")];
        mask("abcd").values(&mut values);
        assert_eq!(values[0], json!("abcde"));
        assert_eq!(mask("abcd").text("abcde"), "***e");
    }
}
