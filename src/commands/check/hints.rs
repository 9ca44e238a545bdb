//! Probable mistakes in the job or the input, and what to write instead.

use job::file::Format;
use job::{Job, Plan};

use super::findings::{Findings, SEPARATORS};
use crate::local::unused_proxy;
use crate::text;

/// One probable mistake.
pub(in crate::commands) struct Hint {
    pub(in crate::commands) text: String,
    /// Whether no line can succeed because of it.
    pub(super) hopeless: bool,
}

/// All probable mistakes.
pub(super) fn all(job: &Job, plan: &Plan, findings: &Findings) -> Vec<Hint> {
    let certain = |text: String| Hint { text, hopeless: true };
    let likely = |text: String| Hint { text, hopeless: false };
    let mut hints: Vec<Hint> = plan.warnings(job).into_iter().map(likely).collect();
    if let Err(error) = plan.check_duration_on_aws() {
        hints.push(likely(format!("on AWS this run is refused: {}", error.message)));
    }
    hints.extend(unused_proxy(job).map(likely));
    let braces = single_braces(job, plan, findings.common_request().is_some());
    if let Some(request) = findings.common_request().filter(|_| braces.is_none()) {
        let all = format!(
            "all {} of the lines send the same request, {} {}",
            text::count(plan.input.lines),
            request.method,
            request.url
        );
        hints.push(likely(format!(
            "{all}: does a placeholder such as {{{{ {} }}}} belong there?",
            example(plan)
        )));
    }
    if let Some(name) = braces {
        let text = format!("{{{name}}} is sent unchanged: a placeholder has two braces, {{{{ {name} }}}}");
        hints.push(if findings.common_request().is_some() { certain(text) } else { likely(text) });
    }
    if let Some(separator) = separator(plan, findings) {
        let words = format!("the fields seem to be separated by {separator:?}");
        hints.push(likely(format!(
            "{words}, and each line is read as one field: set [input] delimiter = \"{}\"",
            separator.escape_default()
        )));
    }
    if findings.count("parse") * 2 > findings.checked(plan.input.lines)
        && let Some(hint) = outer_separator(plan, findings.detail("parse"))
    {
        hints.push(likely(hint));
    }
    if findings.count("decode") > 0 {
        let file = &plan.input.file;
        hints.push(likely(format!(
            "text that is not UTF-8 is often Windows-1252: iconv -f WINDOWS-1252 -t UTF-8 {file} > converted-{file}"
        )));
    }
    hints
}

/// A column that a template names in single braces. If all requests are `equal`, any name in the URL and the
/// headers counts.
fn single_braces(job: &Job, plan: &Plan, equal: bool) -> Option<String> {
    job.templates().find_map(|template| {
        // A body may contain single braces for another reason, for example in a GraphQL query.
        let body = job.request.body.as_ref().is_some_and(|body| body.source() == template.source());
        let known = |name: &String| (equal && !body) || plan.input.columns.contains(name);
        braced(template.source()).into_iter().find(|name| (equal || !body) && known(name))
    })
}

/// The words that are in single braces.
fn braced(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices('{') {
        let inner = &source[at + 1..];
        let Some(end) = inner.find('}') else { continue };
        let (name, single) =
            (inner[..end].trim(), !source[..at].ends_with('{') && !inner[end + 1..].starts_with('}'));
        let word = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.is_empty();
        if single && word {
            found.push(name.to_owned());
        }
    }
    found
}

/// The separator of a file that is read as one column.
fn separator(plan: &Plan, findings: &Findings) -> Option<char> {
    let [column] = plan.input.columns.as_slice() else { return None };
    if !matches!(plan.input.format, Format::Csv | Format::Tsv) {
        return None;
    }
    let own = char::from(plan.input.delimiter);
    let by_header = SEPARATORS.into_iter().find(|separator| *separator != own && column.contains(*separator));
    by_header.or_else(|| findings.separator().filter(|separator| *separator != own))
}

/// A hint about a separator at the end of only the header or only the rows.
fn outer_separator(plan: &Plan, detail: &str) -> Option<String> {
    let columns = plan.input.columns.len();
    let fields: usize = detail.split_whitespace().find_map(|word| word.parse().ok())?;
    if fields + 1 == columns && plan.input.columns.last().is_some_and(|name| *name == format!("c{columns}")) {
        return Some("the header ends with a separator, and the rows do not: remove it".to_owned());
    }
    (fields == columns + 1)
        .then(|| "the rows have one field more than the header: if the rows end with a separator, end the header with one too".to_owned())
}

fn example(plan: &Plan) -> &str {
    plan.input.columns.first().map_or("line", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::braced;

    #[test]
    fn single_braces_are_distinguished_from_placeholders() {
        assert_eq!(braced("https://h/{line}?a={ b }"), ["line", "b"]);
        for source in
            ["https://h/{{ line }}", "{{line}}", "{% if a %}", "{\"a\": 1}", "{a b}", "{{ {a} }}x", "{}"]
        {
            assert_eq!(braced(source), if source.contains("{a}") { vec!["a"] } else { vec![] }, "{source}");
        }
    }
}
