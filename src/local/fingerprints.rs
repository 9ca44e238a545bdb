//! Fingerprints of the values of secrets, by which a run learns that a value has changed. Without the key of
//! the state folder they say nothing about the values.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use job::Job;
use worker::SecretSource;

use super::{LocalSecrets, StateDir};
use crate::exit::CliError;
use s3::file::open_private;

/// The hexadecimal digits of a fingerprint.
const DIGITS: usize = 16;

impl StateDir {
    /// A fingerprint of each secret of a job, by its name.
    ///
    /// # Errors
    /// When the key cannot be read or written, or a secret is not set.
    pub async fn fingerprints(&self, name: &str, job: &Job) -> Result<BTreeMap<String, String>, CliError> {
        let mut fingerprints = BTreeMap::new();
        if job.secrets.is_empty() {
            return Ok(fingerprints);
        }
        let key = self.fingerprint_key()?;
        for (secret, reference) in &job.secrets {
            let value = LocalSecrets.resolve(name, secret, reference).await;
            let value = value.map_err(|error| CliError::new(error.reason))?;
            let mut hasher = blake3::Hasher::new_keyed(&key);
            // Two secrets with the same value have different fingerprints.
            hasher.update(secret.as_bytes()).update(&[0]).update(value.reveal().as_bytes());
            fingerprints.insert(secret.clone(), hasher.finalize().to_hex()[..DIGITS].to_owned());
        }
        Ok(fingerprints)
    }

    /// The key of this state folder: 32 random bytes, which the first run with a secret writes.
    fn fingerprint_key(&self) -> Result<[u8; 32], CliError> {
        let path = self.folder.join(".fingerprint-key");
        let read = || -> io::Result<[u8; 32]> {
            let mut file = open_private(&path)?;
            // Another process may be writing it.
            file.lock()?;
            let mut key = Vec::new();
            file.read_to_end(&mut key)?;
            if let Ok(key) = key.try_into() {
                return Ok(key);
            }
            let key: [u8; 32] = rand::random();
            file.set_len(0)?;
            io::Seek::rewind(&mut file)?;
            file.write_all(&key)?;
            file.sync_all()?;
            Ok(key)
        };
        read().map_err(|error| CliError::at(&path, error))
    }
}
