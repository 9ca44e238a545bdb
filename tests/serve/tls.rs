//! A server with a certificate of its own.

use rcgen::{CertificateParams, KeyPair};
use reqwest::{Certificate, Client, StatusCode, Version};
use testing::Scene;

use crate::server::Server;

/// Writes a new certificate of this machine and its key, and returns a client that trusts nothing else.
fn certificate(scene: &Scene) -> Client {
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    // The key first: a pair that does not fit is never used.
    scene.write("key.pem", key.serialize_pem());
    scene.write("cert.pem", certificate.pem());
    let known = Certificate::from_pem(certificate.pem().as_bytes()).unwrap();
    let client = Client::builder().tls_certs_only([known]).redirect(reqwest::redirect::Policy::none());
    client.build().unwrap()
}

fn scene() -> Scene {
    let scene = Scene::new("", "in.txt", "");
    scene.write("serve.toml", "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ports_speak_tls_and_a_renewed_certificate_is_used_without_a_restart() {
    let scene = scene();
    let client = certificate(&scene);
    let server = Server::in_folder(scene);
    assert!(server.link.starts_with("https://127.0.0.1:"), "{}", server.link);
    let console = server.link.split("/sign-in").next().unwrap();
    let api = format!("https://{}/", server.client.address);
    let health = client.get(format!("{console}/healthz")).send().await.unwrap();
    assert_eq!((health.status(), health.version()), (StatusCode::OK, Version::HTTP_2));

    let body = "{}".to_owned();
    let signed = server.client.signed("ListStateMachines", &body);
    let mut request = client.post(&api).body(body);
    for (name, value) in signed.headers().iter().filter(|(name, _)| *name != "host") {
        request = request.header(name, value);
    }
    let listed = request.send().await.unwrap();
    assert_eq!(listed.status(), StatusCode::OK, "{}", listed.text().await.unwrap());

    let signed_in = client.get(&server.link).send().await.unwrap();
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("Secure"), "{cookie}");
    let plain = reqwest::get(format!("http://{}/", server.client.address)).await;
    assert!(plain.is_err(), "nothing is served without TLS");

    let renewed = certificate(&server.scene);
    let begun = std::time::Instant::now();
    while renewed.get(format!("{console}/healthz")).send().await.is_err() {
        assert!(begun.elapsed() < testing::DEADLINE, "the new certificate is never used");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // What is wrong now changes nothing.
    server.scene.write("cert.pem", "no certificate");
    assert!(renewed.get(format!("{console}/healthz")).send().await.is_ok());
}

#[test]
fn an_address_for_others_needs_a_certificate_and_a_wrong_one_is_named() {
    let scene = scene();
    let run =
        |args: &[&str]| scene.run(&[&["serve", "--config", "serve.toml"], args].concat()).expect(1).stderr;
    let missing = run(&["--api", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
    assert!(missing.contains("cert.pem"), "{missing}");
    scene.write("cert.pem", "nothing\n");
    let empty = run(&["--api", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
    assert!(empty.contains("cert.pem") && empty.contains("BEGIN CERTIFICATE"), "{empty}");
    let open = scene.run(&["serve", "--api", "0.0.0.0:0"]).expect(1).stderr;
    assert!(open.contains("not on loopback") && open.contains("[tls]"), "{open}");
    assert!(!scene.exists(".throughline"), "nothing was touched");
}
