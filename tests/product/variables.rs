//! `[vars]`, `--set`, and the filters that throughline adds to those of the template engine.

use testing::{HttpServer, JobFile, Scene, column, response};

fn api() -> HttpServer {
    HttpServer::start(|_, _| response(200, "{}"))
}

fn scene(api: &HttpServer) -> Scene {
    let job = JobFile::get(api.url("/{{ vars.month }}/{{ id }}?team={{ vars.team }}"))
        .column("url", "url")
        .unlimited(api.host())
        .tables("[vars]\nmonth = \"2026-10\" # the month before\nteam = 'a'");
    Scene::new(job, "in.csv", "id\n1\n2\n")
}

fn urls(scene: &Scene) -> Vec<String> {
    let parts = |url: String| url.splitn(4, '/').nth(3).unwrap().to_owned();
    column(&scene.read("out.csv"), "url").into_iter().map(parts).collect()
}

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];

#[test]
fn a_variable_has_the_value_of_the_job_or_of_the_command() {
    let api = api();
    let scene = scene(&api);
    scene.run(&RUN).expect(0);
    assert_eq!(urls(&scene), ["2026-10/1?team=a", "2026-10/2?team=a"]);
    let set = ["--set", "month=2026-11", "--set", "team=b & \"c\""];
    let asked = scene.run(&[&RUN[..], &set].concat()).expect(1);
    assert!((asked.stdout + &asked.stderr).contains("--continue"), "another value is an edit of the job");
    scene.run(&[&RUN[..], &set, &["--continue"]].concat()).expect(0);
    assert_eq!(urls(&scene), ["2026-11/1?team=b%20%26%20%22c%22", "2026-11/2?team=b%20%26%20%22c%22"]);
    assert_eq!(api.count(), 4);
    scene.run(&[&RUN[..], &set].concat()).expect(0);
    assert_eq!(api.count(), 4, "the same values are the same job");
}

#[test]
fn a_redrive_with_the_same_values_sends_only_the_failed_lines() {
    let api = HttpServer::start(|n, _| response(if n == 0 { 404 } else { 200 }, "{}"));
    let scene = scene(&api);
    let set = ["--set", "month=2026-11"];
    scene.run(&[&RUN[..], &set].concat()).expect(2);
    scene.run(&[&["redrive"], &RUN[1..], &set].concat()).expect(0);
    assert_eq!((urls(&scene).len(), api.count()), (2, 3));
    assert!(api.requests().iter().all(|request| request.path().starts_with("/2026-11/")));
}

#[test]
fn check_and_try_take_values_too() {
    let api = api();
    let scene = scene(&api);
    let set = ["--set", "month=2026-12"];
    let checked = scene.run(&[&["check", "job.toml", "in.csv"], &set[..]].concat()).expect(0).stdout;
    assert!(checked.contains("/2026-12/1?team=a"), "{checked}");
    scene.run(&[&["try", "job.toml", "in.csv", "--line", "2"], &set[..]].concat()).expect(0);
    assert_eq!(api.requests()[0].uri, "/2026-12/2?team=a");
}

#[test]
fn a_variable_that_the_job_does_not_have_is_refused() {
    let api = api();
    let scene = scene(&api);
    let error = scene.run(&[&RUN[..], &["--set", "mont=x"]].concat()).expect(1).stderr;
    assert!(error.contains("job.toml:") && error.contains("--set names \"mont\""), "{error}");
    scene.write("job.toml", scene.read("job.toml").replace("vars.team", "vars.teem"));
    let error = scene.run(&RUN).expect(1).stderr;
    assert!(
        error.contains("job.toml:2:") && error.contains("[vars] has no \"teem\"; it has: month, team"),
        "{error}"
    );
    scene.run(&[&RUN[..], &["--set", "month"]].concat()).expect(1);
    assert_eq!(api.count(), 0);
}

#[test]
fn a_line_whose_date_cannot_be_read_fails_alone() {
    let api = api();
    let job = JobFile::get(api.url("/{{ day | date('%d.%m.%Y') }}")).unlimited(api.host());
    let scene = Scene::new(job, "in.csv", "day\n2026-11-03\nsoon\n");
    scene.run(&RUN).expect(2);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "error"), ["", "render"]);
    assert!(column(&output, "error_detail")[1].contains("\"soon\" is not a date of ISO 8601"), "{output}");
    assert_eq!(api.requests()[0].path(), "/03.11.2026");
}

#[test]
fn a_signature_is_made_with_a_secret() {
    let api = api();
    let job = JobFile::get(api.url("/{{ id }}"))
        .request("headers = { x-signature = \"{{ id | hmac(secret.KEY) }}\", authorization = \"Basic {{ (secret.KEY ~ ':') | b64encode }}\" }")
        .unlimited(api.host());
    let scene = Scene::new(job, "in.csv", "id\nwhat do ya want for nothing?\n");
    scene.run_with(&RUN, |command| _ = command.env("KEY", "Jefe")).expect(0);
    let request = &api.requests()[0];
    // RFC 4231, test case 2.
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(request.header("x-signature"), Some(expected));
    assert_eq!(request.header("authorization"), Some("Basic SmVmZTo="));
}
