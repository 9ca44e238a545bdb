//! The job file and the input of the demo.

use std::fmt::Write;

use super::api;

const QUICK_LINES: u32 = 6_500;
const SLOW_LINES: u32 = 450;

/// A job that names both providers, with limits a little below what they allow.
pub(super) fn job(quick: &str, slow: &str) -> String {
    format!(
        r#"# Written by `throughline demo`.

[request]
url = "{{{{ api }}}}/v1/places/{{{{ id }}}}?name={{{{ name }}}}"
timeout = "5s"
allow = ["127.0.0.1"]

[output]
columns = {{ city = "$.city", lat = "$.position.lat", lon = "$.position.lon" }}

[limits."{quick}"]
rate = "285/s"

[limits."{slow}"]
rate = "19/s"

[failure]
tolerated = "1%"
"#
    )
}

/// An input with the lines of both providers mixed. A few lines name places that do not exist.
pub(super) fn input(quick: &str, slow: &str) -> String {
    let mut text = String::from("id,name,api\n");
    let total = QUICK_LINES + SLOW_LINES;
    for id in 1..=total {
        let host = if id * SLOW_LINES / total == (id - 1) * SLOW_LINES / total { quick } else { slow };
        let name = api::NAMES[id as usize % api::NAMES.len()];
        let name = if name.contains(',') { format!("\"{name}\"") } else { name.to_owned() };
        let id = if id % 1_000 == 500 { format!("missing-{id}") } else { id.to_string() };
        writeln!(text, "{id},{name},http://{host}").expect("writing to memory does not fail");
    }
    text
}
