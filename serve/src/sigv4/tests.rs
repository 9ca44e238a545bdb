//! Signatures that AWS's own library for Rust has made.

#![allow(clippy::unwrap_used)]

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::{HeaderName, HeaderValue, Request};

use super::*;
use crate::keys::Role;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn verifier() -> Verifier {
    let key = Key { id: "AKIDEXAMPLE".into(), secret: SECRET.into(), role: Role::Viewer };
    Verifier::new(Keys::of(vec![key]))
}

/// A request that was signed at `at` for `service`.
fn signed(secret: &str, service: &str, at: SystemTime, body: &'static [u8]) -> Request<()> {
    let mut request = Request::post("http://127.0.0.1:4650/")
        .header("host", "127.0.0.1:4650")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "AWSStepFunctions.ListStateMachines")
        .header("x-spaces", "  a   b  ")
        .body(())
        .unwrap();
    let identity = Credentials::new("AKIDEXAMPLE", secret, None, None, "tests").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name(service)
        .time(at)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let signable =
        SignableRequest::new("POST", "http://127.0.0.1:4650/", headers, SignableBody::Bytes(body)).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

fn verify(request: &Request<()>, body: &[u8]) -> Result<Role, &'static str> {
    let verifier = verifier();
    let now = OffsetDateTime::now_utc();
    let found = verifier.verify(request.method(), request.uri(), request.headers(), body, STATES, now);
    found.map(|key| key.role).map_err(|error| error.code)
}

fn with(mut request: Request<()>, name: &'static str, value: &'static str) -> Request<()> {
    request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    request
}

#[test]
fn signatures_of_the_sdk_are_accepted() {
    for body in [&b"{}"[..], b"", b"{\"a\": \"\xc3\xa4\"}"] {
        assert_eq!(verify(&signed(SECRET, "states", SystemTime::now(), body), body), Ok(Role::Viewer));
    }
}

#[test]
fn changed_requests_are_refused() {
    let request = || signed(SECRET, "states", SystemTime::now(), b"{}");
    let wrong = Err("InvalidSignatureException");
    assert_eq!(verify(&request(), b"{ }"), wrong, "another body");
    let target = with(request(), "x-amz-target", "AWSStepFunctions.DeleteStateMachine");
    assert_eq!(verify(&target, b"{}"), wrong, "another operation");
    assert_eq!(verify(&with(request(), "host", "example.com"), b"{}"), wrong, "another host");
    assert_eq!(verify(&with(request(), "x-amz-security-token", "t"), b"{}"), wrong, "an unsigned token");
    let mut other_path = request();
    *other_path.uri_mut() = "http://127.0.0.1:4650/bucket".parse().unwrap();
    assert_eq!(verify(&other_path, b"{}"), wrong, "another path");
    assert_eq!(verify(&signed("other", "states", SystemTime::now(), b"{}"), b"{}"), wrong, "another secret");
    assert_eq!(verify(&signed(SECRET, "s3", SystemTime::now(), b"{}"), b"{}"), wrong, "another service");
}

#[test]
fn old_unknown_and_missing_signatures_have_the_errors_of_aws() {
    let minutes = |minutes: u64| std::time::Duration::from_secs(60 * minutes);
    let (past, future) = (SystemTime::now() - minutes(6), SystemTime::now() + minutes(6));
    for at in [past, future] {
        assert_eq!(verify(&signed(SECRET, "states", at, b"{}"), b"{}"), Err("InvalidSignatureException"));
    }
    let near = SystemTime::now() - minutes(4);
    assert_eq!(verify(&signed(SECRET, "states", near, b"{}"), b"{}"), Ok(Role::Viewer));
    let mut unsigned = signed(SECRET, "states", SystemTime::now(), b"{}");
    unsigned.headers_mut().remove("authorization");
    assert_eq!(verify(&unsigned, b"{}"), Err("MissingAuthenticationTokenException"));
    let scope = "Credential=AKIDOTHER/20260101/eu-west-1/states/aws4_request";
    for (value, code) in [
        ("Bearer abc".to_owned(), "IncompleteSignatureException"),
        (format!("AWS4-HMAC-SHA256 {scope}"), "IncompleteSignatureException"),
        (
            format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=00"),
            "UnrecognizedClientException",
        ),
    ] {
        unsigned.headers_mut().insert("authorization", value.parse().unwrap());
        assert_eq!(verify(&unsigned, b"{}"), Err(code), "{value}");
    }
}
