//! Attacks on a server that are not in `access`, `console` and `secrets`. SECURITY.md has the table.

use aws_sdk_s3::presigning::PresigningConfig;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::rest::send;
use crate::server::Server;

#[tokio::test]
async fn a_token_that_was_made_up_or_changed_ends_no_task() {
    let server = Server::start();
    let activity = server.ok("CreateActivity", json!({"name": "work"})).await["activityArn"].clone();
    let waits = json!({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": activity, "End": true}}});
    let machine = server.machine("m", waits).await;
    let started = server.ok("StartExecution", json!({"stateMachineArn": machine})).await;
    let token = server.ok("GetActivityTask", json!({"activityArn": activity})).await["taskToken"].clone();
    let token = token.as_str().unwrap().to_owned();
    let last = if token.ends_with('A') { "B" } else { "A" };
    for forged in ["made-up".to_owned(), format!("{}{last}", &token[..token.len() - 1])] {
        let (error, _) = server.refused("SendTaskSuccess", json!({"taskToken": forged, "output": "1"})).await;
        assert!(["InvalidToken", "TaskDoesNotExist", "TaskTimedOut"].contains(&error.as_str()), "{error}");
    }
    let arn = started["executionArn"].as_str().unwrap();
    assert_eq!(server.ok("DescribeExecution", json!({"executionArn": arn})).await["status"], "RUNNING");
    server.ok("SendTaskSuccess", json!({"taskToken": token, "output": "1"})).await;
    assert_eq!(server.ended(arn).await["output"], "1");
}

#[tokio::test]
async fn a_page_that_somebody_uploaded_has_no_rights_in_a_browser() {
    let server = Server::start();
    server.upload("pages/evil.html", "<script>fetch('/')</script>").await;
    let valid = PresigningConfig::expires_in(std::time::Duration::from_secs(60)).unwrap();
    let link = server.client.s3().get_object().bucket("throughline").key("pages/evil.html");
    let link = link.presigned(valid).await.unwrap();
    let shown = reqwest::get(link.uri()).await.unwrap();
    assert_eq!(shown.status(), StatusCode::OK);
    assert_eq!(shown.headers()["content-security-policy"], "sandbox");
    assert_eq!(shown.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn bodies_that_are_too_large_or_too_deep_are_refused_and_the_server_goes_on() {
    let server = Server::start();
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(5 << 20));
    // The server may close the connection before it has read all of the body.
    let refused = server.client.try_send(server.client.signed("ListStateMachines", &large), large).await;
    assert!(refused.is_none_or(|response| response.status() == StatusCode::PAYLOAD_TOO_LARGE));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut response = None;
    // The first attempt may take the connection that the server is closing.
    for _ in 0..2 {
        if response.is_none() {
            let signed = server.client.signed("ListStateMachines", &deep);
            response = server.client.try_send(signed, deep.clone()).await;
        }
    }
    let response = response.unwrap();
    let error: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(error["__type"], "SerializationException");
    let large = "#".repeat(2 << 20);
    let job = send(&server, Method::PUT, "/jobs/places", &large, None).await;
    assert_eq!(job.status(), StatusCode::BAD_REQUEST);
    let change = send(&server, Method::PATCH, "/runs/none/lanes/none", &deep, None).await;
    assert_eq!(change.status(), StatusCode::BAD_REQUEST);
    server.ok("ListStateMachines", json!({})).await;
}

#[tokio::test]
async fn names_lead_to_no_other_file_of_the_machine() {
    let server = Server::start();
    let key = format!("Bearer {}:{}", server.client.id, server.client.secret);
    let origin = server.link.split("/sign-in").next().unwrap();
    for path in
        ["/assets/x/..%2f..%2fkeys.toml", "/..%2f.serve%2fkeys.toml", "/api/v1/runs/..%2f..%2fkeys/report"]
    {
        let response = reqwest::Client::new().get(format!("{origin}{path}")).header("authorization", &key);
        let response = response.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status == StatusCode::NOT_FOUND && !text.contains(&server.client.secret), "{path}: {status}");
    }
    assert_eq!(server.find(".serve/keys.toml").await, None, "a name that begins with a dot names no object");
}
