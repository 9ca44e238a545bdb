//! Lists the objects in a folder in the order of their keys, and reads only the folders that can contain a
//! match.

use std::collections::HashMap;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use s3s::S3Result;

use crate::error::{At, io_error};
use crate::key::{self, Name};
use crate::object::{Info, absent};

/// A walk through the objects from a given start, in the order of their keys.
pub(crate) struct Walk<'a> {
    folders: &'a FolderCache,
    prefix: &'a str,
    start: Start,
    /// The open folders, outermost first.
    stack: Vec<Level>,
}

/// Where a walk begins.
#[derive(Debug, Clone)]
pub(crate) enum Start {
    /// After this key.
    Key(String),
    /// After all keys that begin with this.
    Prefix(String),
}

struct Level {
    /// The prefix of all keys in this folder.
    base: String,
    path: PathBuf,
    entries: Arc<[Entry]>,
    next: usize,
}

struct Entry {
    /// See [`Name::text`]; entries are sorted by it.
    text: String,
    name: Name,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        folders: &'a FolderCache,
        bucket: &Path,
        prefix: &'a str,
        start: Start,
    ) -> S3Result<Walk<'a>> {
        let (folder, base) = key::folder(prefix);
        let mut walk = Self { folders, prefix, start, stack: Vec::new() };
        walk.enter(bucket.join(folder), base.to_owned())?;
        if let Some(level) = walk.stack.last_mut() {
            let open = &prefix[base.len()..];
            level.next = level.next.max(level.entries.partition_point(|entry| entry.text.as_str() < open));
        }
        Ok(walk)
    }

    /// The next object.
    pub(crate) fn next(&mut self) -> S3Result<Option<(String, Info)>> {
        while let Some(level) = self.stack.last_mut() {
            let Some(entry) = level.entries.get(level.next) else {
                self.stack.pop();
                continue;
            };
            level.next += 1;
            let key = format!("{}{}", level.base, entry.text);
            let path = level.path.join(entry.name.on_disk());
            if !key.starts_with(self.prefix) {
                // The matches are contiguous in the outermost folder, and this is the first entry after them.
                self.stack.clear();
            } else if !matches!(entry.name, Name::File(_)) {
                self.enter(path, key)?;
            } else if let Some(info) = Info::at(&path)? {
                return Ok(Some((key, info)));
            }
        }
        Ok(None)
    }

    /// Skips all further keys that begin with `prefix`, as the last key does.
    pub(crate) fn skip(&mut self, prefix: &str) {
        while self.stack.last().is_some_and(|level| level.base.starts_with(prefix)) {
            self.stack.pop();
        }
        self.start = Start::Prefix(prefix.to_owned());
        if let Some(level) = self.stack.last_mut() {
            level.next = level.next.max(self.start.first(&level.entries, &level.base));
        }
    }

    fn enter(&mut self, path: PathBuf, base: String) -> S3Result {
        let entries = self.folders.read(&path).map_err(io_error)?;
        let next = self.start.first(&entries, &base);
        self.stack.push(Level { base, path, entries, next });
        Ok(())
    }
}

impl Start {
    /// The index of the first entry of a folder that has a key after the start.
    fn first(&self, entries: &[Entry], base: &str) -> usize {
        let (Start::Key(text) | Start::Prefix(text)) = self;
        let Some(rest) = text.strip_prefix(base) else {
            return if base > text.as_str() { 0 } else { entries.len() };
        };
        let whole = matches!(self, Start::Prefix(_));
        entries.partition_point(|entry| {
            let has = entry.text.as_str();
            (whole && has.starts_with(rest))
                || match entry.name {
                    Name::File(_) => has <= rest,
                    Name::Folder(_) | Name::Long(_) => has < rest && !rest.starts_with(has),
                }
        })
    }
}

/// A cache of the sorted contents of folders, so that the pages of a long listing do not sort a folder again
/// and again.
#[derive(Default)]
pub(crate) struct FolderCache(Mutex<Cache>);

/// For each path: the time of the folder's last change, and its entries.
type Cache = HashMap<PathBuf, (SystemTime, Arc<[Entry]>)>;

/// The maximum number of cached names in all folders. A name takes about 100 bytes.
const MAX_CACHED: usize = 100_000;
/// The clock of a file system may tick only this often. A folder that has changed within this time before it
/// was read may have changed again with the same modification time.
const TICK: Duration = Duration::from_millis(100);

impl FolderCache {
    /// The entries of a folder. They are empty if the folder does not exist.
    fn read(&self, path: &Path) -> io::Result<Arc<[Entry]>> {
        let changed = match fs::metadata(path).and_then(|meta| meta.modified()) {
            Err(error) if absent(&error) => return Ok(Arc::default()),
            changed => changed.at(path)?,
        };
        if let Some((then, entries)) = self.cached().get(path)
            && *then == changed
        {
            return Ok(Arc::clone(entries));
        }
        let now = SystemTime::now();
        let entries: Arc<[Entry]> = read_folder(path)?.into();
        let settled = now.duration_since(changed).is_ok_and(|age| age > TICK);
        let mut cached = self.cached();
        if settled {
            if cached.values().map(|(_, entries)| entries.len() + 1).sum::<usize>() + entries.len()
                > MAX_CACHED
            {
                cached.clear();
            }
            cached.insert(path.to_owned(), (changed, Arc::clone(&entries)));
        } else {
            cached.remove(path);
        }
        Ok(entries)
    }

    fn cached(&self) -> MutexGuard<'_, Cache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_folder(path: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let listed = match fs::read_dir(path) {
        Err(error) if absent(&error) => return Ok(entries),
        listed => listed.at(path)?,
    };
    for found in listed {
        let found = found.at(path)?;
        let kind = found.file_type().at(path)?;
        if let Some(name) = found.file_name().to_str().and_then(Name::read)
            && fits(&name, kind)
        {
            entries.push(Entry { text: name.text(), name });
        }
    }
    entries.sort_unstable_by(|a, b| a.text.cmp(&b.text));
    Ok(entries)
}

fn fits(name: &Name, kind: FileType) -> bool {
    match name {
        Name::File(_) => kind.is_file() || kind.is_symlink(),
        Name::Folder(_) | Name::Long(_) => kind.is_dir(),
    }
}
