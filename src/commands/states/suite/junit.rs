//! The result of a suite as JUnit XML, which build servers read.

use std::fmt::Write;

use super::report::Report;

pub(super) fn xml(report: &Report) -> String {
    let seconds: f64 = report.tested.iter().map(|tested| tested.elapsed.as_secs_f64()).sum();
    let suite = escape(&report.suite);
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"0\" time=\"{seconds:.3}\"",
        report.tested.len(),
        report.failed()
    );
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n<testsuite name=\"{suite}\" {counts}>\n"
    );
    for tested in &report.tested {
        let name = escape(&tested.name);
        let seconds = tested.elapsed.as_secs_f64();
        let _ = write!(xml, "<testcase classname=\"{suite}\" name=\"{name}\" time=\"{seconds:.3}\"");
        if tested.failures.is_empty() {
            xml.push_str("/>\n");
            continue;
        }
        let first = escape(&tested.failures[0]);
        let all = escape(&tested.failures.join("\n"));
        let _ = writeln!(xml, "><failure message=\"{first}\">{all}</failure></testcase>");
    }
    xml + "</testsuite>\n</testsuites>\n"
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            // Control characters are not allowed in XML.
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
