//! HTTP/2 servers that name the requests they have not processed: these are sent again with any method, and no others.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use testing::{HttpServer, Scene, column};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::tls;

const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Which requests a server does not process.
#[derive(Clone, Copy)]
enum Refuses {
    /// Streams after the nth of a connection: a GOAWAY frame with this reason names the last, as nginx does.
    Above(u32, u32),
    /// Every nth stream.
    Every(u32),
}

/// A server of HTTP/2 over TLS. A request is its body: the frames of its head are not read.
struct Server {
    server: HttpServer,
    certificate: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// By body.
    processed: Mutex<HashMap<String, u32>>,
    refused: Mutex<u32>,
}

impl Server {
    fn start(refuses: Refuses) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let acceptor = tls::acceptor(certificate.der().clone(), &key, &[b"h2"]);
        let counts = Arc::<Counts>::default();
        let counted = counts.clone();
        let server = HttpServer::connections(move |stream| {
            let (acceptor, counts) = (acceptor.clone(), counted.clone());
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                // The client hangs up when it likes.
                let _ = serve(stream, refuses, &counts).await;
            }
        });
        Self { server, certificate: certificate.pem(), counts }
    }
}

/// One connection. Responses to the streams that it processes come in bursts, so that requests are under way when it refuses.
async fn serve(mut stream: TlsStream<TcpStream>, refuses: Refuses, counts: &Counts) -> std::io::Result<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    stream.write_all(&frame(4, 0, 0, &[])).await?;
    let (mut streams, mut last) = (0, 0);
    let mut refused = HashSet::new();
    let mut bodies: HashMap<u32, Vec<u8>> = HashMap::new();
    let mut waiting: Vec<u32> = Vec::new();
    let mut burst = tokio::time::interval(Duration::from_millis(5));
    let mut pending = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        tokio::select! {
            _ = burst.tick() => {
                for id in waiting.drain(..) {
                    let body = String::from_utf8(bodies.remove(&id).unwrap_or_default()).unwrap();
                    *counts.processed.lock().unwrap().entry(body).or_default() += 1;
                    // `:status: 200` of the static table.
                    stream.write_all(&[frame(1, 4, id, &[0x88]), frame(0, 1, id, b"ok")].concat()).await?;
                }
            }
            read = stream.read(&mut buffer) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                pending.extend_from_slice(&buffer[..read]);
            }
        }
        while let Some((kind, flags, id, payload)) = next(&mut pending) {
            match kind {
                4 if flags & 1 == 0 => stream.write_all(&frame(4, 1, 0, &[])).await?,
                6 if flags & 1 == 0 => stream.write_all(&frame(6, 1, 0, &payload)).await?,
                1 => {
                    streams += 1;
                    match refuses {
                        Refuses::Above(most, reason) if streams > most => {
                            if last == 0 {
                                last = 2 * most - 1;
                                stream
                                    .write_all(&frame(
                                        7,
                                        0,
                                        0,
                                        &[last.to_be_bytes(), reason.to_be_bytes()].concat(),
                                    ))
                                    .await?;
                            }
                            refused.insert(id);
                            *counts.refused.lock().unwrap() += 1;
                        }
                        Refuses::Every(nth) if streams % nth == 0 => {
                            stream.write_all(&frame(3, 0, id, &REFUSED_STREAM.to_be_bytes())).await?;
                            refused.insert(id);
                            *counts.refused.lock().unwrap() += 1;
                        }
                        _ => {}
                    }
                }
                0 if !refused.contains(&id) => bodies.entry(id).or_default().extend(payload),
                _ => {}
            }
            if matches!(kind, 0 | 1) && flags & 1 == 1 && !refused.contains(&id) {
                waiting.push(id);
            }
        }
        // A write leaves in the buffer of TLS what the socket does not take at once, for example because the task
        // has used up its turn.
        stream.flush().await?;
    }
}

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat()
}

fn next(bytes: &mut Vec<u8>) -> Option<(u8, u8, u32, Vec<u8>)> {
    let head: [u8; 9] = bytes.get(..9)?.try_into().unwrap();
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let payload = bytes.get(9..9 + length)?.to_vec();
    bytes.drain(..9 + length);
    Some((head[3], head[4], u32::from_be_bytes(head[5..].try_into().unwrap()) & 0x7fff_ffff, payload))
}

#[track_caller]
fn each_line_is_processed_once(refuses: Refuses) {
    const LINES: u32 = 600;
    let server = Server::start(refuses);
    let job = format!(
        "[request]\nmethod = \"POST\"\nurl = \"https://localhost:{}/\"\nbody = \"{{{{ line }}}}\"\nallow = [\"localhost\"]\n\
         [retry]\nattempts = 1\n[limits.default]\nrate = \"unlimited\"\nin_flight = 20\n",
        server.server.port()
    );
    let scene = Scene::new(&job, "lines.txt", (1..=LINES).map(|n| format!("{n}\n")).collect::<String>());
    scene.write("trusted.pem", &server.certificate);
    let args = ["run", "job.toml", "lines.txt", "-o", "out.csv"];
    let ran = scene.run_with(&args, |command| {
        _ = command.env("SSL_CERT_FILE", "trusted.pem").env_remove("SSL_CERT_DIR")
    });
    let output = scene.read("out.csv");
    let failed: Vec<_> =
        column(&output, "error_detail").into_iter().filter(|detail| !detail.is_empty()).take(3).collect();
    assert!(failed.is_empty(), "{failed:?}");
    ran.expect(0);
    assert!(*server.counts.refused.lock().unwrap() > 0, "nothing was refused");
    let processed = server.counts.processed.lock().unwrap();
    assert_eq!(processed.len(), LINES as usize);
    assert!(processed.values().all(|times| *times == 1), "{processed:?}");
}

#[test]
fn goaway_sends_unprocessed_requests_again() {
    each_line_is_processed_once(Refuses::Above(50, NO_ERROR));
    each_line_is_processed_once(Refuses::Above(7, NO_ERROR));
}

#[test]
fn goaway_with_an_error_sends_unprocessed_requests_again_too() {
    each_line_is_processed_once(Refuses::Above(50, ENHANCE_YOUR_CALM));
}

#[test]
fn a_refused_stream_is_sent_again() {
    each_line_is_processed_once(Refuses::Every(13));
}
