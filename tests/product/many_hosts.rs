//! More hosts than the process may have file descriptors.

use testing::{JobFile, Scene};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const HOSTS: usize = 2000;
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Servers that keep every connection open.
async fn hosts() -> Vec<u16> {
    let mut ports = Vec::new();
    for _ in 0..HOSTS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        ports.push(listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        stream.write_all(RESPONSE).await.unwrap();
                    }
                });
            }
        });
    }
    ports
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_hosts_are_asked_with_a_thousand_descriptors() {
    // The servers of this test need some, too.
    worker::raise_descriptors();
    let ports = hosts().await;
    let job = JobFile::get("{{ line }}").column("body", "body");
    let urls: String = ports.iter().map(|port| format!("http://127.0.0.1:{port}/\n")).collect();
    let scene = Scene::new(job, "urls.txt", urls);
    let limited = "ulimit -n 1024 && exec \"$0\" \"$@\"";
    let ran = tokio::task::spawn_blocking(move || {
        let binary = testing::binary();
        let args = ["-c", limited, binary.to_str().unwrap(), "run", "job.toml", "urls.txt", "-o", "out.csv"];
        scene.run_as("sh", &args).expect(0);
        scene.read("out.csv")
    });
    let output = ran.await.unwrap();
    assert_eq!(output.lines().filter(|line| line.ends_with(",ok,,")).count(), HOSTS, "{output}");
}
