//! A request and a response, for a person to read. Secrets are masked before they come here.

use std::borrow::Cow;

use serde_json::{Value, json};
use worker::request::Prepared;
use worker::trial::Response;

/// How each line of a body or of headers is indented.
const INDENT: &str = "    ";

/// A request as it is sent.
pub(super) struct ShownRequest {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl ShownRequest {
    /// A request that was rendered with masked secrets.
    pub(super) fn new(request: &Prepared) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = request.all_headers();
        Self {
            method: request.method.to_string(),
            url: request.url.to_string(),
            headers: headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
            body: request.body.as_deref().map(text),
        }
    }

    pub(super) fn print(&self) {
        println!("request");
        println!("{INDENT}{} {}", self.method, self.url);
        print_headers(&self.headers);
        print_body(self.body.as_deref().unwrap_or_default());
        println!("\ncurl");
        println!("{INDENT}{}", self.curl());
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "method": self.method, "url": self.url, "headers": as_object(&self.headers), "body": self.body, "curl": self.curl(),
        })
    }

    /// A command line for a POSIX shell that sends this request. Secrets are to be put in for `***`.
    pub(super) fn curl(&self) -> String {
        let mut words = vec!["curl".to_owned()];
        match (self.method.as_str(), &self.body) {
            ("GET", None) => {}
            ("HEAD", None) => words.push("--head".to_owned()),
            (method, _) => words.extend(["-X".to_owned(), quoted(method)]),
        }
        // Otherwise curl reads brackets and braces as patterns.
        if self.url.contains(['[', ']', '{', '}']) {
            words.push("--globoff".to_owned());
        }
        words.push(quoted(&self.url));
        for (name, value) in &self.headers {
            let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
            words.extend(["-H".to_owned(), quoted(&header)]);
        }
        if self.headers.iter().any(|(name, _)| name == "accept-encoding") {
            words.push("--compressed".to_owned());
        }
        if let Some(body) = &self.body {
            // Otherwise curl says that the body is a form.
            if !self.headers.iter().any(|(name, _)| name == "content-type") {
                words.extend(["-H".to_owned(), "'content-type:'".to_owned()]);
            }
            words.extend(["--data-raw".to_owned(), quoted(body)]);
        }
        words.join(" ")
    }
}

/// A word of a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Prints a response.
pub(super) fn print_response(response: &Response) {
    print_headers(&response.headers);
    match &response.body {
        Some(body) => print_body(body),
        None => println!("\n{INDENT}({} bytes that are not text)", response.bytes),
    }
    if response.cut {
        println!("{INDENT}(only the first {} bytes of the body were read)", response.bytes);
    }
}

/// A response as JSON.
pub(super) fn response_json(response: &Response) -> Value {
    let Response { status, headers, body, bytes, cut } = response;
    json!({ "status": status, "headers": as_object(headers), "body": body, "bytes": bytes, "cut": cut })
}

/// Prints the values of columns, each on a line.
pub(super) fn print_values<'a>(columns: impl IntoIterator<Item = (&'a str, Cow<'a, str>)>) {
    let columns: Vec<_> = columns.into_iter().collect();
    let width = columns.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in columns {
        println!("{INDENT}{name:width$}  {value}");
    }
}

fn print_headers(headers: &[(String, String)]) {
    headers.iter().for_each(|(name, value)| println!("{INDENT}{name}: {value}"));
}

fn print_body(body: &str) {
    if !body.is_empty() {
        println!();
        body.lines().for_each(|line| println!("{INDENT}{line}"));
    }
}

/// Headers of the same name are joined by a comma.
fn as_object(headers: &[(String, String)]) -> Value {
    let mut object = serde_json::Map::new();
    for (name, value) in headers {
        let joined = match object.get(name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.clone(),
        };
        object.insert(name.clone(), joined.into());
    }
    object.into()
}
