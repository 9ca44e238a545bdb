//! The text of a job file.

use std::fmt::{self, Display, Write};

/// A job file, built line by line. Its requests may go to `127.0.0.1`.
#[derive(Debug, Clone, Default)]
pub struct JobFile {
    request: String,
    columns: Vec<String>,
    output: String,
    limits: String,
    more: String,
}

impl JobFile {
    /// A job that sends GET requests to the template `url`.
    pub fn get(url: impl Display) -> Self {
        let job = Self { request: format!("url = {}\n", quoted(url)), ..Self::default() };
        job.request("allow = [\"127.0.0.1\"]")
    }

    /// A job that sends POST requests.
    pub fn post(url: impl Display) -> Self {
        Self::with_method("POST", url)
    }

    /// A job that sends requests with any method.
    pub fn with_method(method: impl Display, url: impl Display) -> Self {
        Self::get(url).request(format!("method = {}", quoted(method)))
    }

    /// Adds lines to `[request]`.
    #[must_use]
    pub fn request(mut self, lines: impl Display) -> Self {
        add(&mut self.request, lines);
        self
    }

    /// Adds the limit of a host, or `default`.
    #[must_use]
    pub fn limit(mut self, host: impl Display, lines: impl Display) -> Self {
        add(&mut self.limits, format!("[limits.{}]\n{lines}", quoted(host)));
        self
    }

    /// Adds a limit that limits nothing.
    #[must_use]
    pub fn unlimited(self, host: impl Display) -> Self {
        self.limit(host, "rate = \"unlimited\"")
    }

    /// Adds a column to the output.
    #[must_use]
    pub fn column(mut self, name: &str, source: &str) -> Self {
        self.columns.push(format!("{} = {}", quoted(name), quoted(source)));
        self
    }

    /// Adds lines to `[output]`.
    #[must_use]
    pub fn output(mut self, lines: impl Display) -> Self {
        add(&mut self.output, lines);
        self
    }

    /// Adds whole tables, with their headers.
    #[must_use]
    pub fn tables(mut self, lines: impl Display) -> Self {
        add(&mut self.more, lines);
        self
    }
}

impl Display for JobFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, columns, output, limits, more } = self;
        write!(f, "[request]\n{request}")?;
        if !columns.is_empty() || !output.is_empty() {
            f.write_str("[output]\n")?;
        }
        if !columns.is_empty() {
            writeln!(f, "columns = {{ {} }}", columns.join(", "))?;
        }
        write!(f, "{output}{more}{limits}")
    }
}

fn add(text: &mut String, lines: impl Display) {
    writeln!(text, "{lines}").unwrap();
}

/// A basic string of TOML. No test needs a control character in one.
fn quoted(text: impl Display) -> String {
    format!("\"{}\"", text.to_string().replace('\\', "\\\\").replace('"', "\\\""))
}
