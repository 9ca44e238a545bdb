//! How requests say who sends them: `[auth]`.

mod aws;
mod oauth2;

use std::process::Command;

use testing::{HttpServer, JobFile, Output, Scene, column, response};

const SECRET: &str = "pl4nted/s3cr3t+value";

fn api() -> HttpServer {
    HttpServer::start(|_, _| response(200, "{}"))
}

fn job(api: &HttpServer, auth: &str) -> JobFile {
    JobFile::get(api.url("/{{ id }}?a=1")).unlimited(api.host()).tables(format!("[auth]\n{auth}"))
}

fn with_secret(command: &mut Command) {
    command.env("KEY", SECRET);
}

fn run(scene: &Scene, code: i32) -> Output {
    scene.run_with(&["run", "job.toml", "in.csv", "-o", "out.csv"], with_secret).expect(code)
}

/// Fails if a file of the scene, or what was printed, has one of these texts.
fn assert_hidden(scene: &Scene, output: &Output, texts: &[&str]) {
    for text in texts {
        assert!(!output.stdout.contains(text) && !output.stderr.contains(text), "{text} was printed");
        for file in scene.files() {
            let bytes = std::fs::read(&file).unwrap();
            let found = bytes.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(!found, "{text} is in {}", file.display());
        }
    }
}

#[test]
fn each_scheme_is_sent_as_its_standard_says() {
    for (auth, header, value) in [
        (
            "basic = { user = \"Aladdin\", password = \"open sesame\" }",
            "authorization",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        ("basic = { user = \"{{ id }}\", password = \"\" }", "authorization", "Basic Nzo="),
        ("bearer = \"{{ secret.KEY }}\"", "authorization", "Bearer pl4nted/s3cr3t+value"),
        ("header = { name = \"X-Api-Key\", value = \"{{ secret.KEY }}\" }", "x-api-key", SECRET),
    ] {
        let api = api();
        let scene = Scene::new(job(&api, auth), "in.csv", "id\n7\n");
        let output = run(&scene, 0);
        let requests = api.requests();
        assert_eq!(requests[0].header(header), Some(value), "{auth}");
        assert_hidden(&scene, &output, &[SECRET, "cGw0bnRlZC9zM2NyM3QrdmFsdWU"]);
    }
    let api = api();
    let auth = "query = { name = \"key\", value = \"{{ secret.KEY }}\" }";
    let scene = Scene::new(job(&api, auth).column("url", "url"), "in.csv", "id\n7\n");
    let output = run(&scene, 0);
    assert_eq!(api.requests()[0].uri, "/7?a=1&key=pl4nted%2Fs3cr3t%2Bvalue");
    assert_eq!(column(&scene.read("out.csv"), "url"), [api.url("/7?a=1&key=***")]);
    assert_hidden(&scene, &output, &[SECRET, "pl4nted%2Fs3cr3t%2Bvalue"]);
}

#[test]
fn check_shows_the_credential_masked() {
    let api = api();
    for (auth, shown) in [
        ("bearer = \"{{ secret.KEY }}\"", "authorization: Bearer ***"),
        ("query = { name = \"key\", value = \"{{ secret.KEY }}\" }", "/7?a=1&key=***"),
    ] {
        let scene = Scene::new(job(&api, auth), "in.csv", "id\n7\n");
        let output = scene.run_with(&["check", "job.toml", "in.csv"], with_secret).expect(0);
        assert!(output.stdout.contains(shown), "{}", output.stdout);
        assert_hidden(&scene, &output, &[SECRET]);
    }
}

#[test]
fn an_unset_secret_of_auth_is_an_error_at_its_place() {
    let api = api();
    let auth = "basic = { user = \"me\", password = \"{{ secret.NO_SUCH_KEY }}\" }";
    let scene = Scene::new(job(&api, auth), "in.csv", "id\n7\n");
    let stderr = scene.run(&["run", "job.toml", "in.csv"]).expect(1).stderr;
    assert!(stderr.contains("job.toml:5:"), "{stderr}");
    assert!(stderr.contains("NO_SUCH_KEY is not set"), "{stderr}");
    assert_eq!(api.count(), 0);
}

#[test]
fn a_credential_goes_to_no_host_that_a_line_chooses() {
    let api = api();
    let job = JobFile::get("{{ url }}").tables("[auth]\nbearer = \"{{ secret.KEY }}\"");
    let scene = Scene::new(job, "in.csv", format!("url\n{}\n", api.url("/")));
    let stderr = scene.run_with(&["run", "job.toml", "in.csv"], with_secret).expect(1).stderr;
    assert!(stderr.contains("secret_hosts"), "{stderr}");
    let job = JobFile::get("{{ url }}")
        .request("secret_hosts = [\"api.example.com\"]")
        .tables("[auth]\naws = { service = \"s3\", region = \"eu-west-1\", access_key_id = \"a\", secret_access_key = \"b\" }");
    let scene = Scene::new(job, "in.csv", format!("url\n{}\n", api.url("/")));
    run(&scene, 2);
    assert_eq!(column(&scene.read("out.csv"), "error"), ["secret_denied"]);
    assert_eq!(api.count(), 0);
}

#[test]
fn what_cannot_be_a_scheme_is_refused_with_its_place() {
    let refused = |auth: &str, what: &str| {
        let job = format!(
            "[request]\nurl = \"https://api.example.com/\"\nheaders = {{ x-key = \"a\" }}\n[auth]\n{auth}"
        );
        let scene = Scene::new(job, "in.csv", "id\n1\n");
        let stderr = scene.run(&["check", "job.toml", "in.csv"]).expect(1).stderr;
        assert!(stderr.contains(what), "{auth}: {stderr}");
    };
    refused(
        "bearer = \"a\"\nbasic = { user = \"a\", password = \"b\" }",
        "job.toml:6:9: basic is a second scheme: [auth] has bearer already, in line 5",
    );
    refused(
        "header = { name = \"x-key\", value = \"b\" }",
        "job.toml:3:13: [auth] header sets the header x-key, too",
    );
    refused("header = { name = \"a b\", value = \"b\" }", "job.toml:5:19: \"a b\" is not a header name");
    refused("header = { name = \"Host\", value = \"b\" }", "is set by the client itself");
    refused("token = \"x\"", "keys of [auth]: basic, bearer, header, query, oauth2, aws");
    let oauth2 = |keys: &str| format!("[auth.oauth2]\n{keys}");
    let refused_oauth2 = |keys: &str, what: &str| {
        let job = format!("[request]\nurl = \"https://api.example.com/\"\n{}", oauth2(keys));
        let scene = Scene::new(job, "in.csv", "id\n1\n");
        let stderr = scene.run(&["check", "job.toml", "in.csv"]).expect(1).stderr;
        assert!(stderr.contains(what), "{keys}: {stderr}");
    };
    refused_oauth2(
        "token_url = \"http://a.example/t\"\nclient_id = \"a\"",
        "job.toml:4:13: the client's secret goes to token_url",
    );
    refused_oauth2(
        "token_url = \"https://a.example/t\"\nclient_id = \"{{ id }}\"",
        "job.toml:5:13: this is the same for all lines",
    );
    refused_oauth2("token_url = \"https://a.example/t\"", "client_id");
    refused("aws = { service = \"s3\", region = \"r\", access_key_id = \"a\" }", "belong together");
    refused(
        "aws = { service = \"s3\", region = \"r\", access_key_id = \"a\", secret_access_key = \"b\", profile = \"p\" }",
        "profile has other credentials than access_key_id",
    );
}

#[test]
fn another_password_asks_and_another_scheme_sends_again() {
    let api = api();
    let text = |auth: &str| job(&api, auth).to_string();
    let scene = Scene::new(text("bearer = \"{{ secret.KEY }}\""), "in.csv", "id\n1\n2\n");
    run(&scene, 0);
    assert_eq!(api.count(), 2);
    run(&scene, 0);
    assert_eq!(api.count(), 2, "nothing has changed");
    scene.write("job.toml", text("bearer = \"x{{ secret.KEY }}\""));
    scene.run_with(&["run", "job.toml", "in.csv", "-o", "out.csv", "--continue"], with_secret).expect(0);
    assert_eq!(api.count(), 4, "the credential is a part of the request");
}
