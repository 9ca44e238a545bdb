//! A job as another tool describes it, and its text.

use toml::Value;

/// The parts of a job that other tools know.
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    /// The keys of `[request]` with their values as TOML, in order.
    request: Vec<(&'static str, String)>,
    headers: Vec<(String, String)>,
    parts: Vec<(String, String)>,
    columns: Vec<(String, String)>,
    /// The line of `[auth]`.
    auth: Option<String>,
    rate: Option<(String, String)>,
    attempts: Option<u32>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

impl Sketch {
    /// Sets a key of `[request]` to a text.
    pub(super) fn set(&mut self, key: &'static str, value: &str) {
        self.set_raw(key, quoted(value));
    }

    /// Sets a key of `[request]` to a value that is written as TOML.
    pub(super) fn set_raw(&mut self, key: &'static str, value: String) {
        self.request.retain(|(known, _)| *known != key);
        self.request.push((key, value));
    }

    /// Adds a header. One that says who sends the request becomes a secret: a job file holds no values of secrets.
    pub(super) fn header(&mut self, name: &str, value: &str) {
        let lower = name.to_ascii_lowercase();
        if let Some(header) = self.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            value.clone_into(&mut header.1);
            return;
        }
        let secret = value.contains("{{") || value.is_empty();
        match (lower.as_str(), value.split_once(' ')) {
            ("authorization", Some((scheme, _))) if scheme.eq_ignore_ascii_case("bearer") && !secret => {
                self.auth = Some("bearer = \"{{ secret.TOKEN }}\"".to_owned());
                self.secret("TOKEN", "the token");
            }
            ("authorization" | "x-api-key" | "api-key" | "cookie", _) if !secret => {
                let variable = lower.to_ascii_uppercase().replace('-', "_");
                self.headers.push((name.to_owned(), format!("{{{{ secret.{variable} }}}}")));
                self.secret(&variable, &format!("the value of {name}"));
            }
            _ => self.headers.push((name.to_owned(), value.to_owned())),
        }
    }

    /// HTTP Basic.
    pub(super) fn basic(&mut self, user: &str, password: Option<&str>) {
        let password = match password {
            Some(password) if password.contains("{{") => password.to_owned(),
            _ => {
                self.secret("PASSWORD", "the password");
                "{{ secret.PASSWORD }}".to_owned()
            }
        };
        self.auth = Some(format!("basic = {{ user = {}, password = {} }}", quoted(user), quoted(&password)));
    }

    /// An API key, in a header or in the query.
    pub(super) fn key(&mut self, place: &str, name: &str) {
        self.auth =
            Some(format!("{place} = {{ name = {}, value = \"{{{{ secret.API_KEY }}}}\" }}", quoted(name)));
        self.secret("API_KEY", "the API key");
    }

    fn secret(&mut self, name: &str, what: &str) {
        self.notes.push(format!(
            "{what} is not in the job file: set the environment variable {name}, or write where it is in [secrets]"
        ));
    }

    /// Adds a part of a form.
    pub(super) fn part(&mut self, name: &str, value: String) {
        self.parts.push((name.to_owned(), value));
    }

    /// Adds a column.
    pub(super) fn column(&mut self, name: &str, source: &str) {
        self.columns.push((name.to_owned(), source.to_owned()));
    }

    /// Sets the rate of a limit.
    pub(super) fn rate(&mut self, of: &str, rate: String) {
        self.rate = Some((of.to_owned(), rate));
    }

    pub(super) fn attempts(&mut self, attempts: u32) {
        self.attempts = Some(attempts);
    }

    /// The text of the job file.
    pub(super) fn to_toml(&self) -> String {
        let table = |entries: &[(String, String)]| {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{} = {value}", name(key))).collect();
            format!("{{ {} }}", entries.join(", "))
        };
        let texts = |entries: &[(String, String)]| -> Vec<(String, String)> {
            entries.iter().map(|(key, value)| (key.clone(), quoted(value))).collect()
        };
        let mut text = "[request]\n".to_owned();
        // The method, the URL and the body come first.
        let rank = |key: &str| ["method", "url", "body"].iter().position(|first| *first == key).unwrap_or(3);
        let mut request = self.request.clone();
        request.sort_by_key(|(key, _)| rank(key));
        for (key, value) in &request {
            text += &format!("{key} = {value}\n");
        }
        if !self.headers.is_empty() {
            text += &format!("headers = {}\n", table(&texts(&self.headers)));
        }
        if !self.parts.is_empty() {
            text += &format!("multipart = {}\n", table(&self.parts));
        }
        if let Some(auth) = &self.auth {
            text += &format!("\n[auth]\n{auth}\n");
        }
        if !self.columns.is_empty() {
            text += &format!("\n[output]\ncolumns = {}\n", table(&texts(&self.columns)));
        }
        if let Some((of, rate)) = &self.rate {
            text += &format!("\n[limits.{}]\nrate = {}\n", name(of), quoted(rate));
        }
        if let Some(attempts) = self.attempts {
            text += &format!("\n[retry]\nattempts = {attempts}\n");
        }
        text
    }
}

/// A text as TOML.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A key as TOML.
fn name(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(plain) { key.to_owned() } else { quoted(key) }
}
