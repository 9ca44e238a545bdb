//! The options of `qsv fetch` as a job.

use super::sketch::Sketch;

/// Reads the arguments of `qsv fetch`.
///
/// # Errors
/// In words, what cannot be a job.
pub(super) fn read(arguments: &[String]) -> Result<Sketch, String> {
    let mut sketch = Sketch::default();
    let (mut url, mut column, mut source) = (None, "response".to_owned(), "body".to_owned());
    let mut given = Vec::new();
    let mut rest = arguments.iter().flat_map(|argument| match argument.split_once('=') {
        Some((option, value)) if option.starts_with("--") => vec![option.to_owned(), value.to_owned()],
        _ => vec![argument.clone()],
    });
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "qsv" | "fetch" if given.is_empty() => {}
            "--url-template" => url = Some(placeholders(&value()?)),
            "-c" | "--new-column" => column = value()?,
            "--jaq" | "--jql" => source = path(&value()?)?,
            "--rate-limit" => {
                let rate = value()?;
                // 0 stands for as fast as the responses allow.
                let rate = if rate == "0" { "unlimited".to_owned() } else { format!("{rate}/s") };
                sketch.rate("default", rate);
            }
            "--timeout" => sketch.set("timeout", &format!("{}s", value()?)),
            "-H" | "--http-header" => {
                let header = value()?;
                let (name, value) =
                    header.split_once(':').ok_or_else(|| format!("{header:?} is not a header"))?;
                sketch.header(name.trim(), value.trim());
            }
            "--user-agent" => sketch.header("user-agent", &value()?),
            "--max-retries" => {
                let more: u32 = value()?.parse().map_err(|_| "--max-retries takes a number".to_owned())?;
                sketch.attempts(more.saturating_add(1));
            }
            "--max-errors" | "--report" | "--cache-error" | "-o" | "--output" | "--mem-cache-size" => {
                if argument != "--cache-error" {
                    value()?;
                }
                sketch
                    .notes
                    .push(format!("{argument} has no counterpart: a run has a report, and repeats nothing"));
            }
            "-p" | "--progressbar" | "--pretty" | "-n" | "--no-headers" | "--no-cache" | "--store-error" => {}
            other if other.starts_with('-') && other.len() > 1 => {
                return Err(format!(
                    "the option {other} of qsv fetch has no counterpart in a job: leave it out"
                ));
            }
            _ => given.push(argument),
        }
    }
    let url = match (url, given.first()) {
        (Some(url), _) => url,
        (None, Some(column)) => column_placeholder(column),
        (None, None) => return Err("give the column of the URLs, or --url-template".to_owned()),
    };
    sketch.set("url", &url);
    sketch.column(&column, &source);
    Ok(sketch)
}

/// `{column}` as `{{ column }}`.
fn placeholders(template: &str) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        text += before;
        text += &column_placeholder(name);
        rest = after;
    }
    text + rest
}

fn column_placeholder(column: &str) -> String {
    let plain = column.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !column.starts_with(|c: char| c.is_ascii_digit());
    if plain {
        format!("{{{{ {column} }}}}")
    } else {
        format!("{{{{ row['{}'] }}}}", column.replace('\'', "\\'"))
    }
}

/// A selector of members and elements as a JSONPath.
fn path(selector: &str) -> Result<String, String> {
    let trimmed = selector.trim().trim_matches(['\'', '"']);
    let simple =
        trimmed.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '[' | ']' | '"' | '-'));
    if !simple || trimmed.is_empty() {
        return Err(format!(
            "the selector {selector:?} is more than a path: write the columns as JSONPath, see docs/job-file.md"
        ));
    }
    let path = trimmed.replace("[]", "[*]").replace(".[", "[");
    Ok(if path.starts_with(['.', '[']) { format!("${path}") } else { format!("$.{path}") })
}
