//! Files and folders that only the user can read, durable when a function here says so.

use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::error::At;

/// A file that is being written. Dropping it removes it from where it was made, so publishing means renaming or
/// linking it before.
pub(super) struct Temp {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl Temp {
    pub(super) fn new(folder: &Path) -> io::Result<Temp> {
        let path = folder.join(uuid::Uuid::new_v4().simple().to_string());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).at(&path)?;
        Ok(Temp { file, path })
    }

    /// Ends the writing: gives the content a modification time that no other content has, and flushes it to disk.
    pub(super) fn seal(&self) -> io::Result<()> {
        self.file.set_times(FileTimes::new().set_modified(unique_now())).at(&self.path)?;
        self.file.sync_all().at(&self.path)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // Gone already when it was renamed; swept at the next start when this fails.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes a small file whole or not at all, durably.
pub(super) fn write_whole(path: &Path, content: &[u8], tmp: &Path) -> io::Result<()> {
    let mut temp = Temp::new(tmp)?;
    io::Write::write_all(&mut temp.file, content).at(&temp.path)?;
    temp.seal()?;
    fs::rename(&temp.path, path).at(path)?;
    sync_parent(path)
}

/// Makes `path` and what is missing above it, durably.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let mut make = DirBuilder::new();
    make.mode(0o700);
    match make.create(path) {
        Ok(()) => sync_parent(path),
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                // Somebody may remove the empty parent again before we are in it; then the caller tries again.
                Some(parent) => make_folder(parent).and_then(|()| match make.create(path) {
                    Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    made => made.at(path).and_then(|()| sync_parent(path)),
                }),
                None => Err(err).at(path),
            }
        }
        Err(err) => Err(err).at(path),
    }
}

/// Makes the entry of `path` in its folder durable.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_folder(parent)
}

/// Makes the entries of `folder` durable; one that is gone needs nothing.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|open| open.sync_all()) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.at(folder),
    }
}

/// The present time, but never the same twice in a process. File systems stamp files with a clock that ticks every
/// few milliseconds, too coarse to tell two contents of one key apart.
fn unique_now() -> SystemTime {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let last = LAST.fetch_max(now, Ordering::Relaxed);
    let nanos = if last < now { now } else { LAST.fetch_add(1, Ordering::Relaxed) + 1 };
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
}
