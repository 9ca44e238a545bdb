//! The store over HTTP: what clients send after a body, presigned URLs, and names of buckets.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

use crate::server::{Client, Server};

const BUCKET: &str = "throughline";

#[tokio::test]
async fn a_checksum_after_the_body_is_verified_and_kept() {
    let server = Server::start();
    let (s3, path) = (server.client.s3(), server.scene.path("big.bin"));
    let content: Vec<u8> = (0..300_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&path, &content).unwrap();
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        // A file is streamed, and its checksum follows it.
        let body = ByteStream::from_path(&path).await.unwrap();
        let put = s3.put_object().bucket(BUCKET).key("big.bin").body(body);
        put.checksum_algorithm(algorithm.clone()).send().await.unwrap();
        let got = s3.get_object().bucket(BUCKET).key("big.bin").checksum_mode(ChecksumMode::Enabled);
        let got = got.send().await.unwrap();
        let sums = [
            got.checksum_crc32(),
            got.checksum_crc32_c(),
            got.checksum_crc64_nvme(),
            got.checksum_sha1(),
            got.checksum_sha256(),
        ];
        assert_eq!(sums.iter().flatten().count(), 1, "{algorithm}");
        assert_eq!(got.content_encoding(), None);
        assert!(got.body.collect().await.unwrap().to_vec() == content, "{algorithm}");
    }
}

/// Puts an object with a body in the form aws-chunked, and returns the status and the response.
async fn put_chunked(client: &Client, key: &str, trailer: &str, length: &str, body: &str) -> (u16, String) {
    const UNSIGNED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    let url = format!("http://{}/{BUCKET}/{key}", client.address);
    let mut request = http::Request::put(&url)
        .header("host", client.address.to_string())
        .header("x-amz-content-sha256", UNSIGNED)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", length)
        .header("x-amz-trailer", trailer)
        .body(())
        .unwrap();
    let identity = Credentials::new(&client.id, &client.secret, None, None, "tests").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| name != "x-amz-content-sha256")
        .collect();
    let named = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let signable =
        SignableRequest::new("PUT", &url, named, SignableBody::Precomputed(UNSIGNED.to_owned())).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    request.headers_mut().remove("x-amz-content-sha256");
    instructions.apply_to_request_http1x(&mut request);
    let mut sent = reqwest::Client::new().put(&url).body(body.to_owned());
    for (name, value) in request.headers() {
        sent = sent.header(name, value);
    }
    let response = sent.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_wrong_or_missing_checksum_after_the_body_leaves_no_object() {
    let server = Server::start();
    let (client, s3) = (&server.client, server.client.s3());
    let name = "x-amz-checksum-crc32";
    let right = format!("3\r\nabc\r\n0\r\n{name}:NSRBwg==\r\n\r\n");
    for (key, trailer, body, said) in [
        ("wrong", name, "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest"),
        ("missing", name, "3\r\nabc\r\n0\r\n\r\n", "InvalidRequest"),
        ("unknown", "x-amz-checksum-md9", "3\r\nabc\r\n0\r\nx-amz-checksum-md9:AA==\r\n\r\n", "md9"),
        ("cut", name, "3\r\nab", "IncompleteBody"),
    ] {
        let (status, response) = put_chunked(client, key, trailer, "3", body).await;
        assert!(status == 400 && response.contains(said), "{key}: {status} {response}");
        let head = s3.head_object().bucket(BUCKET).key(key).send().await;
        assert!(head.unwrap_err().into_service_error().is_not_found(), "{key}");
    }
    let (status, response) = put_chunked(client, "right", name, "3", &right).await;
    assert_eq!(status, 200, "{response}");
    let got = s3.get_object().bucket(BUCKET).key("right").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"abc");
}

#[tokio::test]
async fn presigned_urls_work_until_they_expire_and_for_what_they_name() {
    let server = Server::start();
    let (s3, http) = (server.client.s3(), reqwest::Client::new());
    let minute = || PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let put = s3.put_object().bucket(BUCKET).key("a b.txt").presigned(minute()).await.unwrap();
    assert_eq!(http.put(put.uri()).body("by URL").send().await.unwrap().status(), 200);
    let get = s3.get_object().bucket(BUCKET).key("a b.txt").presigned(minute()).await.unwrap();
    assert_eq!(http.get(get.uri()).send().await.unwrap().text().await.unwrap(), "by URL");
    let other = get.uri().replace("a%20b.txt", "c.txt");
    assert_eq!(http.get(other).send().await.unwrap().status(), 403);
    let old = PresigningConfig::builder()
        .start_time(SystemTime::now() - Duration::from_secs(120))
        .expires_in(Duration::from_secs(60))
        .build()
        .unwrap();
    let old = s3.get_object().bucket(BUCKET).key("a b.txt").presigned(old).await.unwrap();
    let response = http.get(old.uri()).send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert!(response.text().await.unwrap().contains("expired"));
}

#[tokio::test]
async fn a_name_that_no_bucket_can_have_is_refused_in_words() {
    let server = Server::start();
    for name in ["Upper", "a", "with_underscore", "192.168.1.1", "a..b"] {
        let made = server.client.s3().create_bucket().bucket(name).send().await;
        let error = aws_sdk_s3::error::DisplayErrorContext(made.unwrap_err()).to_string();
        assert!(
            error.contains("InvalidBucketName") && error.contains("a name has 3 to 63 lower-case letters"),
            "{name}: {error}"
        );
    }
}
