//! HTTP tasks.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use testing::{Api, HttpServer, closed_port};

use super::{run, scene, task};

#[test]
fn http_task_calls_an_api() {
    let api = Api::start();
    let mut definition = task(
        "arn:aws:states:::http:invoke",
        &json!({
            "ApiEndpoint.$": "$.url",
            "Method": "POST",
            "Headers": { "x-one": "1" },
            "QueryParameters": { "q": ["a b", 2] },
            "RequestBody": { "n": 1 },
            "Authentication": { "ConnectionArn": "arn:aws:events:us-east-1:123456789012:connection/c/1" }
        }),
    );
    definition["States"]["Do"]["Catch"] =
        json!([{ "ErrorEquals": ["States.Http.StatusCode.404"], "Next": "Gone" }]);
    definition["States"]["Gone"] = json!({ "Type": "Pass", "Result": "gone", "End": true });
    let scene = scene(&definition);
    let input = |path: &str| json!({ "url": api.url(path) }).to_string();
    let local = ["--allow", "127.0.0.1"];
    let output = run(&scene, &[&["--input", &input("/ok/7")], &local[..]].concat(), 0)["output"].clone();
    assert_eq!((&output["StatusCode"], &output["ResponseBody"]["twice"]), (&json!(200), &json!("77")));
    let seen = api.requests().pop().unwrap();
    assert_eq!(
        (seen.method.as_str(), seen.body.as_str(), seen.uri.as_str()),
        ("POST", "{\"n\":1}", "/ok/7?q=a+b&q=2")
    );
    assert_eq!(seen.headers["x-one"], "1");
    assert_eq!(run(&scene, &[&["--input", &input("/status/404")], &local[..]].concat(), 0)["output"], "gone");
    // As it went over the wire.
    let wire = input("/ok/7");
    let ran = scene
        .run(&[
            "states",
            "test",
            "machine.json",
            "--state",
            "Do",
            "--input",
            &wire,
            "--json",
            "--level",
            "trace",
            "--allow",
            "127.0.0.1",
        ])
        .expect(0);
    let seen = &serde_json::from_str::<Value>(&ran.stdout).unwrap()["inspectionData"];
    let (request, response) = (&seen["request"], &seen["response"]);
    assert_eq!(
        (&request["method"], &request["body"], &request["protocol"]),
        (&json!("POST"), &json!("{\"n\":1}"), &json!("http"))
    );
    assert_eq!(request["url"], api.url("/ok/7?q=a+b&q=2"));
    assert!(request["headers"].as_str().unwrap().starts_with("[x-one: 1, "), "{request}");
    assert_eq!((&response["statusCode"], &response["statusMessage"]), (&json!("200"), &json!("OK")));
    assert!(response["body"].as_str().unwrap().contains("\"77\""), "{response}");
}

/// Redirects to itself, responds without end, or echoes the form that it received.
async fn hostile(uri: axum::http::Uri, headers: HeaderMap, body: String) -> Response {
    match uri.path() {
        "/away" => (StatusCode::FOUND, [("location", "/secret")]).into_response(),
        "/endless" => axum::body::Body::from_stream(futures_util::stream::repeat_with(|| {
            Ok::<_, std::io::Error>(vec![b'x'; 65_536])
        }))
        .into_response(),
        "/image" => ([("content-type", "image/png")], "x").into_response(),
        "/bytes" => ([("content-type", "Application/Octet-Stream; a=b")], "x").into_response(),
        "/binary" => ([("content-type", "text/plain")], vec![0xff, 0xfe, 0x00]).into_response(),
        "/gone" => StatusCode::GONE.into_response(),
        "/private" => "{\"$serde_json::private::RawValue\": \"[1]\", \"$serde_json::private::Number\": 1}"
            .into_response(),
        _ => Json(
            json!({ "kind": headers.get("content-type").and_then(|kind| kind.to_str().ok()), "body": body }),
        )
        .into_response(),
    }
}

#[test]
fn http_task_fails_with_the_errors_of_aws() {
    let server = HttpServer::router(axum::Router::new().fallback(hostile));
    let ask = |url: String, more: Value| {
        let mut parameters = json!({ "ApiEndpoint": url, "Method": "POST", "RequestBody": { "a": ["x"] } });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let failed =
            run(&scene(&task("arn:aws:states:::http:invoke", &parameters)), &["--allow", "127.0.0.1"], 3);
        (failed["error"].as_str().unwrap().to_owned(), failed["cause"].as_str().unwrap().to_owned())
    };
    for (path, error, part) in [
        ("/image", "States.Runtime", "image/png"),
        ("/bytes", "States.Runtime", "application/octet-stream"),
        ("/binary", "States.Runtime", "not text"),
        ("/gone", "States.Http.StatusCode.410", ""),
        ("/endless", "States.DataLimitExceeded", "exceeding"),
    ] {
        let failed = ask(server.url(path), json!({}));
        assert!(failed.0 == error && failed.1.contains(part), "{path}: {failed:?}");
    }
    let refused = ask(format!("http://{}/", closed_port()), json!({}));
    assert_eq!(refused.0, "States.Http.Socket");
    for (more, part) in [
        (json!({ "Method": "TRACE" }), "TRACE"),
        (json!({ "Transform": { "RequestBodyEncoding": "BASE64" } }), "BASE64"),
        (
            json!({ "Transform": { "RequestBodyEncoding": "URL_ENCODED", "RequestEncodingOptions": { "ArrayFormat": "SPACES" } } }),
            "SPACES",
        ),
        (json!({ "ApiEndpoint": "no url" }), "no url"),
    ] {
        let failed = ask(server.url("/"), more);
        assert!(failed.0 == "States.Runtime" && failed.1.contains(part), "{failed:?}");
    }
}

#[test]
fn http_task_sends_the_headers_of_aws() {
    let api = Api::start();
    for (headers, range) in [(json!({}), "bytes=0-262144"), (json!({ "Range": "bytes=0-9" }), "bytes=0-9")] {
        let parameters = json!({ "ApiEndpoint": api.url("/ok/1"), "Method": "GET", "Headers": headers });
        run(&scene(&task("arn:aws:states:::http:invoke", &parameters)), &["--allow", "127.0.0.1"], 0);
        let seen = api.requests().pop().unwrap();
        assert_eq!(seen.headers["range"], range);
        assert!(seen.headers["user-agent"].to_str().unwrap().starts_with("Amazon|StepFunctions|HttpInvoke"));
    }
}

#[test]
fn http_task_refuses_private_addresses_and_endless_bodies() {
    let server = HttpServer::router(axum::Router::new().fallback(hostile));
    let port = server.port();
    let ask = |host: &str, path: &str, more: Value| {
        let mut parameters =
            json!({ "ApiEndpoint": format!("http://{host}:{port}{path}"), "Method": "POST" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        scene(&task("arn:aws:states:::http:invoke", &parameters))
    };
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "169.254.169.254"] {
        let failed = run(&ask(host, "/", json!({})), &[], 3);
        assert_eq!(failed["error"], "States.Http.Socket", "{host}: {failed}");
        assert!(failed["cause"].as_str().unwrap().contains("--allow"), "{host}: {failed}");
    }
    let local = ["--allow", "127.0.0.0/8"];
    assert_eq!(run(&ask("127.0.0.1", "/away", json!({})), &local, 3)["error"], "States.Http.StatusCode.302");
    assert_eq!(run(&ask("127.0.0.1", "/endless", json!({})), &local, 3)["error"], "States.DataLimitExceeded");
    for name in [
        "Host",
        "X-Amz-Target",
        "X-Forwarded-For",
        "Transfer-Encoding",
        "Content-Length",
        "Proxy-Authorization",
    ] {
        let failed = run(&ask("127.0.0.1", "/", json!({ "Headers": { name: "1" } })), &local, 3);
        assert_eq!(failed["error"], "States.Runtime", "{name}: {failed}");
        assert!(failed["cause"].as_str().unwrap().contains(name), "{name}: {failed}");
    }
    let wrong = run(&ask("127.0.0.1", "/", json!({ "Headers": { "x-a": "b\r\nHost: c" } })), &local, 3);
    assert_eq!(wrong["error"], "States.Runtime", "{wrong}");
    assert_eq!(
        run(&ask("127.0.0.1", "/private", json!({})), &local, 0)["output"]["ResponseBody"],
        json!({ "$serde_json::private::RawValue": "[1]", "$serde_json::private::Number": 1 })
    );
    for (format, body) in [
        (None, "array%5B0%5D=a&array%5B1%5D=b&o%5Bk%5D=1"),
        (Some("INDICES"), "array%5B0%5D=a&array%5B1%5D=b&o%5Bk%5D=1"),
        (Some("REPEAT"), "array=a&array=b&o%5Bk%5D=1"),
        (Some("COMMAS"), "array=a%2Cb&o%5Bk%5D=1"),
        (Some("BRACKETS"), "array%5B%5D=a&array%5B%5D=b&o%5Bk%5D=1"),
    ] {
        let mut transform = json!({ "RequestBodyEncoding": "URL_ENCODED" });
        if let Some(format) = format {
            transform["RequestEncodingOptions"] = json!({ "ArrayFormat": format });
        }
        let more = json!({ "RequestBody": { "array": ["a", "b"], "o": { "k": 1 } }, "Transform": transform });
        let sent = run(&ask("127.0.0.1", "/", more), &local, 0)["output"]["ResponseBody"].clone();
        assert_eq!(sent, json!({ "kind": "application/x-www-form-urlencoded", "body": body }), "{format:?}");
    }
}
