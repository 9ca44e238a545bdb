//! What carries a request: the version of HTTP, compressed bodies, and the times of a connection.

use std::io::Read;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::HeaderMap;
use testing::{HttpServer, JobFile, Scene, column, full_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::tls;

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];

/// A server that responds with the body that it got, decompressed, and with the coding.
fn unpacking() -> HttpServer {
    HttpServer::router(axum::Router::new().fallback(async |headers: HeaderMap, body: Bytes| {
        let coding = headers.get("content-encoding").map_or("", |value| value.to_str().unwrap()).to_owned();
        let mut text = String::new();
        match coding.as_str() {
            "gzip" => _ = flate2::read::GzDecoder::new(&*body).read_to_string(&mut text).unwrap(),
            "zstd" => text = String::from_utf8(zstd::decode_all(&*body).unwrap()).unwrap(),
            _ => text = String::from_utf8(body.to_vec()).unwrap(),
        }
        format!("{coding} {} {text}", body.len())
    }))
}

#[test]
fn bodies_are_compressed_as_the_job_says() {
    let api = unpacking();
    let text = "a long text ".repeat(100);
    for (coding, packed) in [("gzip", true), ("zstd", true), ("", false)] {
        let compress = if coding.is_empty() { String::new() } else { format!("compress = \"{coding}\"") };
        let job = JobFile::post(api.url("/"))
            .request(format!("body = '{{\"text\": {{{{ text }}}}}}'\n{compress}"))
            .column("seen", "body")
            .unlimited(api.host());
        let scene = Scene::new(job, "in.csv", format!("text\n{text}\n"));
        scene.run(&RUN).expect(0);
        let seen = column(&scene.read("out.csv"), "seen").remove(0);
        let (head, body) = seen.split_once(" {").unwrap();
        assert_eq!(body, format!("\"text\": \"{text}\"}}"));
        let (name, bytes) = head.split_once(' ').unwrap();
        assert_eq!(name, coding);
        assert_eq!(bytes.parse::<usize>().unwrap() < 300, packed, "{head}");
    }
}

#[test]
fn http_1_1_is_forced_where_the_job_says_so() {
    let issuer = tls::authority("of the test");
    let (certificate, key) = tls::for_localhost(&issuer);
    let protocols: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = protocols.clone();
    let acceptor = tls::acceptor(certificate, &key, &[b"h2", b"http/1.1"]);
    let server = tls::serve(acceptor, move |mut stream| {
        let log = log.clone();
        async move {
            let protocol = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
            log.lock().unwrap().push(String::from_utf8(protocol).unwrap());
            tls::read_head(&mut stream).await;
            tls::respond(stream, "{}").await;
        }
    });
    for (request, code, protocol) in [("http = \"1.1\"", 0, "http/1.1"), ("", 2, "h2")] {
        let job = JobFile::get(format!("https://localhost:{}/", server.port()))
            .request(request)
            .unlimited(format!("localhost:{}", server.port()))
            .tables("[tls]\nca = \"file:ca.pem\"\n[retry]\nattempts = 1");
        let scene = Scene::new(job, "in.csv", "id\n1\n");
        scene.write("ca.pem", issuer.pem());
        scene.run(&RUN).expect(code);
        assert_eq!(protocols.lock().unwrap().last().map(String::as_str), Some(protocol));
    }
}

#[test]
fn a_response_that_stalls_ends_after_the_read_timeout() {
    // The first path never gets a head, the second never gets the end of its body.
    let server = HttpServer::connections(|mut stream| async move {
        let mut head = vec![0; 4096];
        let read = stream.read(&mut head).await.unwrap_or(0);
        if head[..read].starts_with(b"GET /body") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegin").await;
        }
        std::future::pending::<()>().await;
    });
    let job = JobFile::get(server.url("/{{ what }}"))
        .request("timeout = \"10m\"\nconnect_timeout = \"200ms\"\nread_timeout = \"300ms\"")
        .unlimited(server.host())
        .tables("[retry]\nattempts = 1");
    let scene = Scene::new(job, "in.csv", "what\nhead\nbody\n");
    scene.run(&RUN).expect(2);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "error"), ["timeout", "timeout"]);
    let details = column(&output, "error_detail");
    assert!(details[0].contains("no response within 300ms"), "{details:?}");
    assert!(details[1].contains("no byte of the response's body within 300ms"), "{details:?}");
}

#[test]
fn a_connection_that_does_not_come_about_ends_after_the_connect_timeout() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (address, _full) = runtime.block_on(full_port());
    let job = JobFile::get(format!("http://{address}/"))
        .request("timeout = \"10m\"\nconnect_timeout = \"300ms\"")
        .unlimited(address)
        .tables("[retry]\nattempts = 1");
    let scene = Scene::new(job, "in.csv", "id\n1\n");
    scene.run(&RUN).expect(2);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "error"), ["connect"]);
    assert!(column(&output, "error_detail")[0].starts_with("timeout: "));
}

#[test]
fn what_cannot_be_carried_is_refused_with_its_place() {
    for (request, what) in [
        ("http = \"2\"", "job.toml:4:8: \"2\" cannot be forced"),
        ("compress = \"gzip\"", "job.toml:4:12: there is no body to compress"),
        ("body = \"x\"\ncompress = \"br\"", "is not a coding of request bodies"),
        (
            "body = \"x\"\ncompress = \"gzip\"\nheaders = { content-encoding = \"gzip\" }",
            "compress sets the header",
        ),
        (
            "timeout = \"5s\"\nconnect_timeout = \"6s\"",
            "job.toml:5:19: connect_timeout is longer than timeout, 5s",
        ),
        ("timeout = \"5s\"\nread_timeout = \"1m\"", "read_timeout is longer than timeout"),
    ] {
        let scene = Scene::new(JobFile::get("https://a.example/").request(request), "in.csv", "id\n1\n");
        let stderr = scene.run(&["check", "job.toml", "in.csv"]).expect(1).stderr;
        assert!(stderr.contains(what), "{request}: {stderr}");
    }
}
