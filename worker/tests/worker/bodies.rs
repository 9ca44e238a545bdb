//! Bodies are decoded to text: content codings, charsets, and bodies that cannot be decoded.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::json;
use testing::{HttpServer, JobFile, Raw, response};

use crate::world::{Line, Setup};

const CITY: &[u8] = br#"{"city":"Bern"}"#;

fn job(more: &str) -> String {
    JobFile::get("{{ line }}").request(more).tables("[retry]\nattempts = 2").unlimited("default").to_string()
}

/// The result of a line whose response has this status, these header lines and this body.
async fn respond(status: u16, head: &[u8], body: &[u8], more: &str) -> Line {
    let mut response =
        format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    response.extend_from_slice(head);
    response.extend_from_slice(b"\r\n");
    response.extend_from_slice(body);
    let server = HttpServer::raw(Raw::Write(response));
    let url = server.url("/");
    Setup::lines(&job(more), &[&url]).build().await.done().await.remove(0)
}

async fn city(head: &str, body: &[u8]) -> Line {
    respond(200, head.as_bytes(), body, "[output]\ncolumns = { city = \"$.city\" }").await
}

fn packed(mut writer: impl Write, text: &[u8]) {
    writer.write_all(text).unwrap();
    writer.flush().unwrap();
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    packed(&mut encoder, text);
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    packed(&mut encoder, text);
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    packed(&mut encoder, text);
    encoder.finish().unwrap()
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    packed(brotli::CompressorWriter::new(&mut out, 4096, 5, 22), text);
    out
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 3).unwrap()
}

#[tokio::test]
async fn content_codings_are_decoded() {
    let cases = [
        ("gzip", gzip(CITY)),
        ("GZIP", gzip(CITY)),
        ("x-gzip", gzip(CITY)),
        ("deflate", zlib(CITY)),
        ("Deflate", deflate(CITY)),
        ("br", brotli(CITY)),
        ("zstd", zstd(CITY)),
        ("identity", CITY.to_vec()),
        ("gzip, br", brotli(&gzip(CITY))),
        ("br ,identity,GZip", gzip(&brotli(CITY))),
        ("deflate\r\ncontent-encoding: zstd, x-gzip", gzip(&zstd(&zlib(CITY)))),
    ];
    for (coding, body) in cases {
        let line = city(&format!("content-encoding: {coding}\r\n"), &body).await;
        assert_eq!((line.error(), &line.values[..]), ("ok", &[json!("Bern")][..]), "{coding}: {line:?}");
    }
}

#[tokio::test]
async fn gzip_members_are_read_and_trailing_bytes_ignored() {
    let (head, tail) = CITY.split_at(9);
    for after in [&b""[..], b"\0\0\0\0", b"garbage", &[0x1f, 0x00]] {
        let body = [&gzip(head)[..], &gzip(b""), &gzip(tail), after].concat();
        let line = city("content-encoding: gzip\r\n", &body).await;
        assert_eq!((line.error(), &line.values[..]), ("ok", &[json!("Bern")][..]), "{after:?}: {line:?}");
    }
    let frames = [zstd(head), zstd(tail)].concat();
    assert_eq!(city("content-encoding: zstd\r\n", &frames).await.values, [json!("Bern")]);
}

#[tokio::test]
async fn unknown_content_coding_fails_with_its_name() {
    for coding in ["compress", "gzip, exi", "dcz", "utf-8"] {
        let line = city(&format!("content-encoding: {coding}\r\n"), &gzip(CITY)).await;
        assert_eq!((line.error(), line.tries, line.status), ("extract", 1, 200), "{coding}");
        assert!(
            line.detail.contains(&format!("{:?}", coding.rsplit(' ').next().unwrap())),
            "{}",
            line.detail
        );
    }
    let line = city("content-encoding: gzip, gzip, gzip, gzip, gzip, gzip\r\n", &gzip(CITY)).await;
    assert_eq!(line.error(), "extract");
    // An empty body is empty whatever its content coding.
    for coding in ["compress", "gzip", "br", "zstd", "deflate"] {
        assert_eq!(
            city(&format!("content-encoding: {coding}\r\n"), b"").await.values,
            [json!(null)],
            "{coding}"
        );
        let line = respond(204, format!("content-encoding: {coding}\r\n").as_bytes(), b"", "").await;
        assert_eq!((line.error(), &line.values[..]), ("ok", &[json!(null)][..]));
    }
}

#[tokio::test]
async fn truncated_compressed_bodies_are_cut_and_corrupt_ones_unreadable() {
    let long: Vec<u8> =
        (0..2_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()).collect();
    for (coding, body) in [
        ("gzip", gzip(&long)),
        ("deflate", zlib(&long)),
        ("deflate", deflate(&long)),
        ("br", brotli(&long)),
        ("zstd", zstd(&long)),
    ] {
        let head = format!("content-encoding: {coding}\r\n");
        for length in [1, 5, body.len() / 2, body.len() - 1] {
            let line = city(&head, &body[..length]).await;
            assert_eq!((line.error(), line.tries), ("body_cut", 2), "{coding} after {length}: {line:?}");
        }
    }
    let mut checksum = gzip(CITY);
    *checksum.iter_mut().rev().nth(6).unwrap() ^= 1;
    for (coding, body) in [
        ("gzip", checksum),
        ("gzip", b"not gzip at all!".to_vec()),
        ("br", b"\xff\xff\xff\xff".to_vec()),
        ("zstd", CITY.to_vec()),
    ] {
        let line = city(&format!("content-encoding: {coding}\r\n"), &body).await;
        assert_eq!((line.error(), line.tries, line.status), ("extract", 1, 200), "{coding}: {line:?}");
    }
    // A zstd frame that asks for a window of 2 GiB.
    let line = city("content-encoding: zstd\r\n", b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00").await;
    assert_eq!(line.error(), "extract", "{line:?}");
}

#[tokio::test]
async fn size_cap_holds_at_every_decoding_step() {
    let zeros = vec![0; 1 << 20];
    let small = "max_response = \"100KB\"\n";
    for (coding, body) in [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("br", brotli(&zeros)),
        ("zstd", zstd(&zeros)),
        ("gzip, gzip", gzip(&gzip(&zeros))),
        // Undoing br makes many bytes, undoing gzip then makes none.
        ("gzip, br", brotli(&gzip(b"").repeat(50_000))),
    ] {
        assert!(body.len() < 100_000);
        let line = respond(200, format!("content-encoding: {coding}\r\n").as_bytes(), &body, small).await;
        assert_eq!((line.error(), line.tries), ("too_large", 1), "{coding}: {line:?}");
    }
}

#[tokio::test]
async fn requests_declare_the_accepted_codings() {
    let server = HttpServer::start(|_, _| response(200, ""));
    for (headers, expected) in [
        ("", Some("gzip, deflate, br, zstd")),
        ("headers = { accept-encoding = \"identity\" }", Some("identity")),
        ("headers = { range = \"bytes=0-9\" }", None),
    ] {
        Setup::lines(&job(headers), &[&server.url("/")]).build().await.done().await;
        assert_eq!(server.requests().last().unwrap().header("accept-encoding"), expected);
    }
}

#[tokio::test]
async fn text_is_decoded_with_the_declared_charset() {
    let text = |head: &'static [u8], body: &'static [u8]| async move { respond(200, head, body, "").await };
    for head in [
        &b"content-type: text/html; charset=ISO-8859-1\r\n"[..],
        b"Content-Type: text/plain; format=flowed; Charset=\"latin1\"\r\n",
        b"content-type: application/x-thing;charset=Windows-1252\r\n",
    ] {
        assert_eq!(text(head, b"Caf\xe9").await.values, [json!("Café")]);
    }
    assert_eq!(
        text(b"content-type: text/plain; charset=utf-16le\r\n", b"C\0\xe9\0").await.values,
        [json!("Cé")]
    );
    assert_eq!(
        text(b"content-type: text/plain; charset=Shift_JIS\r\n", b"\x83e").await.values,
        [json!("テ")]
    );
    assert_eq!(
        text(b"content-type: text/plain; charset=latin1\r\n", "\u{feff}é".as_bytes()).await.values,
        [json!("é")],
        "a mark is stronger"
    );
    assert_eq!(text(b"", "Café".as_bytes()).await.values, [json!("Café")]);
    assert_eq!(
        text(b"content-type: text/html\r\n", b"<meta charset=iso-8859-1>\xe9").await.values,
        [json!("<meta charset=iso-8859-1>é")]
    );

    let json =
        city("content-type: application/json; charset=ISO-8859-1\r\n", b"{\"city\":\"Gen\xe8ve\"}").await;
    assert_eq!(json.values, [json!("Genève")]);
    let utf_16 =
        city("content-type: application/json\r\n", b"\xff\xfe{\0\"\0c\0i\0t\0y\0\"\0:\0\"\0B\0\"\0}\0").await;
    assert_eq!(utf_16.values, [json!("B")]);
}

#[tokio::test]
async fn a_byte_order_mark_before_json_is_skipped() {
    assert_eq!(city("", b"\xef\xbb\xbf{\"city\":\"Bern\"}").await.values, [json!("Bern")]);
    let packed = gzip(b"\xef\xbb\xbf{\"city\":\"Bern\"}");
    assert_eq!(city("content-encoding: gzip\r\n", &packed).await.values, [json!("Bern")]);
}

#[tokio::test]
async fn bodies_that_are_not_text_fail() {
    for (head, body, why) in [
        (
            &b"content-type: image/png\r\n"[..],
            &b"\x89PNG\r\n"[..],
            "byte 1 (0x89) is not UTF-8, and image/png declares no charset",
        ),
        (b"", b"a\xffb\0", "byte 2 (0xff)"),
        (b"content-type: text/plain; charset=utf-8\r\n", b"Caf\xe9", "byte 4 (0xe9)"),
        (b"content-type: text/plain; charset=utf-7\r\n", b"Caf\xe9", "\"utf-7\""),
    ] {
        let line = respond(200, head, body, "").await;
        assert_eq!((line.error(), line.tries, line.status), ("extract", 1, 200), "{line:?}");
        assert!(
            line.detail.starts_with("the body is not text: ") && line.detail.contains(why),
            "{}",
            line.detail
        );
        // A job that does not use the body does not decode it.
        let line = respond(200, head, body, "[output]\ncolumns = { status = \"status\" }").await;
        assert_eq!((line.error(), &line.values[..]), ("ok", &[json!(200)][..]));
    }
}

#[tokio::test]
async fn refusal_details_are_decompressed_and_decoded() {
    let detail = |head: &'static str, body: Vec<u8>| async move {
        let line = respond(404, head.as_bytes(), &body, "").await;
        assert_eq!(line.error(), "http_404");
        line.detail
    };
    assert_eq!(
        detail("content-encoding: gzip, br\r\n", brotli(&gzip(b"no such city"))).await,
        "no such city"
    );
    assert_eq!(detail("content-type: text/plain; charset=latin1\r\n", b"Gen\xe8ve".to_vec()).await, "Genève");
    assert_eq!(
        detail("content-type: text/plain\r\n", b"Gen\xe8ve".to_vec()).await,
        "Genève",
        "a body without a declared charset is read as windows-1252"
    );
    let unread = "the response was 404 Not Found, with a body that is not text";
    assert_eq!(
        detail("content-type: image/png\r\n", b"\x89PNG".to_vec()).await,
        format!("{unread} (image/png)")
    );
    assert_eq!(
        detail("content-encoding: exi\r\n", b"\x89PNG".to_vec()).await,
        format!("{unread} (no Content-Type)")
    );
    // Only the first 64 KiB are read.
    let noise: Vec<u8> =
        (0..100_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
    let long = [&b"no such city "[..], &noise].concat();
    assert!(
        detail("content-type: text/plain\r\ncontent-encoding: gzip\r\n", gzip(&long))
            .await
            .starts_with("no such city ")
    );
}

#[tokio::test]
async fn html_instead_of_json_is_quoted() {
    let line = city(
        "content-type: text/html; charset=utf-8\r\n",
        format!("<html>\n <b>{}", "x".repeat(1000)).as_bytes(),
    )
    .await;
    assert_eq!((line.error(), line.tries), ("extract", 1));
    let quoted = line.detail.strip_prefix("the body is not JSON (text/html): ").unwrap();
    assert!(quoted.starts_with("<html> <b>xxx") && quoted.ends_with('…'), "{quoted}");
    assert_eq!(quoted.chars().count(), 200);
    let line = city("content-type: application/json\r\n", b"{\"city\": Bern}").await;
    assert!(line.detail.starts_with("the body is not JSON (application/json; "), "{}", line.detail);
    assert!(line.detail.ends_with(": {\"city\": Bern}"), "{}", line.detail);
    assert!(city("", b"hello").await.detail.ends_with("not JSON (no Content-Type): hello"));
}

#[tokio::test]
async fn header_values_keep_their_characters() {
    let columns = "[output]\ncolumns = { h = \"header.X-City\" }";
    assert_eq!(respond(200, b"x-city: Gen\xe8ve\r\n", b"", columns).await.values, [json!("Genève")]);
    assert_eq!(
        respond(200, "x-city: Genève\r\nX-City: Zürich\r\n".as_bytes(), b"", columns).await.values,
        [json!("Genève, Zürich")]
    );
}

/// The values of a line that succeeded, as they are in the store.
async fn stored(body: &str, columns: &str) -> String {
    let mut response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend_from_slice(body.as_bytes());
    let server = HttpServer::raw(Raw::Write(response));
    let url = server.url("/");
    let world = Setup::lines(&job(&format!("[output]\nformat = \"jsonl\"\ncolumns = {columns}")), &[&url])
        .build()
        .await;
    let lines = world.done().await;
    assert_eq!(lines[0].error(), "ok", "{}", lines[0].detail);
    let (_, results) = world.segments().await.into_iter().find(|(_, body)| !body.is_empty()).unwrap();
    job::LineResult::parse(&results)
        .unwrap()
        .v
        .unwrap()
        .iter()
        .map(|value| value.get())
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn numbers_keep_their_digits() {
    let body =
        r#"{"a": [12345678901234567890123, 12.50, 1.0, 1e400, -0, 1E5, 0.10], "b": 89014103211118510720}"#;
    assert_eq!(
        stored(body, r#"{ all = "$.a", b = "$.b" }"#).await,
        "[12345678901234567890123,12.50,1.0,1e400,-0,1E5,0.10] 89014103211118510720"
    );
    assert_eq!(
        stored(body, r#"{ some = "$.a[?@ > 12]", deep = "$..b" }"#).await,
        "[12345678901234567890123,12.50,1e400,1E5] 89014103211118510720"
    );
    assert_eq!(
        stored("[12.50, 1e400]", r#"{ whole = "body" }"#).await,
        r#""[12.50, 1e400]""#,
        "a CSV output keeps the text"
    );
}

#[tokio::test]
async fn invalid_json_values_do_not_affect_the_others() {
    let body = r#"{"city": "Bern", "x": NaN, "y": [-Infinity, 1], "z": "\ud83d!"}"#;
    let expected = r#""Bern" "NaN" ["-Infinity",1] "�!""#;
    assert_eq!(stored(body, r#"{ city = "$.city", x = "$.x", y = "$.y", z = "$.z" }"#).await, expected);
}

#[tokio::test]
async fn keys_special_to_serde_json_are_data() {
    let body = r#"[{"$serde_json::private::RawValue":"[1]"}]"#;
    assert_eq!(stored(body, r#"{ a = "$[0]['$serde_json::private::RawValue']" }"#).await, "\"[1]\"");
    let body = r#"{"$serde_json::private::Number":"x","a":1}"#;
    assert_eq!(stored(body, r#"{ a = "$.a" }"#).await, "1");
}

#[tokio::test]
async fn nested_matches_are_too_large() {
    let nested = format!("{}[{}1]{}", "{\"name\":".repeat(100), "1,".repeat(500_000), "}".repeat(100));
    for query in ["$..name", "$..[?@.name]"] {
        let columns = format!("[output]\ncolumns = {{ n = \"{query}\" }}");
        let line = respond(200, b"content-encoding: gzip\r\n", &gzip(nested.as_bytes()), &columns).await;
        assert_eq!((line.error(), line.tries), ("too_large", 1), "{query}");
        assert!(line.detail.contains("20971520 bytes"), "{}", line.detail);
    }
    // The values may have twice the bytes of the largest body.
    let columns = "max_response = \"2MB\"\n[output]\ncolumns = { a = \"body\", b = \"$\" }";
    assert_eq!(
        respond(200, b"", format!("[{}1]", "1,".repeat(900_000)).as_bytes(), columns).await.error(),
        "ok"
    );
}
