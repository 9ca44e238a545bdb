//! Where the server of a state folder is, for other commands.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::lock::{Lock, Purpose};
use super::ownership;
use crate::exit::CliError;

/// The address of the server that uses a state folder. It is on loopback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerAddress {
    /// The URL of its AWS APIs.
    pub url: String,
    /// Its Region.
    pub region: String,
}

impl ServerAddress {
    /// The server that uses a state folder now, unless it serves with TLS, whose certificate may have any name.
    ///
    /// # Errors
    /// When the lock of the folder cannot be read.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>, CliError> {
        if !folder.is_dir()
            || !Lock::is_held(folder, "server", "").map_err(|error| CliError::at(folder, error))?
        {
            return Ok(None);
        }
        // Nobody else may say where jobs and inputs are sent.
        ownership::secure(folder, Purpose::Runs)?;
        Ok(Lock::server_of(folder).filter(Self::is_on_loopback))
    }

    fn is_on_loopback(&self) -> bool {
        let address =
            self.url.strip_prefix("http://").and_then(|rest| rest.parse::<std::net::SocketAddr>().ok());
        address.is_some_and(|address| address.ip().is_loopback())
    }
}
