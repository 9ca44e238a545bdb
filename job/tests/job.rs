//! Job files, templates and extraction, as a user writes them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use job::file::secrets::{Secret, SecretRef, Secrets};
use job::file::template::{Place, Template};
use job::file::{Format, OutputFormat, Rate, Response};
use job::{Job, Row};
use proptest::prelude::*;

fn row(pairs: &[(&str, &str)]) -> Arc<Row> {
    Arc::new(Row::Fields {
        columns: pairs.iter().map(|(name, _)| (*name).to_owned()).collect(),
        values: pairs.iter().map(|(_, value)| (*value).to_owned()).collect(),
    })
}

fn render(source: &str, place: Place, pairs: &[(&str, &str)]) -> Result<String, String> {
    Template::new(source, place).unwrap().render(&row(pairs), &Arc::new(Secrets::default()))
}

fn error(text: &str) -> (usize, usize, String) {
    let error = Job::parse(text, "job.toml").unwrap_err();
    (error.line, error.column, error.message)
}

#[test]
fn a_full_job_file_is_read() {
    let job = Job::parse(
        r#"
[input]
format = "csv"
[request]
method  = "GET"
url     = "https://api.example.com/v1/places?q={{ address }}"
headers = { authorization = "Bearer {{ secret.PLACES_KEY }}" }
timeout = "10s"
allow   = ["127.0.0.1"]
[output]
format  = "csv"
columns = { lat = "$.results[0].lat", lon = "$.results[0].lon" }
[limits]
by = "{{ provider }}"
[limits."api.example.com"]
rate = "200/s"
in_flight = 50
[limits.default]
rate = "5/s"
[retry]
attempts = 5
max_wait = "10m"
[failure]
tolerated = "5%"
"#,
        "job.toml",
    )
    .unwrap();
    assert_eq!(job.request.fixed_host.as_deref(), Some("api.example.com"));
    let fixed = Job::parse(
        "[request]\nurl = \"http://{{ secret.U }}:{{ secret.P }}@127.0.0.1/{{ line }}\"\n",
        "job.toml",
    )
    .unwrap();
    assert_eq!(fixed.request.fixed_host.as_deref(), Some("127.0.0.1"));
    let named = Job::parse(
        "[request]\nurl = \"https://münchen.example/\"\n[limits.\"MÜNCHEN.example\"]\nrate = \"1/min\"\n",
        "job.toml",
    )
    .unwrap();
    assert_eq!(
        named.limits.provider(named.request.fixed_host.as_deref().unwrap()).map(|found| found.limit),
        Some(named.limits.providers[0].limit)
    );
    assert_eq!(job.output.columns.names().collect::<Vec<_>>(), ["lat", "lon"]);
    assert_eq!(job.limits.providers[0].limit.rate, Rate::PerSecond(200.0));
    assert_eq!(job.secrets["PLACES_KEY"], SecretRef::Env("PLACES_KEY".into()));
    assert!((job.batch_tolerance() - 0.05_f64.sqrt()).abs() < 1e-12);
}

#[test]
fn errors_have_line_and_column() {
    for (text, line, column, part) in [
        ("[request]\nurl = \"http://a/\"\nmethdo = \"GET\"\n", 3, 1, "methdo"),
        ("[request]\nurl = \"http://a/\"\n[limits.default]\nrate = \"0/s\"\n", 4, 8, "never send"),
        ("[request]\nurl = \"http://a/\"\n[limits.default]\nrate = \"fast\"\n", 4, 8, "not a rate"),
        ("[request]\nurl = \"http://a/\"\n[limits.x]\nrate = \"1/s\"\nin_flight = 0\n", 5, 13, "from 1"),
        ("[request]\nurl = \"http://a/\"\n[output]\ncolumns = { x = \"$.[\" }\n", 4, 17, "JSONPath"),
        ("[request]\nurl = \"http://a/{{ x\"\n", 2, 7, "template"),
        ("[request]\nurl = \"ftp://a/\"\n", 2, 7, "scheme"),
        ("[request]\nurl = \"http://a/\"\nallow = [\"127.0.0.1:80\"]\n", 3, 10, "port"),
        ("[request]\nurl = \"/a\"\n", 2, 7, "http://"),
        ("[request]\nurl = \"http://a/\"\nheaders = { a = \"x\\ny\" }\n", 3, 17, "line break"),
        ("[request]\nurl = \"http://a/\"\n[secrets]\nK = \"hunter2\"\n", 4, 5, "reference"),
        ("[request]\nurl = \"{{ url }}\"\nheaders = { a = \"{{ secret.K }}\" }\n", 2, 1, "secret_hosts"),
        ("[request]\nurl = \"http://api.example.com{{ p }}?k={{ secret.K }}\"\n", 2, 1, "api.example.com"),
        ("[request]\nurl = \"http://a/\"\nallow = [\"localhost\", \"10.0.0.0/33\"]\n", 3, 23, "network"),
        (
            "[request]\nurl = \"http://a/\"\n[limits.\"münchen.example\"]\nrate = \"1/s\"\n[limits.\"xn--mnchen-3ya.example\"]\nrate = \"1/s\"\n",
            5,
            1,
            "two limits",
        ),
        ("[request]\nurl = \"http://a/\"\n[failure]\ntolerated = \"120%\"\n", 4, 13, "share"),
        ("nonsense", 1, 9, ""),
    ] {
        let (at_line, at_column, message) = error(text);
        assert!(message.contains(part), "{text}\n{message}");
        assert_eq!((at_line, at_column), (line, column), "{text}\n{message}");
    }
}

/// The message of a job file's error.
fn places(text: &str) -> String {
    error(text).2
}

const REQUEST: &str = "[request]\nurl = \"http://a/\"\n";

#[test]
fn a_wrong_type_is_explained_with_an_example() {
    for (lines, place, message) in [
        (
            "timeout = 30",
            (3, 11),
            "request.timeout must be a duration in quotes, not a number: write for example timeout = \"30s\"",
        ),
        ("timeout = true", (3, 11), "write for example timeout = \"30s\""),
        ("max_response = 1000", (3, 16), "write for example max_response = \"1000B\""),
        (
            "allow = \"127.0.0.1\"",
            (3, 9),
            "request.allow must be a list of hosts, not a text: write for example allow = [\"127.0.0.1\"]",
        ),
        ("allow = [5]", (3, 10), "write for example allow = [\"127.0.0.1\"]"),
        ("secret_hosts = \"a.example\"", (3, 16), "secret_hosts = [\"a.example\"]"),
        ("idempotent = \"yes\"", (3, 14), "request.idempotent must be true or false, without quotes"),
        ("method = [\"GET\"]", (3, 10), "request.method must be a text in quotes, not a list"),
        ("headers = { x-count = 5 }", (3, 23), "write for example x-count = \"5\""),
        ("headers = \"a: b\"", (3, 11), "request.headers must be a table"),
        (
            "[limits]\nrate = \"5/s\"",
            (4, 8),
            "write [limits.default] or [limits.\"api.example.com\"], and below it rate = \"5/s\"",
        ),
        (
            "[limits]\nin_flight = 5",
            (4, 13),
            "write [limits.default] or [limits.\"api.example.com\"], and below it in_flight = 5",
        ),
        (
            "[limits]\n\"api.example.com\" = \"5/s\"",
            (4, 21),
            "write [limits.\"api.example.com\"] and below it rate",
        ),
        ("[limits.default]\nrate = 5", (4, 8), "write for example rate = \"5/s\""),
        (
            "[limits.default]\nin_flight = \"5\"",
            (4, 13),
            "limits.default.in_flight must be a whole number, not a text: write for example in_flight = 5",
        ),
        ("[limits.default]\nin_flight = 2.5", (4, 13), "whole number"),
        ("[retry]\nattempts = \"many\"", (4, 12), "write for example attempts = 5"),
        ("[failure]\ntolerated = 5", (4, 13), "write for example tolerated = \"5%\""),
        ("[output]\ncolumns = [\"a\"]", (4, 11), "output.columns must be a table"),
        ("[output]\ncolumns = { a = 1 }", (4, 17), "the source of a column in quotes"),
        ("[output]\nbom = \"true\"", (4, 7), "output.bom must be true or false"),
        ("[input]\nheader = \"no\"", (4, 10), "input.header must be true or false"),
        ("[secrets]\nK = 5", (4, 5), "secrets.K must be a reference in quotes"),
    ] {
        let (line, column, found) = error(&format!("{REQUEST}{lines}\n"));
        assert!(found.contains(message), "{lines}\n{found}");
        assert_eq!((line, column), place, "{lines}\n{found}");
        for name in ["Syntax", "struct", "invalid type", "i64", "expected a "] {
            assert!(!found.contains(name), "{lines}\n{found}");
        }
    }
    assert!(places("request = \"http://a/\"\n").contains("write [request] and its keys below it"));
    assert!(
        places("limits = \"5/s\"\n[request]\nurl = \"http://a/\"\n")
            .contains("write [limits] and its keys below it")
    );
    assert!(places("").contains("write [request] and below it url"));
    assert_eq!(error("[input]\nformat = \"csv\"\n[request]\nmethod = \"GET\"\n").0, 3);
}

#[test]
fn an_unknown_key_is_explained_with_the_nearest_key() {
    for (lines, message) in [
        (
            "methdo = \"GET\"",
            "\"methdo\" is not a key of [request]: is it method?\n  keys of [request]: method, url, headers",
        ),
        ("header = { a = \"b\" }", "is it headers?"),
        ("rate = \"5/s\"", "it belongs below [limits.default]"),
        ("tolerated = \"5%\"", "it belongs below [failure]"),
        ("[request.header]\na = \"b\"", "is it headers?"),
        ("[limits.default]\nrates = \"5/s\"", "\"rates\" is not a key of [limits.default]: is it rate?"),
        ("[ouput]\nformat = \"csv\"", "\"ouput\" is not a key of a job file: is it output?"),
        ("xyzzy = 1", "\"xyzzy\" is not a key of [request]\n"),
    ] {
        let found = places(&format!("{REQUEST}{lines}\n"));
        assert!(found.contains(message), "{lines}\n{found}");
    }
}

#[test]
fn errors_found_after_parsing_have_line_and_column() {
    let job = |lines: &str| {
        Job::parse(&format!("[request]\nurl = \"http://a/line\"\n{lines}"), "job.toml").unwrap()
    };
    let place = |error: job::JobError| (error.file.clone(), error.line, error.column);
    let columns = ["line".to_owned()];
    let found = job("[output]\ncolumns = { line = \"status\" }\n").check_output(&columns).unwrap_err();
    assert_eq!(place(found), ("job.toml".into(), 4, 13));
    let found =
        job("headers = { line = \"x\", X-A = \"{{ lime }}\" }\n").check_columns(&columns).unwrap_err();
    assert!(found.to_string().contains("is it line?"), "{found}");
    assert_eq!(place(found), ("job.toml".into(), 3, 35));
    let found = job("body = '''\n{\n  \"a\": {{ lime }}\n}'''\n").check_columns(&columns).unwrap_err();
    assert_eq!(place(found), ("job.toml".into(), 5, 11));
    let (line, column, _) =
        error("[request]\nurl = \"http://a/\"\nbody = '''\n{\n  \"a\": {{ x + }}\n}'''\n");
    assert_eq!((line, column), (5, 3));
    let found = job("timeout = \"30m\"\n").check_aws("a").unwrap_err();
    assert_eq!(place(found), ("job.toml".into(), 3, 1));
    let found = job("headers = { authorization = \"{{ secret.K }}\" }\n[secrets]\nK = \"file:k\"\n")
        .check_aws("a")
        .unwrap_err();
    assert_eq!(place(found), ("job.toml".into(), 3, 33));
}

#[test]
fn a_job_on_aws_has_at_most_150_named_limits() {
    let job = |named: usize| {
        let limits =
            (0..named).map(|n| format!("[limits.\"h{n}.example\"]\nrate = \"1/s\"\n")).collect::<String>();
        Job::parse(&format!("{REQUEST}{limits}"), "job.toml").unwrap()
    };
    assert_eq!(job(150).check_aws("a"), Ok(()));
    let refused = job(151).check_aws("a").unwrap_err();
    assert!(refused.to_string().contains("names 151 limits"), "{refused}");
    assert!(refused.line > 1, "{refused}");
}

#[test]
fn csv_keys_are_refused_for_jsonl_output() {
    let text = |lines: &str| format!("{REQUEST}[output]\n{lines}\n");
    for key in ["bom", "guard_formulas"] {
        let (line, column, message) = error(&text(&format!("format = \"jsonl\"\n{key} = true")));
        assert_eq!((line, column), (5, 1), "{message}");
        let job = Job::parse(&text(&format!("{key} = true")), "job.toml").unwrap();
        assert_eq!(job.output_format(Format::Csv), Ok(OutputFormat::Csv));
        assert_eq!(job.output_format(Format::Jsonl).unwrap_err().line, 4);
        assert!(Job::parse(&text(&format!("format = \"tsv\"\n{key} = true")), "job.toml").is_ok());
    }
}

#[test]
fn a_secret_that_a_header_cannot_carry_is_refused() {
    let job = |field: &str| {
        Job::parse(&format!("{REQUEST}{field}\n[secrets]\nKEY = \"env:K\"\n"), "job.toml").unwrap()
    };
    let header = job("headers = { authorization = \"Bearer {{ secret.KEY }}\" }");
    for value in ["two\nlines", "a\u{0}b", "zero\u{200b}width", "no\u{a0}break", "a\tb"] {
        let error = header.check_secret("KEY", &Secret::new(value)).unwrap_err();
        assert!(
            error.contains("the secret KEY has") && error.contains("authorization") && !error.contains(value),
            "{error}"
        );
    }
    assert_eq!(header.check_secret("KEY", &Secret::new(" blanks are sent as they are ")), Ok(()));
    assert_eq!(job("body = \"{{ secret.KEY }}\"").check_secret("KEY", &Secret::new("two\nlines")), Ok(()));
}

#[test]
fn an_unknown_column_is_an_error_with_line_and_column() {
    let job = Job::parse("[request]\nurl = \"http://a/?q={{ adress }}\"\n", "job.toml").unwrap();
    let error = job.check_columns(&["address".to_owned()]).unwrap_err();
    assert_eq!((error.line, error.column), (2, 23));
    assert!(error.to_string().contains("it has: address"), "{error}");
    assert!(job.check_columns(&["adress".to_owned()]).is_ok());
}

#[test]
fn values_are_encoded_for_their_part_of_the_request() {
    let columns = [("a", "x y&b=\"1\"/é"), ("url", "http://h/p?q=1")];
    for (source, place, expected) in [
        ("http://h/?q={{ a }}", Place::Url, "http://h/?q=x%20y%26b%3D%221%22%2F%C3%A9"),
        ("http://h/?q={{ a | safe }}", Place::Url, "http://h/?q=x y&b=\"1\"/é"),
        ("{{ url }}", Place::Url, "http://h/p?q=1"),
        ("{{- url -}}/{{ a }}", Place::Url, "http://h/p?q=1/x%20y%26b%3D%221%22%2F%C3%A9"),
        ("{\"q\": {{ a }}}", Place::Json, "{\"q\": \"x y&b=\\\"1\\\"/é\"}"),
        ("{\"q\": \"say {{ a }}!\"}", Place::Json, "{\"q\": \"say x y&b=\\\"1\\\"/é!\"}"),
        (
            "{\"q\": \"\\\"{{ a }}\\\"\", \"r\": {{ a | length }}}",
            Place::Json,
            "{\"q\": \"\\\"x y&b=\\\"1\\\"/é\\\"\", \"r\": 11}",
        ),
        ("q={{ a }}", Place::Form, "q=x%20y%26b%3D%221%22%2F%C3%A9"),
        ("k {{ a }}", Place::Header, "k x y&b=\"1\"/é"),
        ("{{ row['a'] | length }}\n", Place::Text, "11\n"),
    ] {
        let expected = expected.to_owned();
        assert_eq!(render(source, place, &columns).unwrap(), expected, "{source}");
    }
}

#[test]
fn json_values_print_as_json() {
    let object =
        job::json::Document::parse(r#"{"t": true, "n": null, "i": 1, "o": {"a": [1, "x"]}, "s": "q\"q"}"#)
            .unwrap();
    let row = Arc::new(Row::Object(object));
    let show =
        |source: &str, place| Template::new(source, place).unwrap().render(&row, &Arc::default()).unwrap();
    assert_eq!(
        show("[{{ t }}, {{ n }}, {{ i }}, {{ o }}, {{ s }}]", Place::Json),
        r#"[true, null, 1, {"a":[1,"x"]}, "q\"q"]"#
    );
    assert_eq!(show("http://h/{{ t }}/{{ n }}/{{ i }}", Place::Url), "http://h/true//1");
    assert_eq!(show("{{ o.a[1] }}", Place::Text), "x");
}

#[test]
fn missing_columns_and_endless_loops_fail_the_line() {
    assert!(render("{{ nope }}", Place::Text, &[("a", "1")]).unwrap_err().contains("missing"));
    assert!(
        render(
            "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
            Place::Text,
            &[]
        )
        .unwrap_err()
        .contains("too much work")
    );
}

#[test]
fn secrets_are_rendered_only_from_the_secrets_table() {
    let template = Template::new("Bearer {{ secret.K }}", Place::Header).unwrap();
    assert_eq!(template.secrets(), ["K"]);
    let secrets: Secrets = [("K".to_owned(), Secret::new("v"))].into_iter().collect();
    assert_eq!(template.render(&row(&[("secret", "stolen")]), &Arc::new(secrets)).unwrap(), "Bearer v");
    assert!(template.render(&row(&[]), &Arc::default()).is_err());
    assert!(Template::new("{{ secret }}", Place::Header).is_err());
}

#[test]
fn columns_are_extracted_from_the_response() {
    let job = Job::parse(
        "[request]\nurl = \"http://a/\"\n[output]\ncolumns = { one = \"$.a\", all = \"$.b[*]\", none = \"$.x\", code = \"status\", type = \"header.Content-Type\" }\n",
        "job.toml",
    )
    .unwrap();
    let header = |name: &str| (name == "content-type").then(|| "x/y".to_owned());
    let columns = &job.output.columns;
    let extract = |body: &str| {
        let json = columns.parse(body, OutputFormat::Csv)?;
        let response =
            Response { status: 200, url: "http://a/", millis: 3, body, json: json.as_ref(), header: &header };
        let mut out = Vec::new();
        for value in columns.extract(&response, OutputFormat::Csv, 100).map_err(|_| "too much")? {
            value.write(&mut out);
            out.push(b';');
        }
        Ok::<_, String>(String::from_utf8(out).unwrap())
    };
    assert_eq!(extract(r#"{"a": 1.50, "b": [2, 3 ]}"#).unwrap(), r#"1.50;[2,3];null;200;"x/y";"#);
    assert_eq!(extract("").unwrap(), r#"null;null;null;200;"x/y";"#);
    assert_eq!(extract(" \r\n").unwrap(), r#"null;null;null;200;"x/y";"#);
    assert_eq!(extract("<html>").unwrap_err(), "expected a value at line 1 column 1");
    assert_eq!(extract(&format!("{{\"a\": \"{}\"}}", "x".repeat(96))).unwrap_err(), "too much");
}

#[test]
fn output_columns_must_not_collide() {
    let job = Job::parse("[request]\nurl = \"http://a/\"\n", "job.toml").unwrap();
    assert!(job.check_output(&["a".into()]).is_ok());
    assert!(job.check_output(&["a".into(), "response".into()]).is_err());
}

proptest! {
    #[test]
    fn any_value_is_one_url_component(value in ".*") {
        let rendered = render("http://h/a?q={{ v }}&z=1", Place::Url, &[("v", &value)]).unwrap();
        let url = url::Url::parse(&rendered).unwrap();
        prop_assert_eq!(url.query_pairs().collect::<Vec<_>>(), vec![("q".into(), value.as_str().into()), ("z".into(), "1".into())]);
    }

    #[test]
    fn any_value_leaves_a_json_body_valid(value in ".*") {
        let rendered = render(r#"{"bare": {{ v }}, "quoted": "<{{ v }}>"}"#, Place::Json, &[("v", &value)]).unwrap();
        let body: serde_json::Value = serde_json::from_str(&rendered).unwrap();
        prop_assert_eq!(body["bare"].as_str(), Some(value.as_str()));
        let quoted = format!("<{value}>");
        prop_assert_eq!(body["quoted"].as_str(), Some(quoted.as_str()));
    }

    #[test]
    fn any_text_is_a_job_or_an_error_without_panic(text in ".*") {
        let _ = Job::parse(&text, "job.toml");
    }
}
