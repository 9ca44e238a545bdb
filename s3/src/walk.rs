//! The objects below a folder, in the order of their keys, reading only the folders that can hold a match.

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

/// A walk from a place in the order of keys onwards.
pub(crate) struct Walk<'a> {
    folders: &'a Folders,
    prefix: &'a str,
    start: Start,
    /// The folders we are in, outermost first.
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
    /// What the keys in this folder begin with.
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
        folders: &'a Folders,
        bucket: &Path,
        prefix: &'a str,
        start: Start,
    ) -> S3Result<Walk<'a>> {
        let (folder, base) = key::folder(prefix);
        let mut walk = Walk { folders, prefix, start, stack: Vec::new() };
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
                // The matches are one run of the outermost folder's entries, and this is the first after it.
                self.stack.clear();
            } else if !matches!(entry.name, Name::File(_)) {
                self.enter(path, key)?;
            } else if let Some(info) = Info::at(&path)? {
                return Ok(Some((key, info)));
            }
        }
        Ok(None)
    }

    /// Leaves out all further keys that begin with `prefix`, which the last one did.
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
    /// The first of a folder's entries that is not left out entirely.
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

/// The sorted contents of folders, remembered while they do not change, so that page after page of a long listing
/// does not sort it again.
#[derive(Default)]
pub(crate) struct Folders(Mutex<Remembered>);

/// By path: when the folder had last changed, and what was in it.
type Remembered = HashMap<PathBuf, (SystemTime, Arc<[Entry]>)>;

/// Names remembered at most, in all folders; about 100 bytes each.
const REMEMBERED: usize = 100_000;
/// File systems stamp a folder's change with a clock that may tick this slowly. A folder changed less than that
/// before it was read may have changed again since under the same stamp.
const TICK: Duration = Duration::from_millis(100);

impl Folders {
    /// Empty when there is no such folder.
    fn read(&self, path: &Path) -> io::Result<Arc<[Entry]>> {
        let changed = match fs::metadata(path).and_then(|meta| meta.modified()) {
            Err(err) if absent(&err) => return Ok(Arc::default()),
            changed => changed.at(path)?,
        };
        if let Some((then, entries)) = self.remembered().get(path)
            && *then == changed
        {
            return Ok(Arc::clone(entries));
        }
        let now = SystemTime::now();
        let entries: Arc<[Entry]> = read_folder(path)?.into();
        let settled = now.duration_since(changed).is_ok_and(|age| age > TICK);
        let mut remembered = self.remembered();
        if settled {
            if remembered.values().map(|(_, entries)| entries.len() + 1).sum::<usize>() + entries.len()
                > REMEMBERED
            {
                remembered.clear();
            }
            remembered.insert(path.to_owned(), (changed, Arc::clone(&entries)));
        } else {
            remembered.remove(path);
        }
        Ok(entries)
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_folder(path: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let listed = match fs::read_dir(path) {
        Err(err) if absent(&err) => return Ok(entries),
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
