//! Makes sure that a state folder belongs to the user alone, because its files decide where secrets are sent.

use std::fs::{self, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::lock::Purpose;
use crate::exit::CliError;
use s3::file::make_folder;

/// The folders in a state folder that hold the data of runs.
pub(super) const DATA_FOLDERS: [&str; 9] =
    ["jobs", "runs", "turns", "quotas", ".s3", ".journal", ".fresh", ".locks", ".serve"];

/// Creates the folder, private to the user. An existing folder is accepted if nobody else can have put
/// anything into it.
///
/// # Errors
/// When it is a link, belongs to another user, or is writable for others.
pub(super) fn secure(folder: &Path, purpose: Purpose) -> Result<(), CliError> {
    let option = purpose.option();
    if fs::symlink_metadata(folder).is_err() {
        // Its error names the path.
        make_folder(folder).map_err(|error| CliError::new(error.to_string()))?;
    }
    let meta = own_folder(folder, option)?;
    let known = folder.join(".s3").is_dir();
    let empty = fs::read_dir(folder).map_err(|error| CliError::at(folder, error))?.next().is_none();
    if meta.mode() & 0o022 != 0 && !empty {
        return Err(refused(
            folder,
            "others may write to it, and may have put a run into it that sends your secrets to them",
            &format!(
                "make sure that everything in it is yours, then run `chmod -R go-w` on it; or name another folder with {option}"
            ),
        ));
    }
    // A folder that also holds other files keeps its permissions. The data folders in it are private anyway.
    if known || empty {
        make_private(folder, &meta)?;
    }
    for name in DATA_FOLDERS {
        let own = folder.join(name);
        if fs::symlink_metadata(&own).is_ok() {
            let meta = own_folder(&own, option)?;
            make_private(&own, &meta)?;
        }
    }
    Ok(())
}

/// The metadata of a folder, which must belong to the user.
fn own_folder(folder: &Path, option: &str) -> Result<Metadata, CliError> {
    let meta = fs::symlink_metadata(folder).map_err(|error| CliError::at(folder, error))?;
    if meta.is_symlink() {
        return Err(refused(
            folder,
            "it is a link",
            &format!("name the folder that it leads to with {option}"),
        ));
    }
    if !meta.is_dir() {
        return Err(refused(folder, "it is not a folder", &format!("name another one with {option}")));
    }
    let ours = rustix::process::geteuid().as_raw();
    // As in git, root may use the folder of the user who called sudo.
    let caller = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok()).filter(|_| ours == 0);
    if meta.uid() != ours && Some(meta.uid()) != caller {
        return Err(refused(
            folder,
            &format!("it belongs to the user {}, and not to you ({ours})", meta.uid()),
            &format!(
                "if you trust everything in it, run `chown -R` on it; or name another folder with {option}"
            ),
        ));
    }
    Ok(meta)
}

/// Takes all permissions from other users.
fn make_private(folder: &Path, meta: &Metadata) -> Result<(), CliError> {
    if meta.mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(folder, Permissions::from_mode(meta.mode() & 0o700))
        .map_err(|error| CliError::at(folder, error))
}

fn refused(folder: &Path, why: &str, remedy: &str) -> CliError {
    CliError::new(format!("{} is not used as a state folder: {why}; {remedy}", folder.display()))
}
