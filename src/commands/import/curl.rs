//! A curl command as a job.

use super::sketch::{Sketch, quoted};

/// Options that change nothing about the request: what curl prints, and what every job does anyway.
const WITHOUT_EFFECT: [&str; 22] = [
    "-s",
    "--silent",
    "-S",
    "--show-error",
    "-v",
    "--verbose",
    "-i",
    "--include",
    "-f",
    "--fail",
    "--compressed",
    "-L",
    "--location",
    "-#",
    "--progress-bar",
    "-N",
    "--no-buffer",
    "-g",
    "--globoff",
    "--http2",
    "--no-progress-meter",
    "--fail-with-body",
];
/// Options with a value that is of no interest.
const IGNORED: [&str; 6] = ["-o", "--output", "-w", "--write-out", "-D", "--dump-header"];
/// Short options that take a value, which may be written without a blank: `-XPOST`.
const SHORT_WITH_VALUE: &str = "XHdFuAebxmowDT";

/// Reads the arguments of curl.
///
/// # Errors
/// In words, what cannot be a job.
pub(super) fn read(arguments: &[String]) -> Result<Sketch, String> {
    let mut job = Curl::default();
    let mut rest = expanded(arguments).into_iter();
    while let Some(argument) = rest.next() {
        if WITHOUT_EFFECT.contains(&argument.as_str()) {
            continue;
        }
        let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "curl" if job.is_empty() => {}
            "-X" | "--request" => job.method = Some(value()?),
            "-I" | "--head" => job.method = Some("HEAD".to_owned()),
            "-G" | "--get" => job.get = true,
            "--url" => job.url(value()?)?,
            "-H" | "--header" => job.header(&value()?)?,
            "-A" | "--user-agent" => job.sketch.header("user-agent", &value()?),
            "-e" | "--referer" => job.sketch.header("referer", &value()?),
            "-b" | "--cookie" => job.sketch.header("cookie", &value()?),
            "-d" | "--data" | "--data-ascii" | "--data-raw" | "--data-binary" => {
                job.data(&argument, value()?)?
            }
            "--data-urlencode" => job.urlencoded(&value()?),
            "--json" => {
                let data = value()?;
                job.data("--json", data)?;
                job.sketch.header("content-type", "application/json");
                job.sketch.header("accept", "application/json");
            }
            "-F" | "--form" => job.form(&value()?)?,
            "-u" | "--user" => {
                let value = value()?;
                let (user, password) = value.split_once(':').map_or((&*value, None), |(u, p)| (u, Some(p)));
                job.sketch.basic(user, password);
            }
            "--oauth2-bearer" => job.sketch.header("authorization", &format!("Bearer {}", value()?)),
            "-x" | "--proxy" => job.sketch.set("proxy", &value()?),
            "-m" | "--max-time" => job.sketch.set("timeout", &format!("{}s", value()?)),
            "--connect-timeout" => job.sketch.set("connect_timeout", &format!("{}s", value()?)),
            "--max-redirs" => job.sketch.set_raw("redirects", value()?),
            "--http1.1" => job.sketch.set("http", "1.1"),
            "--retry" => {
                let more: u32 = value()?.parse().map_err(|_| "--retry takes a number".to_owned())?;
                job.sketch.attempts(more.saturating_add(1));
            }
            other if IGNORED.contains(&other) => drop(value()?),
            other if other.starts_with('-') && other.len() > 1 => {
                return Err(format!("the option {other} of curl has no counterpart in a job: leave it out"));
            }
            _ => job.url(argument)?,
        }
    }
    job.end()
}

#[derive(Default)]
struct Curl {
    sketch: Sketch,
    url: Option<String>,
    method: Option<String>,
    get: bool,
    data: Vec<String>,
    is_form: bool,
    has_parts: bool,
    has_content_type: bool,
}

impl Curl {
    fn is_empty(&self) -> bool {
        self.url.is_none() && self.method.is_none() && self.data.is_empty()
    }

    fn url(&mut self, url: String) -> Result<(), String> {
        if let Some(first) = self.url.replace(url) {
            return Err(format!("a job has one URL, and this command has another one, {first}"));
        }
        Ok(())
    }

    fn header(&mut self, header: &str) -> Result<(), String> {
        let (name, value) = header.split_once(':').ok_or_else(|| format!("{header:?} is not a header"))?;
        self.has_content_type |= name.trim().eq_ignore_ascii_case("content-type");
        self.sketch.header(name.trim(), value.trim());
        Ok(())
    }

    fn data(&mut self, option: &str, data: String) -> Result<(), String> {
        if data.starts_with('@') && option != "--data-raw" {
            return Err(format!(
                "{option} {data} reads a file: write its text, or send a file per line with body_file (docs/job-file.md)"
            ));
        }
        self.is_form |= option != "--json";
        self.data.push(data);
        Ok(())
    }

    /// `name=value`: a form encodes values itself, and a query does not.
    fn urlencoded(&mut self, data: &str) {
        self.is_form = true;
        self.data.push(data.to_owned());
    }

    fn form(&mut self, form: &str) -> Result<(), String> {
        let (name, value) = form.split_once('=').ok_or_else(|| format!("{form:?} is not NAME=VALUE"))?;
        self.has_parts = true;
        let value = match value.strip_prefix('@') {
            None => quoted(value),
            Some(file) => {
                let (path, kind) =
                    file.split_once(";type=").map_or((file, None), |(path, kind)| (path, Some(kind)));
                let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
                self.sketch.set("files", folder);
                let kind = kind.map_or_else(String::new, |kind| format!(", type = {}", quoted(kind)));
                format!("{{ file = {}{kind} }}", quoted(name))
            }
        };
        self.sketch.part(name, value);
        Ok(())
    }

    fn end(mut self) -> Result<Sketch, String> {
        let mut url = self.url.ok_or("the command has no URL")?;
        if !url.contains("://") && !url.starts_with("{{") {
            url = format!("http://{url}");
        }
        let body = self.data.join("&");
        if self.get && !body.is_empty() {
            url = format!("{url}{}{body}", if url.contains('?') { '&' } else { '?' });
        }
        let sends = !self.get && (!self.data.is_empty() || self.has_parts);
        let method = self.method.unwrap_or_else(|| if sends { "POST".to_owned() } else { "GET".to_owned() });
        let method_is_default = method == "GET";
        if !method_is_default {
            self.sketch.set("method", &method);
        }
        self.sketch.set("url", &url);
        if sends && !self.data.is_empty() {
            self.sketch.set("body", &body);
            let looks_like_json =
                body.trim_start().starts_with(['{', '[']) && !body.trim_start().starts_with("{{");
            if self.is_form && !self.has_content_type && !looks_like_json {
                self.sketch.header("content-type", "application/x-www-form-urlencoded");
            }
        }
        if !url.contains("{{") && !body.contains("{{") && !self.has_parts {
            self.sketch.notes.push(
                "every line sends the same request: write {{ column }} where a value of the line belongs"
                    .to_owned(),
            );
        }
        Ok(self.sketch)
    }
}

/// `-XPOST` as `-X POST`, `-sS` as `-s -S`, and `--request=POST` as `--request POST`.
fn expanded(arguments: &[String]) -> Vec<String> {
    let mut expanded = Vec::new();
    let mut is_value = false;
    for argument in arguments {
        if std::mem::take(&mut is_value) {
            expanded.push(argument.clone());
            continue;
        }
        match argument.strip_prefix('-') {
            Some(short) if !short.starts_with('-') && !short.is_empty() => {
                let mut rest = short.chars();
                while let Some(option) = rest.next() {
                    expanded.push(format!("-{option}"));
                    if SHORT_WITH_VALUE.contains(option) {
                        let value = rest.as_str();
                        if value.is_empty() {
                            is_value = true;
                        } else {
                            expanded.push(value.to_owned());
                        }
                        break;
                    }
                }
            }
            _ => expanded.push(argument.clone()),
        }
    }
    expanded
}
