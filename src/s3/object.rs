//! What is known of an object without reading it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use s3s::S3Result;
use s3s::dto::{ETag, Timestamp};

use super::error::{At, io_error};

#[derive(Debug, Clone)]
pub(super) struct Info {
    /// Bytes.
    pub(super) size: u64,
    /// Changes whenever the content does: see [`super::file::Temp::seal`].
    pub(super) etag: String,
    pub(super) modified: SystemTime,
}

impl Info {
    /// Follows a link; `None` when there is no file.
    pub(super) fn at(path: &Path) -> S3Result<Option<Info>> {
        match std::fs::metadata(path) {
            Ok(meta) => Ok(Info::of(&meta)),
            Err(err) if absent(&err) => Ok(None),
            failed => failed.at(path).map(|_| None).map_err(io_error),
        }
    }

    /// `None` when it is no file.
    pub(super) fn of(meta: &Metadata) -> Option<Info> {
        let nanos = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        meta.is_file().then(|| Info {
            size: meta.len(),
            etag: format!("{nanos:x}-{:x}-{:x}", meta.len(), meta.ino()),
            modified: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        })
    }

    pub(super) fn e_tag(&self) -> Option<ETag> {
        Some(ETag::Strong(self.etag.clone()))
    }

    pub(super) fn size(&self) -> Option<i64> {
        Some(i64::try_from(self.size).expect("files are smaller than 8 EiB"))
    }

    pub(super) fn last_modified(&self) -> Option<Timestamp> {
        Some(self.modified.into())
    }
}

/// Opens the object at `path`; `None` when there is none.
pub(super) fn open(path: &Path) -> S3Result<Option<(File, Info)>> {
    let opened = match File::open(path) {
        Err(err) if absent(&err) => return Ok(None),
        opened => opened.at(path).map_err(io_error)?,
    };
    let meta = opened.metadata().at(path).map_err(io_error)?;
    Ok(Info::of(&meta).map(|info| (opened, info)))
}

/// Whether the error says that there is nothing at the path.
pub(super) fn absent(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
}
