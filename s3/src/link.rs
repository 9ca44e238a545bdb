//! Objects that are files of the user in other folders.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, PoisonError, RwLock};

use crate::error::At;
use crate::file::{make_folder, sync_parent};
use crate::{key, store};

/// Makes the file `target` the object `key` by a link, without copying it.
///
/// Reads in this process follow the link and see the present content of the file. Other processes see no
/// object. Replacing or deleting the object replaces or deletes only the link. An existing object with this
/// key is replaced.
///
/// # Errors
/// When `target` is not a regular file (a pipe or folder has no size to plan with), the bucket or the key is
/// not legal, or the link cannot be made.
pub fn link_object(root: &Path, bucket: &str, key: &str, target: &Path) -> io::Result<()> {
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    let target = target.canonicalize().at(target)?;
    if !target.metadata().at(&target)?.is_file() {
        return refuse(format!("{}: not a regular file", target.display()));
    }
    if !s3s::path::check_bucket_name(bucket) || key.is_empty() || !s3s::path::check_key(key) {
        return refuse(format!("not a bucket and key: {bucket}/{key}"));
    }
    let root = &store::make_root(root)?;
    let link = store::bucket_folder(root, bucket).join(key::path(key));
    make_folder(link.parent().expect("an object is in a folder"))?;
    // No process may sweep the new link before it is in place.
    let _held = store::lock_out_others(root)?;
    let temp = root.join(".s3/tmp").join(uuid::Uuid::new_v4().simple().to_string());
    std::os::unix::fs::symlink(&target, &temp).at(&temp)?;
    LINKS.write().unwrap_or_else(PoisonError::into_inner).insert(link.clone(), target);
    fs::rename(&temp, &link).at(&link)?;
    sync_parent(&link)
}

/// The target of the link at this path, if this process has created the link. An attacker may have placed any
/// other link, which is therefore not an object.
pub(crate) fn linked(path: &Path) -> Option<PathBuf> {
    LINKS.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
}

static LINKS: LazyLock<RwLock<HashMap<PathBuf, PathBuf>>> = LazyLock::new(RwLock::default);
