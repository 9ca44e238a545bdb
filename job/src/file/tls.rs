//! `[tls]`: the certificate of the client, and the authorities that the job trusts besides the system's.

use toml::Spanned;

use super::JobError;
use super::check::File;
use super::secrets::SecretRef;
use super::syntax::TlsSyntax;

/// `[tls]`. Every value is a reference to PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// `certificate` with its chain, and `key`, by which the client says who it is.
    pub client: Option<[SecretRef; 2]>,
    /// `ca`: certificates of authorities that are trusted as those of the system are.
    pub ca: Option<SecretRef>,
}

impl Tls {
    /// The references with their keys in `[tls]`.
    pub fn references(&self) -> impl Iterator<Item = (&'static str, &SecretRef)> {
        let client = self.client.iter().flat_map(|client| ["certificate", "key"].into_iter().zip(client));
        client.chain(self.ca.as_ref().map(|ca| ("ca", ca)))
    }
}

impl File<'_> {
    pub(super) fn tls(&self, syntax: &TlsSyntax) -> Result<Tls, JobError> {
        let read = |reference: &Spanned<String>| self.value(reference, |text| SecretRef::parse(text));
        let client = match (&syntax.certificate, &syntax.key) {
            (Some(certificate), Some(key)) => Some([read(certificate)?, read(key)?]),
            (None, None) => None,
            (Some(alone), None) => {
                return Err(self.error(&alone.span(), "the certificate needs its key: add key"));
            }
            (None, Some(alone)) => {
                return Err(self.error(&alone.span(), "the key needs its certificate: add certificate"));
            }
        };
        Ok(Tls { client, ca: syntax.ca.as_ref().map(read).transpose()? })
    }
}
