//! What a template draws for a line (`uuid()`, `now()`, `line_number()`), and `where`.

use testing::{HttpServer, JobFile, ReceivedRequest, Scene, column, response};

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];

/// An API that refuses the ids that contain `bad` with a status that may be sent again.
fn api() -> HttpServer {
    HttpServer::start(|_, request| {
        response(if request.path().contains("bad") { 503 } else { 200 }, r#"{"tags": ["a"]}"#)
    })
}

fn job(api: &HttpServer) -> JobFile {
    JobFile::get(api.url("/{{ id }}"))
        .request("headers = { x-id = \"{{ uuid() }}\", x-now = \"{{ now() }}\" }")
        .tables("[retry]\nattempts = 2")
        .unlimited(api.host())
}

/// The values of a header by the path of the request, in the order of the requests.
fn sent(api: &HttpServer, path: &str, header: &str) -> Vec<String> {
    let of_path = |request: &ReceivedRequest| {
        (request.path() == path).then(|| request.header(header).unwrap().to_owned())
    };
    api.requests().iter().filter_map(of_path).collect()
}

#[test]
fn a_line_draws_the_same_values_in_every_attempt_redrive_and_continuation() {
    let api = api();
    let scene = Scene::new(job(&api), "in.csv", "id\n1\nbad\n3\n");
    scene.run(&RUN).expect(2);
    scene.run(&["redrive", "job.toml", "in.csv", "-o", "out.csv"]).expect(2);
    let shown = scene.run(&["show", "job.toml", "in.csv", "--line", "2"]).expect(0).stdout;
    // Another run continues this one, and the line has moved in it.
    scene.write("in.csv", "id\n0\n1\nnew\nbad\n3\n");
    scene.run(&RUN).expect(2);
    for header in ["x-id", "x-now"] {
        let values = sent(&api, "/bad", header);
        assert_eq!(values.len(), 6, "two attempts of each run");
        assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
        assert!(shown.contains(&values[0]), "{shown}");
    }
    assert_eq!(sent(&api, "/1", "x-id").len(), 1, "a success is kept");
    let mut ids: Vec<String> =
        ["/1", "/bad", "/3", "/0", "/new"].iter().map(|path| sent(&api, path, "x-id")[0].clone()).collect();
    assert!(ids.iter().all(|id| uuid_of_version_4(id)), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5, "every line has its own");
    assert!(sent(&api, "/new", "x-now")[0] >= sent(&api, "/1", "x-now")[0]);
    scene.run(&[&RUN[..], &["--fresh"]].concat()).expect(2);
    let fresh = sent(&api, "/1", "x-id");
    assert!(fresh.len() == 2 && fresh[0] != fresh[1], "a run that starts over draws anew: {fresh:?}");
}

fn uuid_of_version_4(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts[2].starts_with('4')
}

#[test]
fn a_line_knows_its_number() {
    let api = api();
    let job = JobFile::get(api.url("/{{ line_number() }}?uuid={{ uuid }}")).unlimited(api.host());
    let scene = Scene::new(job, "in.csv", "uuid\nx\n\ny\n");
    let checked = scene.run(&["check", "job.toml", "in.csv"]).expect(0).stdout;
    assert!(checked.contains("/2?uuid=y"), "{checked}");
    scene.run(&[&RUN[..], &["--lines", "2"]].concat()).expect(0);
    scene.run(&["try", "job.toml", "in.csv", "--line", "2"]).expect(0);
    let sent: Vec<String> = api.requests().iter().map(|request| request.uri.clone()).collect();
    assert_eq!(sent, ["/2?uuid=y", "/2?uuid=y"], "a column of the name of a function is a column");
}

#[test]
fn what_cannot_be_drawn_is_refused_before_the_first_request() {
    let api = api();
    for (url, tables, message) in [
        ("/{{ uuid() }}/{{ uuid }}", "", "write row['uuid'] for the column"),
        (
            "/{{ id }}",
            "[response]\nfail_if = \"uuid() == body.id\"",
            "a condition on a response has no uuid()",
        ),
        ("/{{ id }}", "[input]\nwhere = \"now() > since\"", "it knows line_number() only"),
        ("/{{ id }}", "[input]\nwhere = \"secret.A\"", "it cannot name one"),
        ("/{{ id }}", "[input]\nwhere = \"stat == 'a'\"", "does not have (is it state?)"),
        ("/{{ id }}", "[input]\nwhere = \"state ==\"", "bad expression"),
    ] {
        let job = JobFile::get(api.url(url)).unlimited(api.host()).tables(tables);
        let scene = Scene::new(job, "in.csv", "id,state,uuid\n1,a,2\n");
        let error = scene.run(&RUN).expect(1).stderr;
        assert!(error.contains(message) && error.contains("job.toml:"), "{message}: {error}");
    }
    assert_eq!(api.count(), 0);
}

#[test]
fn lines_without_a_request_pass_through_with_a_reason() {
    let api = api();
    let job = JobFile::get(api.url("/{{ id }}"))
        .column("status", "status")
        .unlimited(api.host())
        .tables("[input]\nwhere = \"state != vars.done and line_number() > 1\"\n[vars]\ndone = \"paid\"");
    let scene = Scene::new(job, "in.csv", "id,state\n1,new\n2,paid\n3,new\nbad,paid\n");
    let checked = scene.run(&["check", "job.toml", "in.csv"]).expect(0).stdout;
    assert!(checked.contains("3 of 4 lines make no request"), "{checked}");
    let ran = scene.run(&RUN).expect(0).stdout;
    assert!(ran.contains("no request") && ran.contains("every line succeeded"), "{ran}");
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "id"), ["1", "2", "3", "bad"], "they are in the output");
    assert_eq!(column(&output, "status"), ["", "", "200", ""]);
    assert_eq!(column(&output, "error"), ["", "", "", ""]);
    let reasons = column(&output, "error_detail");
    assert!(reasons[0].contains("`where`") && reasons[2].is_empty(), "{reasons:?}");
    let report: serde_json::Value = serde_json::from_str(&scene.read("out.report.json")).unwrap();
    assert_eq!((&report["lines"], &report["ok"], &report["skipped"]), (&4.into(), &1.into(), &3.into()));
    assert!(!scene.exists("out.failed.csv"));
    let shown = scene.run(&["try", "job.toml", "in.csv", "--line", "2"]).expect(1).stderr;
    assert!(shown.contains("`where`"), "{shown}");
    scene.run(&RUN).expect(0);
    assert_eq!(api.count(), 1);
}

#[test]
fn an_edit_of_where_sends_only_the_lines_that_it_adds() {
    let api = api();
    let job = |state: &str| {
        JobFile::get(api.url("/{{ id }}"))
            .unlimited(api.host())
            .tables(format!("[input]\nwhere = \"state in {state}\""))
    };
    let scene = Scene::new(job("['a']"), "in.csv", "id,state\n1,a\n2,b\n3,c\n");
    scene.run(&RUN).expect(0);
    scene.write("job.toml", job("['a', 'b']").to_string());
    scene.run(&RUN).expect(0);
    let mut paths: Vec<String> = api.requests().iter().map(|request| request.path().to_owned()).collect();
    paths.sort();
    assert_eq!(paths, ["/1", "/2"]);
}

#[test]
fn a_list_stays_a_list_when_it_is_asked_for() {
    let api = HttpServer::start(|_, request| {
        let tags = request.path().trim_start_matches('/').split(',').filter(|tag| !tag.is_empty());
        let tags: Vec<&str> = tags.collect();
        response(200, &serde_json::json!({ "tags": tags }).to_string())
    });
    let job = JobFile::get(api.url("/{{ tags | safe }}"))
        .column("plain", "$.tags[*]")
        .column("list", "[$.tags[*]]")
        .unlimited(api.host());
    let scene = Scene::new(job, "in.csv", "tags\n\"a,b\"\na\n\"\"\n");
    scene.run(&RUN).expect(0);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "plain"), [r#"["a","b"]"#, "a", ""]);
    assert_eq!(column(&output, "list"), [r#"["a","b"]"#, r#"["a"]"#, "[]"]);
}
