//! Certificates that must not be accepted.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use testing::{HttpServer, Scene, column};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// An authority with its key.
pub type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A server with a certificate.
struct Server(HttpServer);

/// Accepts connections with this certificate, for these protocols above TLS.
pub fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair, protocols: &[&[u8]]) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A certificate of an authority for `localhost`, and its key.
pub fn for_localhost(issuer: &Issuer) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, issuer);
    (certificate.unwrap().der().clone(), key)
}

/// Serves connections that are made above TLS. Whoever does not trust the certificate, or is not trusted, hangs up.
pub fn serve<F: Future<Output = ()> + Send + 'static>(
    acceptor: TlsAcceptor,
    serve: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
) -> HttpServer {
    HttpServer::connections(move |stream| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
}

/// Reads the head of a request.
pub async fn read_head(stream: &mut TlsStream<TcpStream>) -> String {
    let mut head = [0; 4096];
    let length = stream.read(&mut head).await.unwrap_or(0);
    String::from_utf8_lossy(&head[..length]).into_owned()
}

/// Responds with 200 and this body, and closes the connection.
pub async fn respond(mut stream: TlsStream<TcpStream>, body: &str) {
    let length = body.len();
    let response = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    let _ = stream.write_all(response.as_bytes()).await;
    let _ = stream.shutdown().await;
}

impl Server {
    fn start(certificate: CertificateDer<'static>, key: &KeyPair) -> Self {
        Self(serve(acceptor(certificate, key, &[]), |mut stream| async move {
            read_head(&mut stream).await;
            respond(stream, "ok").await;
        }))
    }

    /// With a certificate for `name`, changed, and issued by `issuer`.
    fn issued(issuer: &Issuer, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        Self::start(params.signed_by(&key, issuer).unwrap().der().clone(), &key)
    }

    fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self::start(certificate.der().clone(), &key)
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/", self.0.port())
    }
}

/// An authority that signs certificates.
pub fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn only_a_valid_certificate_is_accepted() {
    let (trusted, unknown) = (authority("trusted"), authority("unknown"));
    let servers = [
        Server::issued(&trusted, "localhost", |_| ()),
        Server::issued(&trusted, "localhost", |params| params.not_after = date_time_ymd(2020, 1, 1)),
        Server::issued(&trusted, "localhost", |params| params.not_before = date_time_ymd(2999, 1, 1)),
        Server::issued(&trusted, "elsewhere.example", |_| ()),
        Server::issued(&unknown, "localhost", |_| ()),
        Server::self_signed("localhost"),
    ];
    let job = "[request]\nurl = \"{{ line }}\"\nallow = [\"localhost\"]\n[retry]\nattempts = 3\n[limits.default]\nrate = \"unlimited\"\n";
    let scene =
        Scene::new(job, "urls.txt", servers.iter().map(|server| server.url() + "\n").collect::<String>());
    scene.write("trusted.pem", trusted.pem());
    let args = ["run", "job.toml", "urls.txt", "-o", "out.csv"];
    scene
        .run_with(&args, |command| _ = command.env("SSL_CERT_FILE", "trusted.pem").env_remove("SSL_CERT_DIR"))
        .expect(2);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "error"), ["", "tls", "tls", "tls", "tls", "tls"]);
    let details = column(&output, "error_detail");
    for (detail, words) in details.iter().zip(["", "xpired", "alid", "name", "ssuer", "ssuer"]) {
        assert!(detail.contains(words), "{words}: {details:#?}");
    }
    assert!(
        scene.read("out.report.json").contains("\"requests\": 1,"),
        "a failed handshake is not a request"
    );
}

#[test]
fn late_bytes_over_tls_are_not_a_response() {
    const LINES: usize = 100;
    let trusted = authority("trusted");
    let (certificate, key) = for_localhost(&trusted);
    let server = serve(acceptor(certificate, &key, &[b"http/1.1"]), |stream| async move {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            let path = line.split(' ').nth(1).unwrap().to_owned();
            while line != "\r\n" {
                line.clear();
                let _ = stream.read_line(&mut line).await;
            }
            line.clear();
            let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len());
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = stream.flush().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil").await;
            let _ = stream.flush().await;
        }
    });
    let job = "[request]\nurl = \"{{ line }}\"\nallow = [\"localhost\"]\n[output]\ncolumns = { body = \"body\" }\n\
               [limits.default]\nrate = \"unlimited\"\nin_flight = 2\n";
    let urls = (1..=LINES).map(|n| format!("https://localhost:{}/{n}\n", server.port())).collect::<String>();
    let scene = Scene::new(job, "urls.txt", urls);
    scene.write("trusted.pem", trusted.pem());
    let args = ["run", "job.toml", "urls.txt", "-o", "out.csv"];
    scene
        .run_with(&args, |command| _ = command.env("SSL_CERT_FILE", "trusted.pem").env_remove("SSL_CERT_DIR"))
        .expect(0);
    let own: Vec<_> = (1..=LINES).map(|n| format!("/{n}")).collect();
    assert_eq!(column(&scene.read("out.csv"), "body"), own);
}
