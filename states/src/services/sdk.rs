//! The form that AWS SDK integrations (`aws-sdk:…`) give to parameters, results and errors (AWS Step Functions
//! Developer Guide, "Learning to use AWS service SDK integrations").

use engine::TaskError;
use serde_json::{Map, Value};

use crate::error::task_error;

/// Parameters as the members of a service whose members begin with lower-case letters.
pub fn lower(parameters: &Value) -> Value {
    renamed(parameters, char::to_ascii_lowercase)
}

/// The output of such a service as a task's result.
pub fn upper(output: &Value) -> Value {
    renamed(output, char::to_ascii_uppercase)
}

/// The error of a service, of which `name` is the name in errors.
pub fn sdk_error(name: &str, code: &str, message: &str, status: u16) -> TaskError {
    task_error(
        &format!("{name}.{}", exception(code)),
        &format!("{message} (Service: {name}, Status Code: {status}, Request ID: null)"),
    )
}

/// The exception of an error.
pub(super) fn exception(code: &str) -> String {
    if code.ends_with("Exception") { code.to_owned() } else { format!("{code}Exception") }
}

/// The same value with another case of the first letter of every key.
fn renamed(value: &Value, case: fn(&char) -> char) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (first_letter(name, case), renamed(value, case)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(|item| renamed(item, case)).collect(),
        plain => plain.clone(),
    }
}

pub(super) fn first_letter(text: &str, case: fn(&char) -> char) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| case(&first).to_string() + letters.as_str())
}
