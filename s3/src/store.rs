//! The folder of the store, its service files, and its cleanup.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use s3s::{S3Result, s3_error};

use crate::error::{At, io_error};
use crate::file::{make_folder, open_private, sync_parent};
use crate::lock::Locks;
use crate::observer::Observed;
use crate::walk::{FolderCache, Start, Walk};
use crate::{BUCKET, key};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Uploads without a change for this time are removed, as by a lifecycle rule on AWS.
const ABANDONED: Duration = Duration::from_secs(7 * DAY.as_secs());
/// How long the record of a completed upload is kept for repeated completions.
const RECORD_KEPT: Duration = Duration::from_secs(30 * DAY.as_secs());

pub(crate) struct Store {
    root: PathBuf,
    /// This process's folder for files that are being written.
    pub(crate) tmp: PathBuf,
    /// The lock that shows that `tmp` is in use.
    _tmp_lock: File,
    /// A lock for each object that is being replaced, by bucket and key.
    pub(crate) objects: Locks,
    /// A lock for each multipart upload.
    pub(crate) uploads: Locks,
    /// The contents of recently listed folders.
    pub(crate) folders: FolderCache,
    pub(crate) observer: Observed,
}

impl Store {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let root = make_root(root)?;
        let _held = lock_out_others(&root)?;
        make_folder(&root.join(".s3/uploads"))?;
        make_folder(&root.join(".s3/buckets"))?;
        make_folder(&root.join(".s3/locks"))?;
        sweep_tmp(&root.join(".s3/tmp"))?;
        sweep_uploads(&root.join(".s3/uploads"))?;
        let tmp = root.join(".s3/tmp").join(uuid::Uuid::new_v4().simple().to_string());
        make_folder(&tmp)?;
        let lock = open_private(&tmp.with_extension("lock"))?;
        lock.lock().at(&tmp)?;
        Ok(Self {
            root,
            tmp,
            _tmp_lock: lock,
            objects: Locks::default(),
            uploads: Locks::default(),
            folders: FolderCache::default(),
            observer: Observed::new(),
        })
    }

    /// The folder of an existing bucket.
    pub(crate) fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        check_name(bucket)?;
        let folder = bucket_folder(&self.root, bucket);
        if fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()) {
            Ok(folder)
        } else {
            Err(s3_error!(NoSuchBucket, "The specified bucket does not exist: {bucket}"))
        }
    }

    /// The names of all buckets and when each was created, in byte order of the names.
    pub(crate) fn buckets(&self) -> S3Result<Vec<(String, SystemTime)>> {
        let created = |folder: &Path| {
            let meta = fs::symlink_metadata(folder)?;
            // A file system need not know when a folder was created.
            Ok(meta.is_dir().then_some(meta.created().or_else(|_| meta.modified())?))
        };
        let mut buckets = Vec::new();
        let others = fs::read_dir(self.root.join(".s3/buckets")).map_err(io_error)?;
        for entry in others {
            let entry = entry.map_err(io_error)?;
            if let (Ok(name), Some(at)) =
                (entry.file_name().into_string(), created(&entry.path()).map_err(io_error)?)
            {
                buckets.push((name, at));
            }
        }
        let own: Option<SystemTime> = created(&self.root).map_err(io_error)?;
        buckets.extend(own.map(|at| (BUCKET.to_owned(), at)));
        buckets.sort();
        Ok(buckets)
    }

    /// Creates a bucket. An existing one is not an error.
    pub(crate) fn create_bucket(&self, bucket: &str) -> S3Result {
        check_name(bucket)?;
        make_folder(&bucket_folder(&self.root, bucket)).map_err(io_error)
    }

    /// Removes an empty bucket.
    pub(crate) fn delete_bucket(&self, bucket: &str) -> S3Result {
        let folder = self.bucket(bucket)?;
        let is_empty = |folder: &Path| -> S3Result<bool> {
            Ok(Walk::new(&self.folders, folder, "", Start::Key(String::new()))?.next()?.is_none())
        };
        let not_empty = || {
            s3_error!(
                BucketNotEmpty,
                "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
            )
        };
        if !is_empty(&folder)? {
            return Err(not_empty());
        }
        if bucket == BUCKET {
            return Err(s3_error!(
                AccessDenied,
                "the bucket {BUCKET} is the state folder and cannot be deleted"
            ));
        }
        // It is renamed first: an object that is published meanwhile is in the folder that is looked at, or fails.
        let gone = self.tmp.join(uuid::Uuid::new_v4().simple().to_string());
        fs::rename(&folder, &gone).at(&folder).map_err(io_error)?;
        if !is_empty(&gone)? {
            fs::rename(&gone, &folder).at(&folder).map_err(io_error)?;
            return Err(not_empty());
        }
        sync_parent(&folder).map_err(io_error)?;
        remove(&gone).map_err(io_error)
    }

    /// The path of an object in an existing bucket. The object need not exist.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let path = self.bucket(bucket)?.join(key::path(key));
        self.check_folders(path.parent().unwrap_or(&self.root))?;
        Ok(path)
    }

    /// Checks that no folder on the path is a link, with which an attacker could redirect reads and writes.
    pub(crate) fn check_folders(&self, innermost: &Path) -> S3Result {
        for folder in innermost.ancestors().take_while(|folder| *folder != self.root) {
            if fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_symlink()) {
                return Err(s3_error!(
                    AccessDenied,
                    "{}: it is a link and not a folder of this store",
                    folder.display()
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn locks_folder(&self) -> PathBuf {
        self.root.join(".s3/locks")
    }

    pub(crate) fn uploads_folder(&self) -> PathBuf {
        self.root.join(".s3/uploads")
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Files that cannot be removed here are swept at the next start.
        let _ = fs::remove_dir_all(&self.tmp);
        let _ = fs::remove_file(self.tmp.with_extension("lock"));
    }
}

/// Checks the name of a bucket, which is the name of a folder.
fn check_name(bucket: &str) -> S3Result {
    let labels_are_whole = !bucket.contains(".-") && !bucket.contains("-.");
    if s3s::path::check_bucket_name(bucket) && labels_are_whole {
        return Ok(());
    }
    Err(s3_error!(InvalidBucketName, "The specified bucket is not valid."))
}

/// The folder of a bucket, whose name is legal.
pub(crate) fn bucket_folder(root: &Path, bucket: &str) -> PathBuf {
    if bucket == BUCKET { root.to_owned() } else { root.join(".s3/buckets").join(bucket) }
}

/// Creates the folder of a store if it does not exist. Returns its path without links.
pub(crate) fn make_root(root: &Path) -> io::Result<PathBuf> {
    if !root.is_dir() {
        make_folder(root)?;
    }
    root.canonicalize().at(root)
}

/// Waits until no other process is opening or sweeping `root`, and locks them out until the result is
/// dropped.
pub(crate) fn lock_out_others(root: &Path) -> io::Result<File> {
    make_folder(&root.join(".s3/tmp"))?;
    let path = root.join(".s3/lock");
    let file = open_private(&path)?;
    file.lock().at(&path)?;
    Ok(file)
}

/// Removes the temporary files of dead processes. The system has released the locks of a dead process.
fn sweep_tmp(tmp: &Path) -> io::Result<()> {
    for entry in fs::read_dir(tmp).at(tmp)? {
        let path = entry.at(tmp)?.path().with_extension("");
        let lock = path.with_extension("lock");
        let alive = lock.exists() && open_private(&lock)?.try_lock().is_err();
        if !alive {
            remove(&path)?;
            remove(&lock)?;
        }
    }
    Ok(())
}

fn sweep_uploads(uploads: &Path) -> io::Result<()> {
    for entry in fs::read_dir(uploads).at(uploads)? {
        let path = entry.at(uploads)?.path();
        // Another process may be removing it.
        let Ok(touched) = fs::metadata(&path).and_then(|meta| meta.modified()) else { continue };
        let age = SystemTime::now().duration_since(touched).unwrap_or_default();
        let completed = path.join("complete.json").exists() && !path.join("joined").exists();
        if age > if completed { RECORD_KEPT } else { ABANDONED } {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.at(path),
    }
}
