//! The metadata of objects.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use s3s::S3Result;
use s3s::dto::{ETag, Timestamp};

use crate::error::{At, io_error};
use crate::file::no_follow;
use crate::link::linked;

/// The metadata of one object.
#[derive(Debug, Clone)]
pub(crate) struct Info {
    /// The size in bytes.
    pub(crate) size: u64,
    /// Changes whenever the content changes, see [`super::file::Temp::stamp`].
    pub(crate) etag: String,
    pub(crate) modified: SystemTime,
}

impl Info {
    /// The metadata of the object at `path`, or `None` if there is none. A link counts only if this process
    /// has created it.
    pub(crate) fn at(path: &Path) -> S3Result<Option<Self>> {
        let found = std::fs::symlink_metadata(path).and_then(|meta| {
            match linked(path).filter(|_| meta.is_symlink()) {
                Some(target) => std::fs::metadata(target),
                None => Ok(meta),
            }
        });
        match found {
            Ok(meta) => Ok(Info::of(&meta)),
            Err(error) if absent(&error) => Ok(None),
            failed => failed.at(path).map(|_| None).map_err(io_error),
        }
    }

    /// The metadata of a file, or `None` if it is not a regular file.
    pub(crate) fn of(meta: &Metadata) -> Option<Self> {
        let nanos = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        meta.is_file().then(|| Self {
            size: meta.len(),
            etag: format!("{nanos:x}-{:x}-{:x}", meta.len(), meta.ino()),
            modified: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        })
    }

    pub(crate) fn e_tag(&self) -> Option<ETag> {
        Some(ETag::Strong(self.etag.clone()))
    }

    pub(crate) fn size(&self) -> Option<i64> {
        Some(i64::try_from(self.size).expect("files are smaller than 8 EiB"))
    }

    pub(crate) fn last_modified(&self) -> Option<Timestamp> {
        Some(self.modified.into())
    }
}

/// Opens the object at `path`, or returns `None` if there is none.
pub(crate) fn open(path: &Path) -> S3Result<Option<(File, Info)>> {
    let opened = match open_file(path) {
        Err(error) if is_link(&error) => match linked(path) {
            Some(target) => File::open(target),
            None => return Ok(None),
        },
        opened => opened,
    };
    let opened = match opened {
        Err(error) if absent(&error) => return Ok(None),
        opened => opened.at(path).map_err(io_error)?,
    };
    let meta = opened.metadata().at(path).map_err(io_error)?;
    Ok(Info::of(&meta).map(|info| (opened, info)))
}

/// Opens a file for reading, unless it is a link.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(no_follow()).open(path)
}

/// Whether the error says that a link was not followed.
fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Whether the error says that there is nothing at the path.
pub(crate) fn absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}
