//! The certificate of a server, which is read again when its files change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The files are looked at when a connection comes, and at most this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A certificate with its key, as files in PEM.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    read: Mutex<Read>,
}

struct Read {
    looked: Instant,
    changed: [Option<SystemTime>; 2],
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When a file cannot be read, or the key does not belong to the certificate. The message names the file.
    pub fn open(certificate: &Path, key: &Path) -> io::Result<Self> {
        let read = Read {
            looked: Instant::now(),
            changed: [changed(certificate), changed(key)],
            config: config(certificate, key)?,
        };
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), read: Mutex::new(read) })
    }

    /// What a new connection uses. Files that are wrong now change nothing.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.looked.elapsed() >= LOOK_EVERY {
            read.looked = Instant::now();
            let now = [changed(&self.certificate), changed(&self.key)];
            if now != read.changed {
                match config(&self.certificate, &self.key) {
                    Ok(config) => (read.config, read.changed) = (config, now),
                    Err(error) => tracing::warn!(%error, "the certificate before stays in use"),
                }
            }
        }
        read.config.clone()
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|facts| facts.modified()).ok()
}

fn config(certificate: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let at = |path: &Path, error: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| at(certificate, &error))?;
    if chain.is_empty() {
        return Err(at(certificate, &"it has no certificate in PEM (BEGIN CERTIFICATE)"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, &error))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| at(certificate, &error))?;
    let config = builder.with_no_client_auth().with_single_cert(chain, secret);
    let mut config = config.map_err(|error| at(certificate, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
