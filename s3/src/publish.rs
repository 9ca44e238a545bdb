//! Publishing, replacing and removing objects, each of which is atomic.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use s3s::{S3Result, s3_error};

use crate::condition::WriteCondition;
use crate::error::{At, io_error};
use crate::file::{make_folder, sync_folder, sync_parent};
use crate::object::{Info, absent};
use crate::observer::Written;
use crate::store::Store;

/// The number of attempts to put a file into a folder. Another process may remove the empty folder just
/// before, but rarely twice.
const MAX_ATTEMPTS: u32 = 100;

impl Store {
    /// Moves the sealed file `from` to the place of `key`, durably.
    pub(crate) fn publish(
        &self,
        from: &Path,
        bucket: &str,
        key: &str,
        condition: &WriteCondition,
    ) -> S3Result<Info> {
        let to = self.object(bucket, key)?;
        let info = self.exclusively(bucket, key, condition, || {
            condition.check(Info::at(&to)?.as_ref())?;
            let info = Info::at(from)?
                .ok_or_else(|| s3_error!(InternalError, "{}: the file has disappeared", from.display()))?;
            if let Some(observer) = self.observer.get() {
                observer.before(&written(bucket, key, &info)).map_err(io_error)?;
            }
            if condition.absent { link_new(from, &to) } else { place(&to, || fs::rename(from, &to)) }?;
            Ok(info)
        })?;
        sync_parent(&to).map_err(io_error)?;
        if let Some(observer) = self.observer.get() {
            observer.after(&written(bucket, key, &info)).map_err(io_error)?;
        }
        Ok(info)
    }

    /// Removes objects and the folders that become empty, durably. Of a link, only the link is removed.
    /// Returns a result for each key, in order. A missing object is not an error.
    pub(crate) fn remove<'a>(
        &self,
        bucket: &str,
        keys: impl IntoIterator<Item = (&'a str, WriteCondition)>,
    ) -> S3Result<Vec<S3Result>> {
        let root = self.bucket(bucket)?;
        let mut changed = BTreeSet::new();
        let results = keys.into_iter().map(|(key, condition)| {
            let path = root.join(super::key::path(key));
            self.check_folders(path.parent().unwrap_or(&root))?;
            let removed = self.exclusively(bucket, key, &condition, || {
                if condition.is_on_existing() {
                    let Some(found) = Info::at(&path)? else { return Ok(()) };
                    condition.check(Some(&found))?;
                }
                match fs::remove_file(&path) {
                    Err(error) if absent(&error) => Ok(()),
                    removed => removed.at(&path).map_err(io_error),
                }
            });
            changed.insert(prune(&path, &root));
            removed
        });
        let results = results.collect();
        for folder in changed {
            sync_folder(&folder).map_err(io_error)?;
        }
        Ok(results)
    }
}

pub(crate) fn written(bucket: &str, key: &str, info: &Info) -> Written {
    Written { bucket: bucket.to_owned(), key: key.to_owned(), etag: info.etag.clone(), size: info.size }
}

/// Publishes a new object by `link(2)`, which fails if the name is taken, so that only one of two processes
/// succeeds.
fn link_new(from: &Path, to: &Path) -> S3Result {
    let taken = || s3_error!(PreconditionFailed, "the object exists");
    let mut linked = Ok(());
    place(to, || {
        linked = match fs::hard_link(from, to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(taken()),
            // On a file system without links, only the lock of this process protects the name.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) =>
            {
                return fs::rename(from, to);
            }
            other => return other,
        };
        Ok(())
    })?;
    linked?;
    let _ = fs::remove_file(from);
    Ok(())
}

/// Runs `put` after creating the folder of `to`.
fn place(to: &Path, mut put: impl FnMut() -> io::Result<()>) -> S3Result {
    let folder = to.parent().expect("an object is in a folder");
    for _ in 1..MAX_ATTEMPTS {
        match put() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done.at(to).map_err(io_error),
        }
        match make_folder(folder) {
            // The folder was removed again. A file that blocks its name is reported after the last attempt.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {}
            made => made.map_err(io_error)?,
        }
    }
    put().at(to).map_err(io_error)
}

/// Removes the empty folders above `path`, up to `root`. Returns the first folder that stays.
fn prune(path: &Path, root: &Path) -> PathBuf {
    let mut above = path.ancestors().skip(1).take_while(|folder| *folder != root);
    above.find(|folder| fs::remove_dir(folder).is_err() && folder.exists()).unwrap_or(root).to_owned()
}
