//! Lines that fail, each with its own code, and never the batch.

use std::net::SocketAddr;
use testing::{HttpServer, Raw, closed_port, response};

use crate::world::{Line, Setup, codes};

fn job(request: &str) -> String {
    format!(
        "[request]\nurl = \"{{{{ line }}}}\"\ntimeout = \"500ms\"\n{request}\n[retry]\nattempts = 2\n[limits.default]\nrate = \"unlimited\""
    )
}

const ALLOW: &str = "allow = [\"127.0.0.1\"]\n";

async fn fail(request: &str, lines: &[&str]) -> Vec<Line> {
    Setup::lines(&job(request), lines).build().await.done().await
}

async fn fail_at(address: SocketAddr, request: &str) -> Line {
    fail(&format!("{ALLOW}{request}"), &[&format!("http://{address}/")]).await.remove(0)
}

#[tokio::test]
async fn invalid_urls_fail() {
    let lines = fail(
        "",
        &["nonsense", "ftp://a/", "http://", "/path", "mailto:a@b", "http://a:99999/", "", "http://[::1"],
    )
    .await;
    assert!(
        lines.iter().all(|line| line.error() == "url" && line.tries == 0 && !line.detail.is_empty()),
        "{lines:?}"
    );
}

#[tokio::test]
async fn private_addresses_are_denied() {
    let server = HttpServer::start(|_, _| response(200, "inside"));
    let port = server.port();
    let urls: Vec<_> = [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "[::ffff:7f00:1]",
        "localhost",
        "0",
        "169.254.169.254",
        "[::1]",
    ]
    .map(|host| format!("http://{host}:{port}/"))
    .into();
    let lines = fail("", &urls.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(lines.iter().all(|line| line.error() == "address_denied" && line.tries <= 1), "{lines:?}");
    assert_eq!(server.count(), 0);
    let lines = fail("allow = [\"localhost\"]", &[&format!("http://localhost:{port}/"), &urls[0]]).await;
    assert_eq!(codes(&lines), ["ok", "address_denied"]);
}

#[tokio::test]
async fn header_values_with_line_breaks_fail() {
    let lines = fail("headers = { x = \"{{ line }}\" }", &["http://a/\r\nx-evil: 1"]).await;
    assert_eq!(codes(&lines), ["header"]);
}

#[tokio::test]
async fn render_errors_fail_the_line() {
    let endless =
        "headers = { x = \"{% for a in range(9000) %}{% for b in range(9000) %}{% endfor %}{% endfor %}\" }";
    assert_eq!(codes(&fail(endless, &["http://a/"]).await), ["render"]);
    assert_eq!(codes(&fail("headers = { x = \"{{ row['nothing'] }}\" }", &["http://a/"]).await), ["render"]);
}

#[tokio::test]
async fn error_items_fail_without_a_request() {
    let items = vec![
        r#""key":"h","error":"decode","detail":"byte 3 is not UTF-8","raw":"/w==""#.to_owned(),
        r#""key":"h","v":{"broken":"no array"},"error":"parse""#.to_owned(),
    ];
    let lines = Setup::items(&job(""), items).build().await.done().await;
    assert_eq!(codes(&lines), ["decode", "parse"]);
    assert_eq!(lines[0].detail, "byte 3 is not UTF-8");
}

#[tokio::test]
async fn final_statuses_are_not_retried() {
    let server = HttpServer::start(|_, seen| response(seen.uri[1..].parse().unwrap(), "no\n\n  such thing"));
    let urls: Vec<_> =
        [300, 304, 400, 404, 410, 418, 422].map(|status| server.url(&format!("/{status}"))).into();
    let lines = fail(ALLOW, &urls.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(
        codes(&lines),
        ["http_300", "http_304", "http_400", "http_404", "http_410", "http_418", "http_422"]
    );
    assert_eq!((lines[3].detail.as_str(), lines[3].status, lines[3].tries), ("no such thing", 404, 1));
    assert_eq!(server.count(), 7);
}

#[tokio::test]
async fn refused_connections_fail_with_connect() {
    let line = fail_at(closed_port(), "").await;
    assert_eq!((line.error(), line.tries), ("connect", 2));
    assert!(line.detail.to_lowercase().contains("refused"), "{}", line.detail);
}

#[tokio::test]
async fn resets_before_the_response_fail_with_connect() {
    assert_eq!(fail_at(HttpServer::raw(Raw::Reset).address(), "").await.error(), "connect");
    assert_eq!(fail_at(HttpServer::raw(Raw::Write(b"".to_vec())).address(), "").await.error(), "connect");
    assert_eq!(
        fail_at(HttpServer::raw(Raw::Write(b"this is not HTTP\r\n\r\n".to_vec())).address(), "")
            .await
            .error(),
        "bad_response"
    );
}

#[tokio::test]
async fn server_without_tls_fails_with_tls() {
    let server = HttpServer::raw(Raw::Write(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()));
    let address = server.address();
    let server = HttpServer::connections(|mut stream| async move {
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tokio::io::AsyncReadExt::read_u8(&mut stream).await.ok();
    });
    let plain = server.address();
    let lines = fail(ALLOW, &[&format!("https://{plain}/")]).await;
    assert_eq!((lines[0].error(), lines[0].tries), ("tls", 1), "{:?} {address}", lines[0]);
}

#[tokio::test]
async fn stalled_responses_time_out() {
    let before_head = fail_at(HttpServer::raw(Raw::Stall(b"".to_vec())).address(), "").await;
    assert_eq!((before_head.error(), before_head.tries, before_head.status), ("timeout", 2, 0));
    let in_head =
        fail_at(HttpServer::raw(Raw::Stall(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec())).address(), "").await;
    assert_eq!(in_head.error(), "timeout");
    let in_body = fail_at(
        HttpServer::raw(Raw::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_vec())).address(),
        "",
    )
    .await;
    assert_eq!((in_body.error(), in_body.status), ("timeout", 200));
}

#[tokio::test]
async fn truncated_bodies_fail_with_body_cut() {
    for body in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nabc"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 12\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\xffKL",
    ] {
        let line = fail_at(HttpServer::raw(Raw::Write(body.to_vec())).address(), "").await;
        assert_eq!((line.error(), line.tries, line.status), ("body_cut", 2, 200), "{}", String::from_utf8_lossy(body));
    }
}

#[tokio::test]
async fn bodies_that_the_columns_cannot_use_fail() {
    let server = HttpServer::raw(Raw::Write(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 12\r\n\r\nnot gzip at!".to_vec(),
    ));
    let gzip = server.address();
    assert_eq!(fail_at(gzip, "").await.error(), "extract");
    let server = HttpServer::start(|_, _| response(200, "<html>"));
    let job = format!("{}\n[output]\ncolumns = {{ a = \"$.a\" }}", job(ALLOW));
    let line = Setup::lines(&job, &[&server.url("/")]).build().await.done().await.remove(0);
    assert_eq!((line.error(), line.tries, line.status), ("extract", 1, 200));
}

#[tokio::test]
async fn responses_above_the_cap_are_too_large() {
    let cap = "max_response = \"1KB\"";
    let server =
        HttpServer::raw(Raw::Write(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nabc".to_vec()));
    let said = server.address();
    assert_eq!(fail_at(said, cap).await.error(), "too_large");
    let mut unsaid = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    unsaid.extend([b'x'; 5000]);
    assert_eq!(fail_at(HttpServer::raw(Raw::Write(unsaid)).address(), cap).await.error(), "too_large");
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, &vec![0; 1 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    let mut response =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len())
            .into_bytes();
    response.extend(bomb);
    assert_eq!(
        fail_at(HttpServer::raw(Raw::Write(response)).address(), "max_response = \"100KB\"").await.error(),
        "too_large"
    );
}

#[tokio::test]
async fn unknown_names_fail_with_connect() {
    let lines = fail("", &["http://no-such-host.invalid/"]).await;
    assert_eq!((lines[0].error(), lines[0].tries), ("connect", 2));
}
