//! The servers of `--s3-port` and `--port` refuse browsers and unsigned requests.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use testing::{DEADLINE, Running, Scene, closed_port, wait_until};

const KEY: &str = "local";
const SECRET: &str = "any-secret";

/// A run whose functions never respond, and its store.
struct Store {
    address: SocketAddr,
    _running: Running,
    _functions: TcpListener,
    _scene: Scene,
}

impl Store {
    fn start() -> Self {
        let functions = TcpListener::bind("127.0.0.1:0").unwrap();
        let scene = Scene::new("[request]\nurl = \"http://127.0.0.1/{{ line }}\"\n", "in.txt", "a\n");
        let (address, url) = (closed_port(), format!("http://{}", functions.local_addr().unwrap()));
        let args =
            ["run", "job.toml", "in.txt", "--functions", &url, "--s3-port", &address.port().to_string()];
        let environment =
            [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", "eu-west-1")];
        let running = scene.start_with(&args, |command| _ = command.envs(environment));
        wait_until("the store is served", || TcpStream::connect(address).is_ok());
        Self { address, _running: running, _functions: functions, _scene: scene }
    }

    fn client(&self, region: &'static str) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static(region))
            .endpoint_url(format!("http://{}", self.address))
            .force_path_style(true)
            .credentials_provider(Credentials::new(KEY, SECRET, None, None, "tests"));
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

/// The response to this head, up to the end of the connection.
fn ask(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signature_covers_every_relevant_header() {
    let store = Store::start();
    let client = store.client("eu-west-1");
    let put = |key: &str, text: &'static str| {
        client.put_object().bucket("throughline").key(key).body(ByteStream::from_static(text.as_bytes()))
    };
    put("a.txt", "secret").send().await.unwrap();
    let presigned = put("b.txt", "")
        .presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap())
        .await
        .unwrap();
    let http = reqwest::Client::new();
    let request = || {
        presigned
            .headers()
            .fold(http.put(presigned.uri()), |request, (name, value)| request.header(name, value))
            .body("own")
    };
    for (name, value) in [
        ("x-amz-copy-source", "/throughline/a.txt"),
        ("x-amz-meta-a", "b"),
        ("x-amz-checksum-crc32", "AAAAAA=="),
    ] {
        let response = request().header(name, value).send().await.unwrap();
        assert_eq!(response.status(), 403, "{name}");
        let said = response.text().await.unwrap();
        assert!(said.contains("<Code>AccessDenied</Code>") && said.contains(name), "{said}");
    }
    assert!(
        client.get_object().bucket("throughline").key("b.txt").send().await.is_err(),
        "nothing was written"
    );
    assert_eq!(request().send().await.unwrap().status(), 200, "as it was signed it holds");
    let written = client.get_object().bucket("throughline").key("b.txt").send().await.unwrap();
    assert_eq!(written.body.collect().await.unwrap().to_vec(), b"own");
    // Two signatures, none, and one of another kind.
    let both = request().header(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=a/b/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0",
    );
    assert_eq!(both.send().await.unwrap().status(), 400);
    for authorization in [None, Some("AWS local:c2lnbmF0dXJl")] {
        let request = http.get(format!("http://{}/throughline/a.txt", store.address));
        let request =
            authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
        assert_eq!(request.send().await.unwrap().status(), 403, "{authorization:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signature_is_valid_for_one_region_and_one_service() {
    let store = Store::start();
    let error =
        store.client("us-east-1").get_object().bucket("throughline").key("a.txt").send().await.unwrap_err();
    let error = error.into_service_error();
    let meta = aws_sdk_s3::error::ProvideErrorMetadata::meta(&error);
    assert_eq!(meta.code(), Some("AuthorizationHeaderMalformed"));
    assert!(meta.message().unwrap().contains("expecting \"eu-west-1\""), "{meta:?}");
    let authorization = "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=0";
    let response = reqwest::Client::new()
        .get(format!("http://{}/throughline/a.txt", store.address))
        .header("authorization", authorization);
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.text().await.unwrap().contains("the service"));
}

#[test]
fn browser_pages_are_refused_under_every_host_name() {
    let store = Store::start();
    let scene = Scene::new("", "in.txt", "");
    scene.write(
        "wait.json",
        r#"{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:us-east-1:000000000000:activity:a","End":true}}}"#,
    );
    let api = closed_port();
    let _running = scene.start(&["states", "run", "wait.json", "--port", &api.port().to_string()]);
    wait_until("the API is served", || TcpStream::connect(api).is_ok());
    let target = "x-amz-target: AWSStepFunctions.SendTaskHeartbeat\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    for address in [store.address, api] {
        for head in [
            "host: rebound.example.com\r\n",
            "host: rebound.example.com:80\r\n",
            "",
            "host: 127.0.0.1\r\norigin: http://rebound.example.com\r\n",
        ] {
            let response = ask(address, &format!("POST / HTTP/1.1\r\n{head}{target}"));
            assert!(
                response.starts_with("HTTP/1.1 403") || response.starts_with("HTTP/1.1 400"),
                "{head}: {response}"
            );
        }
        let response = ask(
            address,
            &format!("POST http://rebound.example.com/ HTTP/1.1\r\nhost: 127.0.0.1\r\n{target}"),
        );
        assert!(response.starts_with("HTTP/1.1 403"), "{response}");
    }
    let response = ask(api, &format!("POST / HTTP/1.1\r\nhost: localhost:{}\r\n{target}", api.port()));
    assert!(response.contains("InvalidToken"), "{response}");
}

#[test]
fn a_connection_without_a_request_is_closed() {
    let store = Store::start();
    for head in ["", "GET / HTTP/1.1\r\nhost: localhost\r\n", "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
        let mut stream = TcpStream::connect(store.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let ended = stream.read_to_end(&mut Vec::new());
        assert!(
            ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset),
            "{head:?}: it is still open"
        );
    }
}
