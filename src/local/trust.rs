//! Whose a state folder is: what lies in it decides where secrets go, so it must be the user's alone.

use std::fs::{self, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::exit::CliError;
use s3::file::make_folder;

/// What runs keep in the folder, each a folder itself.
const OWN: [&str; 5] = ["jobs", "runs", ".s3", ".journal", ".fresh"];

/// Makes the folder, private to the user, or takes one that is there if nobody else can have put anything into it.
///
/// # Errors
/// When it is a link, another user's, or one that others may write.
pub(super) fn check(folder: &Path) -> Result<(), CliError> {
    if fs::symlink_metadata(folder).is_err() {
        // Its error names the path.
        make_folder(folder).map_err(|error| CliError::new(error.to_string()))?;
    }
    let meta = look(folder)?;
    let known = folder.join(".s3").is_dir();
    let empty = fs::read_dir(folder).map_err(|error| CliError::at(folder, error))?.next().is_none();
    if meta.mode() & 0o022 != 0 && !empty {
        return Err(refused(
            folder,
            "others may write to it, and may have planted a run that sends your secrets elsewhere",
            "make sure that all in it is yours, then `chmod -R go-w` it; or name another folder with --state",
        ));
    }
    // A folder that holds other things, too, keeps its permissions: what runs keep there is private by itself.
    if known || empty {
        tighten(folder, &meta)?;
    }
    for name in OWN {
        let own = folder.join(name);
        if fs::symlink_metadata(&own).is_ok() {
            let meta = look(&own)?;
            tighten(&own, &meta)?;
        }
    }
    Ok(())
}

/// A folder that is the user's own.
fn look(folder: &Path) -> Result<Metadata, CliError> {
    let meta = fs::symlink_metadata(folder).map_err(|error| CliError::at(folder, error))?;
    if meta.is_symlink() {
        return Err(refused(folder, "it is a link", "name the folder that it leads to with --state"));
    }
    if !meta.is_dir() {
        return Err(refused(folder, "it is no folder", "name another one with --state"));
    }
    let ours = rustix::process::geteuid().as_raw();
    // As git does it: root may use the folder of the user who called sudo.
    let caller = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok()).filter(|_| ours == 0);
    if meta.uid() != ours && Some(meta.uid()) != caller {
        return Err(refused(
            folder,
            &format!("it belongs to the user {}, and not to you ({ours})", meta.uid()),
            "make it yours with `chown -R`, if you trust all in it; or name another folder with --state",
        ));
    }
    Ok(meta)
}

/// Nobody else may read it from now on.
fn tighten(folder: &Path, meta: &Metadata) -> Result<(), CliError> {
    if meta.mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(folder, Permissions::from_mode(meta.mode() & 0o700))
        .map_err(|error| CliError::at(folder, error))
}

fn refused(folder: &Path, why: &str, remedy: &str) -> CliError {
    CliError::new(format!("{} is not used as a state folder: {why}; {remedy}", folder.display()))
}
