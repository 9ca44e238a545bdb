//! How an object appears, is replaced and goes: at once, whatever happens.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use s3s::{S3Result, s3_error};

use crate::condition::WriteCondition;
use crate::error::{At, io_error};
use crate::file::{make_folder, sync_folder, sync_parent};
use crate::object::{Info, absent};
use crate::store::Store;

/// A folder can be removed, being empty, just when we put something in; rarely twice.
const TRIES: u32 = 100;

impl Store {
    /// Puts the sealed file `from` in the place of `key`, durably. It is gone from where it was.
    pub(crate) fn publish(
        &self,
        from: &Path,
        bucket: &str,
        key: &str,
        condition: &WriteCondition,
    ) -> S3Result<Info> {
        let to = self.object(bucket, key)?;
        let info = self.objects.hold(&format!("{bucket}/{key}"), || {
            condition.check(Info::at(&to)?.as_ref())?;
            let info =
                Info::at(from)?.ok_or_else(|| s3_error!(InternalError, "{}: it is gone", from.display()))?;
            if condition.absent { link_new(from, &to) } else { place(&to, || fs::rename(from, &to)) }?;
            Ok(info)
        })?;
        sync_parent(&to).map_err(io_error)?;
        Ok(info)
    }

    /// Removes objects (of links only the link), the folders that are empty then, durably.
    /// One result for each key, in order; what is not there is removed already.
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
            let removed = self.objects.hold(&format!("{bucket}/{key}"), || {
                if condition.matches.is_some() {
                    condition.check(Info::at(&path)?.as_ref())?;
                }
                match fs::remove_file(&path) {
                    Err(err) if absent(&err) => Ok(()),
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

/// `link(2)` fails when the name is taken, so that two processes cannot both win either.
fn link_new(from: &Path, to: &Path) -> S3Result {
    let taken = || s3_error!(PreconditionFailed, "the object exists");
    let mut linked = Ok(());
    place(to, || {
        linked = match fs::hard_link(from, to) {
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Err(taken()),
            // File systems without links: the lock of this process has to do.
            Err(err)
                if matches!(err.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) =>
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

/// Runs `put` with the folder of `to` in place.
fn place(to: &Path, mut put: impl FnMut() -> io::Result<()>) -> S3Result {
    let folder = to.parent().expect("an object lies in a folder");
    for _ in 1..TRIES {
        match put() {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            done => return done.at(to).map_err(io_error),
        }
        match make_folder(folder) {
            // Removed again while we looked; a file in the way shows in the end.
            Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {}
            made => made.map_err(io_error)?,
        }
    }
    put().at(to).map_err(io_error)
}

/// Removes the empty folders above `path`, up to `root`; returns the first that stays.
fn prune(path: &Path, root: &Path) -> PathBuf {
    let mut above = path.ancestors().skip(1).take_while(|folder| *folder != root);
    above.find(|folder| fs::remove_dir(folder).is_err() && folder.exists()).unwrap_or(root).to_owned()
}
