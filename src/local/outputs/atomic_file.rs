//! A file that is written under a temporary name and takes the place of its target when it is complete.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use super::sink::folder_of;
use s3::file::no_follow;

/// The file under its temporary name. Its lock tells other processes that it is being written. It is removed
/// if it is dropped before [`AtomicFile::commit`].
pub(super) struct AtomicFile {
    pub(super) file: File,
    path: PathBuf,
    target: PathBuf,
}

impl AtomicFile {
    /// Creates an empty file in the folder of `target`, with the permissions that `target` has or will have.
    /// Removes the temporary files that dead processes have left of the same target.
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
            let created = Self { file, path, target: target.to_owned() };
            // On a file system without locks nothing is swept either.
            let _ = created.file.lock();
            if created.file.metadata()?.nlink() == 0 {
                // It was swept after it was created and before it was locked.
                continue;
            }
            if let Some(before) = before {
                // Only root can change the owner. Others own the file that they replace, or share it by its
                // folder.
                let _ = fchown(&created.file, Some(before.uid()), Some(before.gid()));
                created.file.set_permissions(Permissions::from_mode(mode))?;
            }
            return Ok(created);
        }
    }

    /// Moves the file to its place, durably, if it has this many bytes.
    pub(super) fn commit(self, length: u64) -> io::Result<()> {
        self.file.sync_all()?;
        let written = self.file.metadata()?.len();
        if written != length {
            return Err(io::Error::other(format!("{written} of {length} bytes were written")));
        }
        fs::rename(&self.path, &self.target)?;
        File::open(folder_of(&self.target))?.sync_all()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // A committed file has no temporary name any more.
        let _ = fs::remove_file(&self.path);
    }
}

/// The prefix of the temporary names of a target. It is short, however long the target's name is.
fn prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default();
    format!(".throughline-{}-", &blake3::hash(name.as_encoded_bytes()).to_hex()[..8])
}

/// Removes the files with this prefix that no process has locked. Errors are ignored, because the files
/// disturb nobody.
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
