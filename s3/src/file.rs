//! Files and folders that only the user can read. Functions say which of them are durable.

use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use crate::error::At;

const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;

/// A file that is being written. It is removed when it is dropped, so publishing means renaming or linking it
/// first.
pub(crate) struct Temp {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
}

impl Temp {
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let path = folder.join(uuid::Uuid::new_v4().simple().to_string());
        let file =
            OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(&path).at(&path)?;
        let temp = Self { file, path };
        // The umask may have taken permissions.
        temp.file.set_permissions(Permissions::from_mode(PRIVATE_FILE)).at(&temp.path)?;
        Ok(temp)
    }

    /// Ends the writing: sets a modification time that no other content has, and flushes the content to disk.
    pub(crate) fn seal(&self) -> io::Result<()> {
        self.stamp()?;
        self.file.sync_all().at(&self.path)
    }

    /// Sets a modification time that no other content has.
    pub(crate) fn stamp(&self) -> io::Result<()> {
        self.file.set_times(FileTimes::new().set_modified(unique_now())).at(&self.path)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // A renamed file has no temporary name any more. A file that cannot be removed is swept at the next
        // start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes a small file whole or not at all, durably. `tmp` is a folder on the same file system.
pub(crate) fn write_whole(path: &Path, content: &[u8], tmp: &Path) -> io::Result<()> {
    let mut temp = Temp::new(tmp)?;
    io::Write::write_all(&mut temp.file, content).at(&temp.path)?;
    temp.seal()?;
    fs::rename(&temp.path, path).at(path)?;
    sync_parent(path)
}

/// Opens a file for writing, and creates it if it does not exist.
///
/// # Errors
/// When the path is a link, or the file has a second name.
pub fn open_private(path: &Path) -> io::Result<File> {
    let mut open = OpenOptions::new();
    open.read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE).custom_flags(no_follow());
    let file = open.open(path).at(path)?;
    let meta = file.metadata().at(path)?;
    if !meta.is_file() || meta.nlink() > 1 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file with only one name",
        ))
        .at(path);
    }
    file.set_permissions(Permissions::from_mode(PRIVATE_FILE)).at(path)?;
    Ok(file)
}

/// Flags for opening a file, with which the call fails on a link and never waits for the other end of a pipe.
pub fn no_follow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

/// Creates the folder `path` and its missing parents, durably.
///
/// # Errors
/// When it cannot be created, or the path is a link.
pub fn make_folder(path: &Path) -> io::Result<()> {
    match create(path) {
        Ok(()) => sync_parent(path),
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists
                && fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) =>
        {
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                // Another process may remove the empty parent again. Then the caller tries again.
                Some(parent) => make_folder(parent).and_then(|()| match create(path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    made => made.at(path).and_then(|()| sync_parent(path)),
                }),
                None => Err(error).at(path),
            }
        }
        Err(error) => Err(error).at(path),
    }
}

fn create(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(PRIVATE_FOLDER).create(path)?;
    // The umask may have taken permissions. Another process may have removed the empty folder again.
    match fs::set_permissions(path, Permissions::from_mode(PRIVATE_FOLDER)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the entry of `path` in its folder durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_folder(parent)
}

/// Makes the entries of `folder` durable. A missing folder is not an error.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|open| open.sync_all()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.at(folder),
    }
}

/// The present time, but never the same time twice in a process. The clock of file systems ticks every few
/// milliseconds, which is too coarse to distinguish two contents of one key.
fn unique_now() -> SystemTime {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let last = LAST.fetch_max(now, Ordering::Relaxed);
    let nanos = if last < now { now } else { LAST.fetch_add(1, Ordering::Relaxed) + 1 };
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
}
