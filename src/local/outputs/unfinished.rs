//! A file that is being written under a name of its own, and takes the place of another when it is whole.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use super::sink::folder_of;
use s3::file::no_follow;

/// The file under its passing name. Its lock tells other processes that somebody is writing it; dropped unfinished, it is
/// removed.
pub(super) struct Unfinished {
    pub(super) file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Unfinished {
    /// Makes an empty file in the folder of `target`, with the permissions that `target` has, or will have. What processes
    /// that have died left of the same target goes.
    pub(super) fn create(target: &Path) -> io::Result<Self> {
        let folder = folder_of(target);
        let prefix = prefix(target);
        sweep(folder, &prefix);
        let before = fs::symlink_metadata(target).ok().filter(fs::Metadata::is_file);
        let mode = before.as_ref().map_or(0o666, |meta| meta.mode() & 0o777);
        loop {
            let path = folder.join(format!("{prefix}{}", uuid::Uuid::new_v4().simple()));
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .custom_flags(no_follow())
                .open(&path)?;
            let unfinished = Self { file, path, target: target.to_owned() };
            // File systems without locks have no sweeps either.
            let _ = unfinished.file.lock();
            if unfinished.file.metadata()?.nlink() == 0 {
                // Swept between its making and its lock.
                continue;
            }
            if let Some(before) = before {
                // Only root can give files away; everybody else owns what he replaces, or shares it by its folder.
                let _ = fchown(&unfinished.file, Some(before.uid()), Some(before.gid()));
                unfinished.file.set_permissions(Permissions::from_mode(mode))?;
            }
            return Ok(unfinished);
        }
    }

    /// Puts the file in its place, durably, if all that was written is in it.
    pub(super) fn finish(self, length: u64) -> io::Result<()> {
        self.file.sync_all()?;
        let written = self.file.metadata()?.len();
        if written != length {
            return Err(io::Error::other(format!("{written} of {length} bytes were written")));
        }
        fs::rename(&self.path, &self.target)?;
        File::open(folder_of(&self.target))?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is gone already when it was renamed.
        let _ = fs::remove_file(&self.path);
    }
}

/// What the passing names of a target begin with: short, whatever the target's name.
fn prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default();
    format!(".throughline-{}-", &blake3::hash(name.as_encoded_bytes()).to_hex()[..8])
}

/// Removes files of this prefix that nobody holds. What cannot be read or removed is left: it is in nobody's way.
fn sweep(folder: &Path, prefix: &str) {
    let ours = |name: &str| name.strip_prefix(prefix).is_some_and(|id| uuid::Uuid::try_parse(id).is_ok());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_name().to_str().is_some_and(ours)
            || !entry.file_type().is_ok_and(|kind| kind.is_file())
        {
            continue;
        }
        let opened = OpenOptions::new().read(true).write(true).custom_flags(no_follow()).open(entry.path());
        if opened.is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
