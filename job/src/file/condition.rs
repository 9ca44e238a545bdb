//! A condition on a response: `[response] fail_if` and `retry_if`.

use std::sync::Arc;

use super::Row;
use super::secrets::Secrets;
use super::template::Template;
use super::vars::Vars;
use crate::json::{Document, Tape, write_string};

/// What a condition sees of a response.
const NAMES: [&str; 3] = ["status", "headers", "body"];

/// An expression in the language of the templates. It sees `status`, a number, `headers`, texts by their
/// names in lower case, and `body`: the value of a JSON body, the text of any other one.
#[derive(Debug, Clone)]
pub struct Condition(Template);

impl Condition {
    /// Compiles an expression.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub(super) fn new(source: &str) -> Result<Self, String> {
        let expression = inner(source);
        let template = Template::condition(expression, &Vars::default())
            .map_err(|error| format!("bad expression: {error}"))?;
        let unknown = template.variables().iter().find(|name| !NAMES.contains(&name.as_str()));
        if let Some(secret) = template.secrets().first() {
            return Err(format!("a condition cannot name a secret ({secret})"));
        }
        if template.draws() {
            return Err("a condition on a response has no uuid(), now() and line_number()".to_owned());
        }
        match unknown {
            Some(name) => Err(format!(
                "a condition sees status, headers and body of the response, and not {name:?}: for a member of the body write body.{name}"
            )),
            None => Ok(Self(template)),
        }
    }

    /// The expression.
    pub(super) fn source(&self) -> &str {
        self.0.source()
    }

    /// Whether the condition holds for a response with these headers, names in lower case, and this text as
    /// its body. A member that the body does not have counts as false.
    ///
    /// # Errors
    /// In words, why the expression cannot be evaluated for this response.
    pub fn holds<'a>(
        &self,
        status: u16,
        headers: impl Iterator<Item = (&'a str, String)>,
        body: &str,
    ) -> Result<bool, String> {
        let text = response_as_json(status, headers, body);
        let document = Document::parse(&text).map_err(|error| error.to_string())?;
        let row = Arc::new(Row::Object(document));
        Ok(!self.0.render(&row, &Arc::new(Secrets::default()))?.is_empty())
    }
}

/// A response as templates and conditions see it: `status`, `headers` and `body`, which is the text of a body
/// that is not JSON.
pub fn response_as_json<'a>(
    status: u16,
    headers: impl Iterator<Item = (&'a str, String)>,
    body: &str,
) -> String {
    let mut text = format!("{{\"status\":{status},\"headers\":{{").into_bytes();
    for (n, (name, value)) in headers.enumerate() {
        text.extend_from_slice(if n == 0 { b"" } else { b"," });
        write_string(&mut text, name);
        text.push(b':');
        write_string(&mut text, &value);
    }
    text.extend_from_slice(b"},\"body\":");
    if Tape::parse(body).is_ok() {
        text.extend_from_slice(body.as_bytes());
    } else {
        write_string(&mut text, body);
    }
    text.push(b'}');
    String::from_utf8(text).expect("it is made of texts")
}

/// The expression of a source that is written as a placeholder.
pub(super) fn inner(source: &str) -> &str {
    let trimmed = source.trim();
    trimmed.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(trimmed).trim()
}
