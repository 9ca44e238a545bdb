//! Any value of a line is rendered for its place: it changes neither the host nor the path's depth nor the headers' number.
#![no_main]

use std::sync::{Arc, LazyLock};

use job::file::secrets::Secrets;
use job::{Job, Row};
use libfuzzer_sys::fuzz_target;
use serde_json::value::to_raw_value;

static JOB: LazyLock<Job> = LazyLock::new(|| {
    let text = r#"
        [request]
        method = "POST"
        url = "https://api.example.com/v1/{{ line }}/x?q={{ line }}"
        headers = { x-line = "{{ line }}" }
        body = '{"line": {{ line }}, "text": "a {{ line }} b"}'
    "#;
    Job::parse(text, "job.toml").expect("the job is valid")
});

fuzz_target!(|value: &str| {
    let raw = to_raw_value(&[value]).expect("a string is JSON");
    let row = Row::parse(&Arc::from(["line".to_owned()]), &raw).expect("a row");
    let Ok(request) = worker::request::render(&JOB, &Arc::new(row), &Arc::new(Secrets::default()), None) else { return };
    assert_eq!((request.url.scheme(), request.url.host_str()), ("https", Some("api.example.com")));
    let segments: Vec<_> = request.url.path_segments().expect("it has a path").collect();
    assert!(segments.first() == Some(&"v1") && segments.last() == Some(&"x"), "{}", request.url);
    let pairs: Vec<_> = request.url.query_pairs().collect();
    assert!(pairs.len() == 1 && pairs[0].0 == "q" && pairs[0].1 == value, "{}", request.url);
    assert!(request.headers.len() <= 2 && request.url.fragment().is_none());
    let body: serde_json::Value = serde_json::from_slice(&request.body.expect("a body")).expect("the body is JSON");
    assert_eq!(body["line"], value);
    assert_eq!(body["text"], format!("a {value} b"));
});
