//! A watched folder: its files become uploads of a job's input, and the outputs are copied into its folder `out`.
//!
//! The folder is read again and again, because file systems on a network report no changes. A record of each file
//! says what was taken, so that a restart takes nothing twice:
//!
//! ```text
//! .serve/watched/<hash of the path>.json
//! ```

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use job::{Objects, keys};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serve::{After, Watch};

use crate::exit::CliError;
use crate::local::StateDir;
use crate::local::input;
use crate::local::outputs::{self, OutputError, extension, failed_path};

/// The time between two looks at a folder.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What tells two contents of a file apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    size: u64,
    modified: (i64, i64),
    inode: u64,
}

/// What is known of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    content: Content,
    /// The ETag of the object at the input's key before the file was taken.
    before: Option<String>,
    taken: bool,
}

/// A folder that is being watched.
pub(super) struct Watcher {
    state: Arc<StateDir>,
    watch: Watch,
    /// When a file was first seen as it is.
    seen: HashMap<String, (Content, Instant)>,
    /// The ETags of the reports that were copied, by key.
    copied: HashMap<String, Option<String>>,
    /// The last message, which is not repeated.
    said: String,
}

impl Watcher {
    pub(super) fn new(state: Arc<StateDir>, watch: Watch) -> Self {
        Self { state, watch, seen: HashMap::new(), copied: HashMap::new(), said: String::new() }
    }

    /// Watches until the future is dropped.
    pub(super) async fn run(mut self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let message = match self.look().await {
                Ok(()) => String::new(),
                Err(error) => format!("the watched folder {}: {error}", self.watch.folder.display()),
            };
            if message != self.said && !message.is_empty() {
                eprintln!("{message}");
            }
            self.said = message;
        }
    }

    async fn look(&mut self) -> Result<(), CliError> {
        let mut found = HashMap::new();
        let entries = fs::read_dir(&self.watch.folder).map_err(|error| CliError::new(error.to_string()))?;
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !self.watch.takes(&name) {
                continue;
            }
            // A file may be gone by now. Links are not followed.
            let Some(content) = entry.metadata().ok().and_then(|meta| Content::of(&meta)) else { continue };
            let since = match self.seen.get(&name) {
                Some((before, since)) if *before == content => *since,
                _ => Instant::now(),
            };
            found.insert(name, (content, since));
        }
        self.seen = found;
        let mut settled: Vec<_> =
            self.seen.iter().filter(|(_, (_, since))| since.elapsed() >= self.watch.settle).collect();
        // In the order in which they were written.
        settled.sort_by_key(|(name, (content, _))| (content.modified, (*name).clone()));
        for (name, (content, _)) in settled {
            self.take(name, *content).await?;
        }
        self.copy_outputs().await
    }

    /// Uploads a file, unless that was done, and does what is to be done afterwards.
    async fn take(&self, name: &str, content: Content) -> Result<(), CliError> {
        let path = self.watch.folder.join(name);
        let key = keys::input(&self.watch.job, name);
        let present = self.etag(&key)?;
        let record = self.record(name)?.filter(|record| record.content == content);
        let taken = record.as_ref().is_some_and(|record| record.taken || record.before != present);
        if !taken {
            self.write(name, &Record { content, before: present, taken: false })?;
            if !self.upload(&path, &key, content).await? {
                return Ok(());
            }
        }
        if record.is_none_or(|record| !record.taken) {
            self.write(name, &Record { content, before: None, taken: true })?;
        }
        let at = |error: io::Error| CliError::at(&path, error);
        match self.watch.after {
            After::Keep => Ok(()),
            // It is another file by now.
            _ if Content::at(&path).ok() != Some(content) => Ok(()),
            After::Delete => fs::remove_file(&path).map_err(at),
            After::Move => {
                let done = self.watch.folder.join("done");
                fs::create_dir_all(&done).map_err(at)?;
                fs::rename(&path, free_name(&done, name)).map_err(at)
            }
        }
    }

    /// Uploads a file; the upload starts a run. Returns whether it did: not if the file changed meanwhile.
    async fn upload(&self, path: &Path, key: &str, content: Content) -> Result<bool, CliError> {
        let file = fs::File::open(path).map_err(|error| CliError::at(path, error))?;
        let mut upload = self.objects().upload(key);
        input::copy(file, &path.display().to_string(), &mut upload, |_| ()).await?;
        if Content::at(path).ok() != Some(content) {
            upload.abort().await?;
            return Ok(false);
        }
        upload.finish().await?;
        Ok(true)
    }

    /// Copies the outputs of files that were taken, and then their reports.
    async fn copy_outputs(&mut self) -> Result<(), CliError> {
        let objects = self.objects();
        let prefix = keys::report(&self.watch.job, "").trim_end_matches(".json").to_owned();
        for entry in objects.list(&prefix).await? {
            let file = entry.key.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".json"));
            let Some(file) = file.filter(|file| !file.contains('/')) else { continue };
            let etag = self.etag(&entry.key)?;
            if self.copied.get(&entry.key) == Some(&etag) || self.record(file)?.is_none() {
                continue;
            }
            let Some(report) = objects.find(&entry.key).await? else { continue };
            let out = self.watch.folder.join("out");
            let target = out.join(format!("{file}.report.json"));
            if fs::read(&target).ok().as_deref() != Some(&report) {
                fs::create_dir_all(&out).map_err(|error| CliError::at(&out, error))?;
                let outputs = serde_json::from_slice::<Value>(&report).unwrap_or_default();
                for kind in ["output", "failed"] {
                    let Some(key) = outputs["outputs"][kind].as_str() else { continue };
                    let name = key.rsplit('/').next().unwrap_or_default();
                    let own = out.join(name);
                    let target = if kind == "failed" { failed_path(&own, extension(name)) } else { own };
                    copy(&objects, key, &target).await?;
                }
                copy(&objects, &entry.key, &target).await?;
            }
            self.copied.insert(entry.key, etag);
        }
        Ok(())
    }

    fn etag(&self, key: &str) -> Result<Option<String>, CliError> {
        let found = self.state.service.written(s3::BUCKET, key);
        Ok(found.map_err(|error| CliError::new(error.to_string()))?.map(|object| object.etag))
    }

    fn record(&self, name: &str) -> Result<Option<Record>, CliError> {
        let path = self.record_path(name);
        match fs::read(&path) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CliError::at(&path, error)),
        }
    }

    fn write(&self, name: &str, record: &Record) -> Result<(), CliError> {
        let path = self.record_path(name);
        let folder = path.parent().expect("a record is in a folder");
        let text = serde_json::to_vec(record).expect("a record is always JSON");
        let written =
            s3::file::make_folder(folder).and_then(|()| self.state.service.write_file(&path, &text));
        written.map_err(|error| CliError::new(error.to_string()))
    }

    fn record_path(&self, name: &str) -> PathBuf {
        let folder = fs::canonicalize(&self.watch.folder).unwrap_or_else(|_| self.watch.folder.clone());
        let place = format!("{}\0{}", self.watch.job, folder.join(name).display());
        let hash = blake3::hash(place.as_bytes()).to_hex();
        self.state.folder.join(".serve/watched").join(format!("{}.json", &hash[..32]))
    }

    fn objects(&self) -> Objects {
        self.state.objects()
    }
}

impl Content {
    /// The content of a regular file.
    fn of(meta: &Metadata) -> Option<Self> {
        meta.is_file().then(|| Self {
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            inode: meta.ino(),
        })
    }

    fn at(path: &Path) -> io::Result<Self> {
        Self::of(&fs::symlink_metadata(path)?).ok_or_else(|| io::Error::other("it is not a regular file"))
    }
}

/// Copies an object to a file, which appears when it is complete.
async fn copy(objects: &Objects, key: &str, to: &Path) -> Result<(), CliError> {
    outputs::replace(objects, key, to).await.map_err(|error| match error {
        OutputError::Write { error, .. } => CliError::at(to, error),
        unreadable => CliError::new(unreadable.to_string()),
    })
}

/// A name in a folder that no file has: `name`, or `name.1` and so on.
fn free_name(folder: &Path, name: &str) -> PathBuf {
    let numbered = (1..).map(|n| folder.join(format!("{name}.{n}")));
    let mut names = std::iter::once(folder.join(name)).chain(numbered);
    names.find(|path| fs::symlink_metadata(path).is_err()).expect("there are more numbers than files")
}
