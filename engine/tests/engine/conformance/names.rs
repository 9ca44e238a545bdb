//! Names that the recordings replaced by others.

use std::collections::BTreeMap;

use serde_json::Value;

/// Gives recorded and found values the same names; see the README of the cases.
pub(super) struct Names {
    /// Keys whose values were replaced, and the replacements.
    replaced: Vec<(String, String)>,
}

/// Times, by their keys.
const TIMES: &[&str] = &[
    "StartTime",
    "EnteredTime",
    "StartDate",
    "StopDate",
    "startDate",
    "stopDate",
    "execution_starttime",
    "state_enteredtime",
];

impl Names {
    pub(super) fn of(case: &Value) -> Self {
        let transformers = case["snapshot_jsonpath_transformers"].as_array().into_iter().flatten();
        let replaced = transformers.filter_map(|transformer| {
            let path = transformer["jsonpath"].as_str()?.strip_prefix("$..")?;
            Some((path.rsplit('.').next()?.to_owned(), transformer["replacement"].as_str()?.to_owned()))
        });
        Self { replaced: replaced.collect() }
    }

    pub(super) fn normalised(&self, value: &Value) -> Value {
        self.walk(value, &mut Vec::new())
    }

    fn walk(&self, value: &Value, path: &mut Vec<String>) -> Value {
        let key = path.last().map(String::as_str).unwrap_or_default();
        if let Some((_, replacement)) = self.replaced.iter().find(|(replaced, _)| replaced == key) {
            return Value::String(replacement.clone());
        }
        if TIMES.contains(&key) {
            return "date".into();
        }
        match value {
            Value::String(text) if key.to_lowercase().contains("timestamp") && !is_instant(text) => {
                "timestamp".into()
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| {
                    path.push(name.clone());
                    let value = self.walk(value, path);
                    path.pop();
                    (name.clone(), value)
                });
                // Sorting the keys makes texts comparable.
                Value::Object(fields.collect::<BTreeMap<_, _>>().into_iter().collect())
            }
            Value::Array(items) => items.iter().map(|item| self.walk(item, path)).collect(),
            Value::String(text) => match json_text(key, text) {
                Some(value) => self.walk(&value, path),
                None => Value::String(name(text)),
            },
            // The recording lost the notation of numbers.
            Value::Number(number) => number.as_f64().map_or(value.clone(), Value::from),
            other => other.clone(),
        }
    }
}

/// The recording parsed texts of JSON objects, and no other texts.
fn json_text(key: &str, text: &str) -> Option<Value> {
    let begins = text.starts_with(['{', '[', '"']) || matches!(key, "input" | "output" | "parameters");
    begins.then(|| serde_json::from_str(text).ok()).flatten()
}

fn name(text: &str) -> String {
    if is_instant(text) {
        return "date".into();
    }
    if is_uuid(text)
        || (text.starts_with("<uuid:") && text.ends_with('>'))
        || (text.starts_with("<task_token:") && text.ends_with('>'))
    {
        return "uuid".into();
    }
    let text = text
        .replace("arn:<partition>:states:<region>:111111111111:activity:", "")
        .replace("arn:aws:states:us-east-1:111111111111:activity:", "");
    let text = text.replace("arn:aws:", "arn:<partition>:").replace("us-east-1", "<region>");
    if let Some((before, _)) = text.split_once(":mapRun:") {
        return format!("{before}:mapRun");
    }
    text
}

/// Whether the texts are equal, apart from names that the recording replaced: `<resource:1>`.
pub(super) fn same_text(expected: &str, found: &str) -> bool {
    let Some((before, rest)) = expected.split_once('<') else { return expected == found };
    let Some((placeholder, after)) = rest.split_once('>') else { return expected == found };
    let Some(found) = found.strip_prefix(before) else { return false };
    if let Some(found) = found.strip_prefix(&format!("<{placeholder}>")) {
        return same_text(after, found);
    }
    // Any text matches the replacement.
    (0..=found.len()).filter(|at| found.is_char_boundary(*at)).any(|at| same_text(after, &found[at..]))
}

fn is_instant(text: &str) -> bool {
    text.as_bytes().get(10) == Some(&b'T')
        && time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).is_ok()
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
        && text.matches('-').count() == 4
}

/// The execution's ARN, with the name of the recording.
pub(super) fn execution(case: &Value) -> String {
    let text = format!("{}{}", case["expected"], case["expected_history"]);
    let numbered =
        |name: &str| text.split(name).nth(1).and_then(|rest| rest.split('>').next()).map(str::to_owned);
    if case["type"] == "EXPRESS" {
        let kind = if text.contains("<SyncExecArn_") { "SyncExecArn" } else { "ExpressExecArn" };
        return format!(
            "arn:<partition>:states:<region>:111111111111:express:<ArnPart_0idx>:<{kind}_Part1_0idx>:<{kind}_Part2_0idx>"
        );
    }
    let index = numbered("<ExecArnPart_").unwrap_or("0idx".into());
    format!("arn:<partition>:states:<region>:111111111111:execution:<ArnPart_0idx>:<ExecArnPart_{index}>")
}

/// The role that the first event names.
pub(super) fn role(case: &Value) -> String {
    let recorded = case["expected_history"][0]["executionStartedEventDetails"]["roleArn"].as_str();
    recorded.unwrap_or(if case["type"] == "EXPRESS" { "sfn_role_arn" } else { "snf_role_arn" }).to_owned()
}
