//! Which requests are the same: the identity of a line's request.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;

use job::file::secrets::{Secret, Secrets};
use job::file::{Identity, Rendered};
use job::{Job, Row};
use proptest::prelude::*;

const REQUEST: &str = r#"
method = "POST"
url = "https://api.example.com/v1/{{ a }}?key={{ secret.KEY }}"
headers = { accept = "text/plain", authorization = "Bearer {{ secret.KEY }}", x-line = "{{ b }}" }
body = '{"a": "{{ a }}", "b": {{ b }}}'
idempotent = true
"#;

fn job(request: &str) -> Job {
    Job::parse(&format!("[request]\n{request}\n[secrets]\nKEY = \"env:KEY\"\nB = \"env:B\"\n"), "job.toml")
        .unwrap()
}

fn row(a: &str, b: &str) -> Arc<Row> {
    let columns = ["a".to_owned(), "b".to_owned()].into();
    Arc::new(Row::Fields { columns, values: vec![a.to_owned(), b.to_owned()] })
}

fn identity(request: &str) -> Identity {
    job(request).identity(&row("x", "y")).unwrap()
}

/// The identity as a worker makes it: from a request that was rendered with the values of its secrets.
fn of_worker(job: &Job, row: &Arc<Row>, value: &str) -> Option<Identity> {
    let secret = |name: &str| (name.to_owned(), Secret::new(value));
    let secrets: Arc<Secrets> = Arc::new(["KEY", "B"].map(secret).into_iter().collect());
    let url = job.request.url.render(row, &secrets).ok()?;
    let body = job.request.body.as_ref().map(|body| body.render(row, &secrets)).transpose().ok()?;
    let headers: BTreeMap<&str, String> = job
        .request
        .headers
        .iter()
        .map(|(name, value)| value.render(row, &secrets).map(|value| (name.as_str(), value)))
        .collect::<Result<_, _>>()
        .ok()?;
    let header = |name: &str| headers.get(name).map(String::as_bytes);
    job.identity_of(row, &Rendered { url: &url, body: body.as_deref().map(str::as_bytes), header: &header })
}

#[test]
fn each_part_of_a_request_is_in_its_identity() {
    let whole = identity(REQUEST);
    for (part, other) in [
        ("\"POST\"", "\"PUT\""),
        ("/v1/", "/v2/"),
        ("key={{ secret.KEY }}", "key={{ secret.B }}"),
        ("\"text/plain\"", "\"text/csv\""),
        ("accept", "accept-language"),
        ("Bearer {{", "Basic {{"),
        ("x-line = \"{{ b }}\"", "x-line = \"{{ a }}\""),
        ("\"b\": {{ b }}", "\"c\": {{ b }}"),
    ] {
        let edited = REQUEST.replace(part, other);
        assert_ne!(edited, REQUEST);
        assert_ne!(identity(&edited), whole, "{part}");
    }
    assert_ne!(job(REQUEST).identity(&row("z", "y")), Some(whole));
}

#[test]
fn an_edit_that_sends_the_same_request_does_not_change_its_identity() {
    let whole = identity(REQUEST);
    for (part, other) in [
        ("idempotent = true", "timeout = \"9s\""),
        ("/v1/{{ a }}", "/{{ 'v1' }}/{{ row['a'] }}"),
        (
            "accept = \"text/plain\", authorization = \"Bearer {{ secret.KEY }}\"",
            "authorization = \"Bearer {{ secret.KEY | string }}\", Accept = \"text/plain\"",
        ),
        ("x-line = \"{{ b }}\"", "x-line = \"{{ b }}\", content-type = \"application/json\""),
    ] {
        let edited = REQUEST.replace(part, other);
        assert_ne!(edited, REQUEST);
        assert_eq!(identity(&edited), whole, "{part}");
    }
    let commented = format!(
        "# a comment\n{REQUEST}[limits.default]\nrate = \"1/s\"\n[output]\ncolumns = {{ s = \"status\" }}"
    );
    assert_eq!(identity(&commented), whole);
}

#[test]
fn a_line_that_cannot_be_rendered_has_no_identity() {
    let job = job("url = \"https://api.example.com/{{ c }}\"");
    assert_eq!(job.identity(&row("x", "y")), None);
}

#[test]
fn a_template_that_needs_the_value_of_a_secret_has_an_identity_of_each_line() {
    let job = job("url = \"https://api.example.com/{{ secret.KEY | int + 1 }}?{{ a }}\"");
    let identity = job.identity(&row("x", "y"));
    assert!(identity.is_some());
    assert_eq!(of_worker(&job, &row("x", "y"), "41"), identity);
    assert_ne!(job.identity(&row("x", "z")), identity);
}

proptest! {
    #[test]
    fn both_ways_to_make_an_identity_agree_for_all_values_of_secrets(a: String, b: String, value in "[ -~]{1,20}") {
        for request in [
            REQUEST,
            "url = \"https://api.example.com/{{ a }}\"",
            "url = \"https://api.example.com/?{{ a }}={{ secret.KEY }}\"\nmethod = \"PUT\"\nbody = \"{{ secret.B }}{{ b }}\"",
            "url = \"https://api.example.com/{% if secret.KEY == 'x' %}{{ a }}{% endif %}\"",
        ] {
            let job = job(request);
            let row = row(&a, &b);
            prop_assert_eq!(of_worker(&job, &row, &value), job.identity(&row));
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other(a in "[a-z]{0,3}", b in "[a-z]{0,3}", c in "[a-z]{0,3}", d in "[a-z]{0,3}") {
        let job = job("method = \"POST\"\nurl = \"https://api.example.com/{{ a }}\"\nbody = \"{{ b }}\"");
        prop_assert_eq!(job.identity(&row(&a, &b)) == job.identity(&row(&c, &d)), (a, b) == (c, d));
    }
}
