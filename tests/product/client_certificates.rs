//! `[tls]`: the certificate of the client, and the authorities of the job.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use testing::{HttpServer, JobFile, Scene, column};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::tls::{self, Issuer, authority};

fn issued(issuer: &Issuer, name: &str) -> (String, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, issuer).unwrap();
    (certificate.pem(), key)
}

/// A server that responds with 200 to whoever has a certificate of the authority.
fn server(issuer: &Issuer) -> HttpServer {
    let (certificate, key) = tls::for_localhost(issuer);
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    let clients =
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_client_cert_verifier(clients).with_single_cert(vec![certificate], key).unwrap();
    tls::serve(TlsAcceptor::from(Arc::new(config)), |mut stream| async move {
        tls::read_head(&mut stream).await;
        tls::respond(stream, "{}").await;
    })
}

fn scene(server: &HttpServer, tls: &str) -> Scene {
    let url = format!("https://localhost:{}/{{{{ id }}}}", server.port());
    let job =
        JobFile::get(url).unlimited(format!("localhost:{}", server.port())).tables(format!("[tls]\n{tls}"));
    Scene::new(job, "in.csv", "id\n1\n2\n")
}

#[test]
fn a_client_shows_its_certificate_and_trusts_the_authority_of_the_job() {
    let issuer = authority("of the test");
    let server = server(&issuer);
    let (certificate, key) = issued(&issuer, "client.example");
    let all = "certificate = \"file:client.pem\"\nkey = \"env:CLIENT_KEY\"\nca = \"file:ca.pem\"";
    let run = |tls: &str, code: i32| {
        let scene = scene(&server, tls);
        scene.write("client.pem", &certificate);
        scene.write("ca.pem", issuer.pem());
        let args = ["run", "job.toml", "in.csv", "-o", "out.csv"];
        scene.run_with(&args, |command| _ = command.env("CLIENT_KEY", key.serialize_pem())).expect(code);
        column(&scene.read("out.csv"), "error")
    };
    assert_eq!(run(all, 0), ["", ""]);
    let refused = run("ca = \"file:ca.pem\"", 2);
    assert!(refused.iter().all(|error| !error.is_empty()), "without a certificate: {refused:?}");
    let without_ca = all.lines().take(2).collect::<Vec<_>>().join("\n");
    assert_eq!(run(&without_ca, 2), ["tls", "tls"], "an authority that the system does not know");
}

#[test]
fn what_is_no_certificate_is_refused_with_its_place() {
    let issuer = authority("of the test");
    let server = server(&issuer);
    let (certificate, _) = issued(&issuer, "client.example");
    for (tls, what) in [
        ("certificate = \"file:client.pem\"", "the certificate needs its key: add key"),
        ("key = \"file:client.pem\"", "the key needs its certificate: add certificate"),
        ("ca = \"file:none.pem\"", "cannot be read from none.pem"),
        ("ca = \"file:in.csv\"", "[tls] ca cannot be used: it has no PEM certificate"),
        (
            "certificate = \"file:client.pem\"\nkey = \"file:client.pem\"",
            "[tls] key cannot be used: it has no PEM private key",
        ),
        ("ca = \"-----BEGIN\"", "a secret is a reference"),
    ] {
        let scene = scene(&server, tls);
        scene.write("client.pem", &certificate);
        let stderr = scene.run(&["run", "job.toml", "in.csv"]).expect(1).stderr;
        assert!(stderr.contains(what), "{tls}: {stderr}");
    }
    assert_eq!(server.connection_count(), 0);
}
