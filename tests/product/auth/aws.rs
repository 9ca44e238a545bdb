//! AWS Signature Version 4.

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use testing::{HttpServer, JobFile, ReceivedRequest, Scene, response};

use super::{SECRET, assert_hidden, run};

const ID: &str = "AKIDEXAMPLE";

/// The signature that a request must have, made from what arrived.
fn expected(request: &ReceivedRequest, host: &str, session: Option<&str>) -> String {
    let identity = Credentials::new(ID, SECRET, session.map(str::to_owned), None, "test").into();
    let date = request.header("x-amz-date").unwrap();
    let format =
        time::format_description::parse_borrowed::<2>("[year][month][day]T[hour][minute][second]Z").unwrap();
    let at = time::PrimitiveDateTime::parse(date, &format).unwrap().assume_utc();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-central-1")
        .name("execute-api")
        .time(at.into())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let headers: Vec<_> =
        request.header("content-type").map(|value| ("content-type", value)).into_iter().collect();
    let uri = format!("http://{host}{}", request.uri);
    let body = SignableBody::Bytes(request.body.as_bytes());
    let signable = SignableRequest::new(&request.method, uri, headers.into_iter(), body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let (headers, _) = instructions.into_parts();
    let headers: BTreeMap<_, _> =
        headers.iter().map(|header| (header.name(), header.value().to_owned())).collect();
    headers["authorization"].clone()
}

fn job(api: &HttpServer, aws: &str) -> JobFile {
    JobFile::post(api.url("/a b/{{ id }}?q={{ id }}&a"))
        .request("body = '{\"id\": {{ id }}}'")
        .unlimited(api.host())
        .tables(format!("[auth.aws]\nservice = \"execute-api\"\nregion = \"eu-central-1\"\n{aws}"))
}

#[test]
fn requests_are_signed_with_the_credentials_of_the_environment() {
    let api = HttpServer::start(|_, _| response(200, "{}"));
    let scene = Scene::new(job(&api, ""), "in.csv", "id\nü/x\n7\n");
    let output = scene
        .run_with(&["run", "job.toml", "in.csv"], |command| {
            command.env("AWS_ACCESS_KEY_ID", ID).env("AWS_SECRET_ACCESS_KEY", SECRET);
            command.env("AWS_SESSION_TOKEN", "the-session-token").env("AWS_EC2_METADATA_DISABLED", "true");
        })
        .expect(0);
    for request in api.requests() {
        assert_eq!(request.header("x-amz-security-token"), Some("the-session-token"));
        let signature = request.header("authorization").unwrap();
        assert_eq!(signature, expected(&request, &api.host(), Some("the-session-token")));
    }
    assert_eq!(api.count(), 2);
    assert_hidden(&scene, &output, &[SECRET, "the-session-token"]);
}

#[test]
fn a_profile_of_the_job_comes_before_the_environment() {
    let api = HttpServer::start(|_, _| response(200, "{}"));
    let scene = Scene::new(job(&api, "profile = \"work\""), "in.csv", "id\n7\n");
    scene.write(
        "credentials",
        format!("[work]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"),
    );
    scene
        .run_with(&["run", "job.toml", "in.csv"], |command| {
            command.env("AWS_ACCESS_KEY_ID", "other").env("AWS_SECRET_ACCESS_KEY", "other");
            command.env("AWS_SHARED_CREDENTIALS_FILE", "credentials").env("AWS_CONFIG_FILE", "none");
        })
        .expect(0);
    let request = &api.requests()[0];
    assert_eq!(request.header("authorization").unwrap(), expected(request, &api.host(), None));
}

#[test]
fn credentials_may_be_secrets_of_the_job() {
    let api = HttpServer::start(|_, _| response(200, "{}"));
    let keys = format!("access_key_id = \"{ID}\"\nsecret_access_key = \"{{{{ secret.KEY }}}}\"");
    let scene = Scene::new(job(&api, &keys), "in.csv", "id\n7\n");
    run(&scene, 0);
    let request = &api.requests()[0];
    assert_eq!(request.header("authorization").unwrap(), expected(request, &api.host(), None));
}

#[test]
fn missing_credentials_are_an_error_before_the_first_request() {
    let api = HttpServer::start(|_, _| response(200, "{}"));
    let scene = Scene::new(job(&api, ""), "in.csv", "id\n7\n");
    let output = scene.run_with(&["run", "job.toml", "in.csv"], |command| {
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
            command.env_remove(name);
        }
        command.env("AWS_SHARED_CREDENTIALS_FILE", "none").env("AWS_CONFIG_FILE", "none");
        command.env("AWS_EC2_METADATA_DISABLED", "true");
    });
    assert_ne!(output.code, 0);
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains("no AWS credentials"), "{said}");
    assert_eq!(api.count(), 0);
}
