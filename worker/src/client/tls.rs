//! The TLS of a run: the authorities that it trusts, and the client's own certificate.

use std::sync::Arc;

use job::file::secrets::Secret;
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;

/// What a job adds to the TLS of the system.
#[derive(Default)]
pub(crate) struct JobTls {
    /// Authorities besides those of the system.
    pub(crate) roots: Vec<CertificateDer<'static>>,
    /// The client's certificate with its chain, and its key.
    pub(crate) client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    /// HTTP/2 is not offered.
    pub(crate) http1: bool,
}

/// Reads the system's certificates.
pub(super) fn config(job: JobTls) -> Result<ClientConfig, rustls::Error> {
    let provider =
        CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    let verifier = Verifier::new_with_extra_roots(job.roots, provider.clone())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match job.client {
        Some((chain, key)) => config.with_client_auth_cert(chain, key)?,
        None => config.with_no_client_auth(),
    };
    let protocols: &[&str] = if job.http1 { &["http/1.1"] } else { &["h2", "http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(config)
}

/// The certificates of a PEM text.
///
/// # Errors
/// In words, when there is none.
pub(crate) fn certificates(pem: &Secret) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.reveal().as_bytes()).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err("it has no PEM certificate (-----BEGIN CERTIFICATE-----)".to_owned()),
        Err(error) => Err(format!("it is not PEM: {error}")),
    }
}

/// The private key of a PEM text.
///
/// # Errors
/// In words, when there is none that is not encrypted.
pub(crate) fn private_key(pem: &Secret) -> Result<PrivateKeyDer<'static>, String> {
    if pem.reveal().contains("ENCRYPTED") {
        return Err("it is encrypted: write it without a passphrase (openssl pkey -in key.pem)".to_owned());
    }
    PrivateKeyDer::from_pem_slice(pem.reveal().as_bytes())
        .map_err(|_| "it has no PEM private key (-----BEGIN PRIVATE KEY-----)".to_owned())
}

/// Checks the PEM of a key of `[tls]`.
///
/// # Errors
/// In words, what is wrong with it.
pub fn check_pem(key: &str, pem: &Secret) -> Result<(), String> {
    let found = if key == "key" { private_key(pem).map(drop) } else { certificates(pem).map(drop) };
    found.map_err(|reason| format!("[tls] {key} cannot be used: {reason}"))
}
