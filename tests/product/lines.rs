//! `throughline show` and `throughline try`: one line, its exact request and its responses.

use serde_json::Value;
use testing::{HttpServer, JobFile, ReceivedRequest, Scene, response, response_with};

const SECRET: &str = "hunter22-hunter22";
const INPUT: &str = "id,name\nok,a\nbusy,it's [b] & c\nbad,c\n";

/// An API that is busy for the first two requests of `busy`, and refuses `bad`.
fn api() -> HttpServer {
    HttpServer::start(|n, request| match request.path() {
        "/ok" | "/to/ok" => response_with(200, &[("x-echo", SECRET)], r#"{"size": 7}"#),
        "/busy" if n < 3 => response(503, "not now"),
        "/busy" => response(200, r#"{"size": 8}"#),
        "/moved" => response_with(302, &[("location", "/to/ok")], "moved"),
        _ => response(404, "there is nothing"),
    })
}

fn scene(api: &HttpServer) -> Scene {
    let job = JobFile::with_method("PUT", api.url("/{{ id }}?n={{ name }}"))
        .request("headers = { authorization = \"Bearer {{ secret.KEY }}\" }")
        .request("body = '{\"name\": {{ name }}}'")
        .column("size", "$.size")
        .unlimited(api.host());
    Scene::new(job, "in.csv", INPUT)
}

fn run(scene: &Scene, args: &[&str], code: i32) -> String {
    let output = scene.run_with(args, |command| _ = command.env("KEY", SECRET)).expect(code);
    assert!(!(output.stdout.clone() + &output.stderr).contains(SECRET), "{}", output.stdout);
    output.stdout + &output.stderr
}

fn json(scene: &Scene, args: &[&str], code: i32) -> Value {
    let printed = run(scene, &[args, &["--json"]].concat(), code);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

fn show(scene: &Scene, line: &str) -> Value {
    json(scene, &["show", "job.toml", "in.csv", "--line", line], 0)
}

/// What is the same in every sending of a request.
fn facts(request: &ReceivedRequest) -> (String, String, String, Vec<(String, String)>) {
    let mut headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (request.method.clone(), request.uri.clone(), request.body.clone(), headers)
}

#[test]
fn show_has_every_attempt_and_the_result_of_a_line() {
    let api = api();
    let scene = scene(&api);
    run(&scene, &["run", "job.toml", "in.csv", "-o", "out.csv"], 2);
    let line = show(&scene, "2");
    let attempts = line["attempts"].as_array().unwrap();
    let statuses: Vec<_> = attempts.iter().map(|attempt| attempt["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses.last(), Some(&200), "{line}");
    assert_eq!(statuses.len() + 2, api.count(), "{line}");
    assert!(attempts[..attempts.len() - 1].iter().all(|attempt| attempt["error"] == "http_503"), "{line}");
    assert_eq!(attempts[0]["error_detail"], "not now");
    assert_eq!(line["columns"]["size"], 8);
    let failed = show(&scene, "3");
    assert_eq!(failed["attempts"][0]["error"], "http_404", "{failed}");
    let text = run(&scene, &["show", "job.toml", "in.csv", "--line", "3"], 0);
    assert!(text.contains("404 after") && text.contains("authorization: Bearer ***"), "{text}");
    let beyond = run(&scene, &["show", "job.toml", "in.csv", "--line", "4"], 1);
    assert!(beyond.contains("there is no line 4") && beyond.contains("3 lines"), "{beyond}");
}

#[test]
fn curl_sends_the_same_request() {
    let api = api();
    let scene = scene(&api);
    run(&scene, &["run", "job.toml", "in.csv", "-o", "out.csv"], 2);
    let sent = api.requests().into_iter().rfind(|request| request.path() == "/busy").unwrap();
    let curl = show(&scene, "2")["request"]["curl"].as_str().unwrap().replace("***", SECRET);
    scene.run_as("sh", &["-c", &format!("{curl} --noproxy '*' --silent")]).expect(0);
    assert_eq!(facts(api.requests().last().unwrap()), facts(&sent), "{curl}");
}

#[test]
fn show_knows_a_line_after_every_line_has_succeeded() {
    let api = api();
    let scene = scene(&api);
    scene.write("in.csv", "id,name\nok,a\nok,b\n");
    run(&scene, &["run", "job.toml", "in.csv", "-o", "out.csv"], 0);
    let line = show(&scene, "2");
    assert!(line["request"]["url"].as_str().unwrap().ends_with("/ok?n=b"), "{line}");
    scene.write("in.csv", "id,name\nok,a\nok,changed\n");
    let line = show(&scene, "2");
    assert_eq!(line["request"], Value::Null);
    assert!(line["no_request"].as_str().unwrap().contains("the input has changed"), "{line}");
    assert_eq!(line["columns"]["size"], 7);
}

#[test]
fn show_without_a_run_says_how_to_start_one() {
    let api = api();
    let scene = scene(&api);
    let error = run(&scene, &["show", "job.toml", "in.csv", "--line", "1"], 1);
    assert!(error.contains("throughline try job.toml in.csv --line 1"), "{error}");
    assert!(!scene.exists(".throughline"));
}

#[test]
fn try_sends_one_line_once_and_keeps_nothing() {
    let api = api();
    let scene = scene(&api);
    let tried = json(&scene, &["try", "job.toml", "in.csv", "--line", "1"], 0);
    let exchange = &tried["exchanges"][0];
    assert_eq!((&exchange["response"]["status"], &exchange["columns"]["size"]), (&200.into(), &7.into()));
    assert_eq!(exchange["response"]["headers"]["x-echo"], "***");
    assert_eq!(api.requests()[0].header("authorization"), Some(&*format!("Bearer {SECRET}")));
    let text = run(&scene, &["try", "job.toml", "in.csv", "--line", "2"], 2);
    assert!(text.contains("failed with http_503") && text.contains("not now"), "{text}");
    assert_eq!(api.count(), 2, "a try is not repeated");
    assert!(!scene.exists(".throughline"));
}

#[test]
fn try_shows_each_redirect() {
    let api = api();
    let scene = scene(&api);
    scene.write("in.csv", "id,name\nmoved,a\n");
    let tried = json(&scene, &["try", "job.toml", "in.csv", "--line", "1"], 0);
    let statuses: Vec<_> = tried["exchanges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|exchange| exchange["response"]["status"].as_u64().unwrap())
        .collect();
    assert_eq!((statuses, api.count()), (vec![302, 200], 2));
}

#[test]
fn try_of_a_line_without_a_request_says_why() {
    let api = api();
    let scene = scene(&api);
    scene.write("in.csv", "id,name\nok,a,b\n");
    let error = run(&scene, &["try", "job.toml", "in.csv", "--line", "1"], 1);
    assert!(error.contains("line 1 fails without a request: parse"), "{error}");
    let beyond = run(&scene, &["try", "job.toml", "in.csv", "--line", "2"], 1);
    assert!(beyond.contains("there is no line 2: in.csv has 1 line"), "{beyond}");
    assert_eq!(api.count(), 0);
}
