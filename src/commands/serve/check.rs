//! `throughline serve check`: whether a server would start, without starting it or changing anything.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use rustix::fs::statvfs;
use serve::{Keys, Settings};

use crate::exit::Exit;
use crate::local::{ServerAddress, ServerJobs};
use crate::text;

/// The bytes that must be free, for the store's first files and the next writes.
const ROOM: u64 = 64 << 20;

/// Prints a sentence for each thing that a start needs.
pub(super) fn print(folder: &Path, settings: &Settings) -> Exit {
    let findings = [
        settings_found(settings),
        folder_found(folder),
        address_found("the AWS APIs", settings.api, "--api"),
        address_found("the console", settings.console, "--console"),
        room(folder),
    ];
    for finding in &findings {
        match finding {
            Ok(said) => println!("ok: {said}"),
            Err(said) => println!("wrong: {said}"),
        }
    }
    if findings.iter().all(Result::is_ok) { Exit::Succeeded } else { Exit::Wrong }
}

fn settings_found(settings: &Settings) -> Result<String, String> {
    serve::check_settings(settings).map_err(|error| error.to_string())?;
    ServerJobs::check(settings)?;
    if let Some(watch) = settings.watches.iter().find(|watch| !watch.folder.is_dir()) {
        return Err(format!("the watched folder {} does not exist", watch.folder.display()));
    }
    Ok("the settings can be used".to_owned())
}

fn folder_found(folder: &Path) -> Result<String, String> {
    let shown = folder.display();
    if !folder.exists() {
        return Ok(format!("the state folder {shown} does not exist yet, and the first start makes it"));
    }
    serve::check_format(folder).map_err(|error| error.to_string())?;
    let server = ServerAddress::of_folder(folder).map_err(|error| error.to_string())?;
    if let Some(ServerAddress { url, .. }) = server {
        return Err(format!("a server uses the state folder {shown} now, at {url}"));
    }
    if folder.join(".serve/keys.toml").exists() {
        Keys::read(folder).map_err(|error| error.to_string())?;
        return Ok(format!("the state folder {shown} has the keys and the store of a server"));
    }
    Ok(format!("the state folder {shown} had no server yet"))
}

fn address_found(what: &str, address: SocketAddr, option: &str) -> Result<String, String> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(format!("{what} can listen at {address}")),
        Err(error) => {
            Err(format!("{what} cannot listen at {address}: {error}; {option} takes another address"))
        }
    }
}

/// Whether the disk has room for a server.
///
/// # Errors
/// When it has not.
pub(super) fn room(folder: &Path) -> Result<String, String> {
    let existing = folder.ancestors().find(|folder| folder.exists());
    let existing = existing.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match statvfs(existing) {
        Ok(facts) => {
            let free = facts.f_bavail.saturating_mul(facts.f_frsize);
            if free < ROOM {
                return Err(format!(
                    "the disk of {} has {} free, and a server needs at least {}: make room, or name another folder with \
                     --state",
                    existing.display(),
                    text::bytes(free),
                    text::bytes(ROOM)
                ));
            }
            Ok(format!("the disk of {} has {} free", existing.display(), text::bytes(free)))
        }
        Err(error) => Err(format!("{}: {error}", existing.display())),
    }
}
