//! Explains an error of a job file's syntax with the keys and values of the job file.

use std::ops::Range;

use super::places::{Entry, Kind, Places};

/// A key: its path (`*` is a name that the user chooses), the type of its value in words, and an example of
/// its value. A number that is written in place of a text becomes the text with this unit.
struct Key {
    path: &'static str,
    what: &'static str,
    example: &'static str,
    unit: &'static str,
}

const fn key(path: &'static str, what: &'static str, example: &'static str, unit: &'static str) -> Key {
    Key { path, what, example, unit }
}

const TEXT: &str = "a text in quotes";
const DURATION: &str = "a duration in quotes";
const COUNT: &str = "a whole number";
const SWITCH: &str = "true or false, without quotes";

/// The keys whose values are often written in another way. The explanation of any other key comes from its
/// type.
const KEYS: [Key; 61] = [
    key("input.format", TEXT, "\"csv\"", ""),
    key("input.compression", TEXT, "\"gzip\"", ""),
    key("input.delimiter", "one character in quotes", "\";\"", ""),
    key("input.header", SWITCH, "false", ""),
    key("batch.lines", COUNT, "100", ""),
    key("batch.bytes", "a size in quotes", "\"1MB\"", "B"),
    key("batch.results", "a JSONPath in quotes", "\"$.results[*]\"", ""),
    key("batch.key", "a JSONPath in quotes", "\"$.id\"", ""),
    key("batch.line_key", TEXT, "\"{{ id }}\"", ""),
    key("batch.halve", "a list of statuses", "[400, 422]", ""),
    key("batch.halve.*", "a status", "[400, 422]", ""),
    key("then.*.url", TEXT, "\"{{ response.body.url }}\"", ""),
    key("then.*.until", "an expression in quotes", "\"body.status == 'done'\"", ""),
    key("then.*.every", DURATION, "\"2s\"", "s"),
    key("then.*.within", DURATION, "\"10m\"", "s"),
    key("pages.next", "a JSONPath in quotes", "\"$.next\"", ""),
    key("pages.most", COUNT, "100", ""),
    key("request.method", TEXT, "\"POST\"", ""),
    key("request.url", TEXT, "\"https://api.example.com/{{ id }}\"", ""),
    key("request.body", TEXT, "'{\"name\": {{ name }}}'", ""),
    key("request.headers.*", TEXT, "\"text\"", ""),
    key("request.timeout", DURATION, "\"30s\"", "s"),
    key("request.allow", "a list of hosts", "[\"127.0.0.1\"]", ""),
    key("request.allow.*", "a host in quotes", "[\"127.0.0.1\"]", ""),
    key("request.secret_hosts", "a list of hosts", "[\"api.example.com\"]", ""),
    key("request.secret_hosts.*", "a host in quotes", "[\"api.example.com\"]", ""),
    key("request.idempotent", SWITCH, "true", ""),
    key("request.redirects", COUNT, "5", ""),
    key("auth.basic", "a table", "{ user = \"me\", password = \"{{ secret.PASSWORD }}\" }", ""),
    key("auth.bearer", TEXT, "\"{{ secret.TOKEN }}\"", ""),
    key("auth.header", "a table", "{ name = \"x-api-key\", value = \"{{ secret.KEY }}\" }", ""),
    key("auth.query", "a table", "{ name = \"key\", value = \"{{ secret.KEY }}\" }", ""),
    key("request.body_file", TEXT, "\"{{ name }}\"", ""),
    key("request.multipart", "a table", "{ title = \"{{ title }}\", photo = { file = \"{{ name }}\" } }", ""),
    key("request.connect_timeout", DURATION, "\"5s\"", "s"),
    key("request.read_timeout", DURATION, "\"10s\"", "s"),
    key("request.proxy", "the URL of a proxy in quotes", "\"http://proxy.example.com:3128\"", ""),
    key("request.proxy_resolves", SWITCH, "true", ""),
    key("response.success", "a list of statuses", "[\"2xx\", 404]", ""),
    key("response.success.*", "a status", "[\"2xx\", 404]", ""),
    key("response.fail_if", "an expression in quotes", "\"body.errors\"", ""),
    key("response.retry_if", "an expression in quotes", "\"body.busy\"", ""),
    key("request.max_response", "a size in quotes", "\"10MiB\"", "B"),
    key("output.format", TEXT, "\"jsonl\"", ""),
    key("output.columns.*", "the source of a column in quotes", "\"$.name\"", ""),
    key("output.bom", SWITCH, "true", ""),
    key("output.guard_formulas", SWITCH, "true", ""),
    key("limits.by", TEXT, "\"{{ provider }}\"", ""),
    key("limits.*.rate", "a rate in quotes", "\"10/s\"", "/s"),
    key("limits.*.in_flight", COUNT, "20", ""),
    key("limits.*.cost", TEXT, "\"{{ tokens }}\"", ""),
    key("limits.*.learn", SWITCH, "true", ""),
    key("limits.max_requests", COUNT, "1000", ""),
    key("limits.max_cost", COUNT, "1000", ""),
    key("retry.attempts", COUNT, "5", ""),
    key("retry.statuses", "a list of statuses", "[\"5xx\", 408]", ""),
    key("retry.statuses.*", "a status", "[\"5xx\", 408]", ""),
    key("retry.max_wait", DURATION, "\"10m\"", "s"),
    key("failure.tolerated", "a share in quotes", "\"5%\"", "%"),
    key("vars.*", TEXT, "\"2026-11\"", ""),
    key("secrets.*", "a reference in quotes", "\"env:NAME\"", ""),
];

/// The place and the explanation of an error that the TOML reader found.
pub(super) fn explain(text: &str, span: Range<usize>, found: &str) -> (Range<usize>, String) {
    let places = Places::of(text);
    if let Some(name) = found.strip_prefix("unknown field ").and_then(first_quoted) {
        return unknown(&places, span, name, found);
    }
    if let Some(name) = found.strip_prefix("missing field ").and_then(first_quoted) {
        let of_step = places.at(span.start).is_some_and(|(path, _)| path[0] == "then");
        let message = match name {
            "url" if of_step => "the URL of the step is missing: write below [[then]] for example url = \"{{ response.body.url }}\"".to_owned(),
            "lines" => "the number of lines is missing: write below [batch] lines = 100".to_owned(),
            "request" => "the request is missing: write [request] and below it url = \"https://api.example.com/{{ id }}\"".to_owned(),
            "url" => "the URL of the request is missing: write below [request] url = \"https://api.example.com/{{ id }}\"".to_owned(),
            other => format!("the key {other} is missing"),
        };
        let request =
            places.get(&["request"]).filter(|_| name == "url" && !of_step).map(|entry| entry.value.clone());
        return (request.unwrap_or(span), message);
    }
    if !found.starts_with("invalid ") {
        return (span, found.to_owned());
    }
    match places.at(span.start) {
        Some((path, entry)) => (entry.value.clone(), wrong_type(text, path, entry, found)),
        None => (span, "a job file cannot have this here".to_owned()),
    }
}

fn unknown(places: &Places, span: Range<usize>, name: &str, found: &str) -> (Range<usize>, String) {
    let path = places.at(span.start).map(|(path, _)| path.to_vec()).unwrap_or_default();
    let section = path.split_last().map(|(_, section)| section.join(".")).unwrap_or_default();
    let known: Vec<&str> = found
        .split_once("expected")
        .map(|(_, expected)| expected.split('`').skip(1).step_by(2).collect())
        .unwrap_or_default();
    let at = if section.is_empty() { "a job file".to_owned() } else { format!("[{section}]") };
    let nearest = known.iter().map(|known| (strsim::damerau_levenshtein(known, name), known));
    let nearest =
        nearest.filter(|(distance, known)| *distance <= 1 + known.len() / 3).min().map(|(_, known)| *known);
    let last = |path: &'static str| {
        path.rsplit_once('.').filter(|(_, key)| *key == name).map(|(section, _)| section)
    };
    let elsewhere =
        KEYS.iter().find_map(|key| last(key.path)).map(|section| section.replace(".*", ".default"));
    let hint = match (nearest, elsewhere) {
        (Some(nearest), _) => format!(": is it {nearest}?"),
        (None, Some(other)) if other != section => format!(": it belongs below [{other}]"),
        (None, _) => String::new(),
    };
    (span, format!("{name:?} is not a key of {at}{hint}\n  keys of {at}: {}", known.join(", ")))
}

fn wrong_type(text: &str, path: &[String], entry: &Entry, found: &str) -> String {
    let written = text.get(entry.value.clone()).unwrap_or_default().trim();
    let name = path.last().map_or("", String::as_str);
    let dotted = path.join(".");
    match path {
        [limits, key] if limits == "limits" && matches!(key.as_str(), "rate" | "in_flight") => {
            return format!(
                "{key} belongs to a provider: write [limits.default] or [limits.\"api.example.com\"], and below it {key} = {written}"
            );
        }
        [limits, provider]
            if limits == "limits" && !matches!(provider.as_str(), "by" | "max_requests" | "max_cost") =>
        {
            return format!(
                "a limit is a table: write [limits.{}] and below it rate = \"10/s\"",
                quoted(provider)
            );
        }
        [section] if section == "then" => {
            return "then is a list of steps: write [[then]] and the keys of a step below it".to_owned();
        }
        [section] => return format!("{section} is a table: write [{section}] and its keys below it"),
        _ => {}
    }
    let is = match entry.kind {
        Kind::Text => "a text",
        Kind::Number => "a number",
        Kind::Boolean => "a boolean",
        Kind::Date => "a date",
        Kind::List => "a list",
        Kind::Table => "a table",
    };
    match KEYS.iter().find(|key| fits(key.path, path)) {
        Some(key) => {
            let number = entry.kind == Kind::Number
                && written.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let in_list = key.path.ends_with(".*") && key.example.starts_with('[');
            let example = match entry.kind {
                Kind::Number if number && !key.unit.is_empty() => format!("\"{written}{}\"", key.unit),
                Kind::Number | Kind::Boolean if key.what == TEXT => format!("\"{written}\""),
                Kind::Text if key.what.starts_with("a list") => format!("[{written}]"),
                Kind::Text if key.what == COUNT && unquoted(written).parse::<u32>().is_ok() => {
                    unquoted(written).to_owned()
                }
                _ => key.example.to_owned(),
            };
            let name = if in_list { path[path.len() - 2].as_str() } else { name };
            format!("{dotted} must be {}, not {is}: write for example {} = {example}", key.what, quoted(name))
        }
        None => {
            let expected = found.rsplit_once("expected ").map_or("", |(_, expected)| expected);
            let expected = match expected {
                "a string" => TEXT,
                "a boolean" => SWITCH,
                "a sequence" => "a list in square brackets",
                number if number.starts_with(['i', 'u', 'f']) || number.contains("integer") => COUNT,
                _ => "a table",
            };
            format!("{dotted} must be {expected}, not {is}")
        }
    }
}

fn fits(pattern: &str, path: &[String]) -> bool {
    let parts: Vec<&str> = pattern.split('.').collect();
    parts.len() == path.len()
        && parts.iter().zip(path).all(|(pattern, part)| *pattern == "*" || pattern == part)
}

fn first_quoted(text: &str) -> Option<&str> {
    text.split('`').nth(1)
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

/// A key as it must be written.
fn quoted(name: &str) -> String {
    let bare = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if bare { name.to_owned() } else { format!("{name:?}") }
}
