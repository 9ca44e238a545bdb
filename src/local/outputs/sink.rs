//! Where one output goes: standard output, a pipe or device, or a file that appears when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::unfinished::Unfinished;
use crate::exit::CliError;
use crate::print;

/// As many links as the kernel follows (`path_resolution(7)`).
const LINKS: usize = 40;

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sink {
    /// `-`, or one of its names as a file.
    Stdout,
    /// A pipe or a device: it is there already, and stays what it is.
    Stream(PathBuf),
    /// A file, where the links of its path lead; it need not be there yet.
    File(PathBuf),
}

/// An output that is being written.
pub(super) enum Writer {
    Stdout,
    Stream(File),
    File(Unfinished),
}

impl Sink {
    /// What a path that the user gave leads to.
    pub(super) fn at(path: &Path) -> Result<Sink, CliError> {
        let wrong =
            |why: &dyn std::fmt::Display| CliError::new(format!("cannot write {}: {why}", path.display()));
        if ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|stdout| Path::new(stdout) == path)
        {
            return Ok(Sink::Stdout);
        }
        if let Some((scheme, _)) = path.to_str().and_then(|text| text.split_once("://")) {
            return Err(wrong(&format!(
                "outputs of this machine are files, not {scheme}:// addresses: write a file, or - for standard output, and copy it there"
            )));
        }
        let kind = match fs::metadata(path) {
            Ok(meta) => Some(meta.file_type()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(wrong(&error)),
        };
        match kind {
            Some(kind) if kind.is_dir() => Err(wrong(&"it is a folder")),
            Some(kind) if kind.is_socket() || kind.is_block_device() => {
                Err(wrong(&"it is a socket or a disk"))
            }
            Some(kind) if kind.is_fifo() || kind.is_char_device() || is_open_file(path) => {
                Ok(Sink::Stream(path.to_owned()))
            }
            _ => follow(path).map(Sink::File).map_err(|error| wrong(&error)),
        }
    }

    /// The file that is written, if it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Sink::File(path) => Some(path),
            Sink::Stdout | Sink::Stream(_) => None,
        }
    }

    /// Fails as the writing would, and leaves everything as it is.
    pub(super) fn try_out(&self) -> io::Result<()> {
        match self {
            Sink::Stdout => Ok(()),
            Sink::Stream(path) => writable(path),
            Sink::File(path) => {
                let folder = folder_of(path);
                if !folder.is_dir() {
                    return Err(io::Error::new(
                        io::ErrorKind::NotFound,
                        format!("there is no folder {}", folder.display()),
                    ));
                }
                if fs::symlink_metadata(path).is_ok() {
                    writable(path)?;
                }
                Unfinished::create(path).map(drop)
            }
        }
    }

    /// Begins to write.
    pub(super) fn open(&self) -> io::Result<Writer> {
        match self {
            Sink::Stdout => Ok(Writer::Stdout),
            // A file that a shell has opened (`3>> all.csv`) is added to.
            Sink::Stream(path) => OpenOptions::new().append(true).open(path).map(Writer::Stream),
            Sink::File(path) => Unfinished::create(path).map(Writer::File),
        }
    }
}

impl Writer {
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Writer::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
                if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
                    print::unread();
                }
                written
            }
            Writer::Stream(file) => file.write_all(bytes),
            Writer::File(unfinished) => unfinished.file.write_all(bytes),
        }
    }

    /// Ends the writing: a file takes its place, if it has this many bytes.
    pub(super) fn finish(self, length: u64) -> io::Result<()> {
        match self {
            Writer::Stdout | Writer::Stream(_) => Ok(()),
            Writer::File(unfinished) => unfinished.finish(length),
        }
    }
}

/// Whether two paths lead to one file, by whatever names and links.
pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Asks the system, which also knows of file systems that are read-only.
fn writable(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?)
}

/// Where the links of the last name of a path lead, whether anything is there or not.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links lead on from it"))
}

/// Whether the path names a file that this process has open already (`/dev/fd/3`).
fn is_open_file(path: &Path) -> bool {
    ["/dev/fd", "/dev/stderr", "/proc/self/fd"].iter().any(|open| path.starts_with(open))
}
