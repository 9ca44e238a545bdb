//! The destination of one output: standard output, a pipe or device, or a file that appears only when it is
//! complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use job::file::Compression;

use super::atomic_file::AtomicFile;
use crate::exit::CliError;
use crate::print;

/// The number of links that the kernel follows (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// The destination of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sink {
    /// Standard output, as `-` or as a file such as `/dev/stdout`.
    Stdout,
    /// An existing pipe or device, which is written to and not replaced.
    Stream(PathBuf),
    /// A file, which need not exist. Links in its path are resolved.
    File(PathBuf),
}

/// An output that is being written.
pub(super) struct Writer {
    encoder: Encoder,
    /// Bytes before compression.
    written: u64,
}

/// How the bytes of an output come to their destination.
enum Encoder {
    Plain(Destination),
    Gzip(GzEncoder<Destination>),
    Zstd(zstd::Encoder<'static, Destination>),
}

/// Where the bytes go.
enum Destination {
    Stdout,
    Stream(File),
    /// The file, and its bytes so far.
    File(AtomicFile, u64),
}

impl Sink {
    /// The destination that a path of the user names.
    pub(super) fn at(path: &Path) -> Result<Self, CliError> {
        let refused =
            |why: &dyn std::fmt::Display| CliError::new(format!("cannot write {}: {why}", path.display()));
        if ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|stdout| Path::new(stdout) == path)
        {
            return Ok(Sink::Stdout);
        }
        if let Some((scheme, _)) = path.to_str().and_then(|text| text.split_once("://")) {
            return Err(refused(&format!(
                "outputs are files on this machine, not {scheme}:// addresses: write a file, or - for standard output, and copy it there"
            )));
        }
        let kind = match fs::metadata(path) {
            Ok(meta) => Some(meta.file_type()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(refused(&error)),
        };
        match kind {
            Some(kind) if kind.is_dir() => Err(refused(&"it is a folder")),
            Some(kind) if kind.is_socket() || kind.is_block_device() => {
                Err(refused(&"it is a socket or a disk"))
            }
            Some(kind) if kind.is_fifo() || kind.is_char_device() || is_open_file(path) => {
                Ok(Sink::Stream(path.to_owned()))
            }
            _ => follow(path).map(Sink::File).map_err(|error| refused(&error)),
        }
    }

    /// The path, if the destination is a file.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Sink::File(path) => Some(path),
            Sink::Stdout | Sink::Stream(_) => None,
        }
    }

    /// Fails if writing would fail. Changes nothing.
    pub(super) fn check_writable(&self) -> io::Result<()> {
        match self {
            Sink::Stdout => Ok(()),
            Sink::Stream(path) => check_access(path),
            Sink::File(path) => {
                let folder = folder_of(path);
                if !folder.is_dir() {
                    return Err(io::Error::new(
                        io::ErrorKind::NotFound,
                        format!("there is no folder {}", folder.display()),
                    ));
                }
                if fs::symlink_metadata(path).is_ok() {
                    check_access(path)?;
                }
                AtomicFile::create(path).map(drop)
            }
        }
    }

    /// Starts to write.
    pub(super) fn open(&self, compression: Compression) -> io::Result<Writer> {
        let to = match self {
            Sink::Stdout => Destination::Stdout,
            // A file that a shell has opened (`3>> all.csv`) is appended to.
            Sink::Stream(path) => Destination::Stream(OpenOptions::new().append(true).open(path)?),
            Sink::File(path) => Destination::File(AtomicFile::create(path)?, 0),
        };
        let encoder = match compression {
            Compression::Gzip => Encoder::Gzip(GzEncoder::new(to, flate2::Compression::default())),
            Compression::Zstd => Encoder::Zstd(zstd::Encoder::new(to, zstd::DEFAULT_COMPRESSION_LEVEL)?),
            Compression::None | Compression::Bzip2 => Encoder::Plain(to),
        };
        Ok(Writer { encoder, written: 0 })
    }
}

impl Writer {
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        match &mut self.encoder {
            Encoder::Plain(to) => to.write_all(bytes),
            Encoder::Gzip(encoder) => encoder.write_all(bytes),
            Encoder::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// Ends the writing. A file takes its place if this many bytes were written.
    pub(super) fn finish(self, length: u64) -> io::Result<()> {
        if self.written != length {
            return Err(io::Error::other(format!("{} of {length} bytes were written", self.written)));
        }
        let to = match self.encoder {
            Encoder::Plain(to) => to,
            Encoder::Gzip(encoder) => encoder.finish()?,
            Encoder::Zstd(encoder) => encoder.finish()?,
        };
        match to {
            Destination::Stdout | Destination::Stream(_) => Ok(()),
            Destination::File(file, bytes) => file.commit(bytes),
        }
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Destination::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
                if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
                    print::unread();
                }
                written.map(|()| bytes.len())
            }
            Destination::Stream(file) => file.write(bytes),
            Destination::File(file, so_far) => {
                let written = file.file.write(bytes)?;
                *so_far += written as u64;
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether two paths lead to the same file, whatever their names and links.
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

/// Checks that a path is writable. The system also knows which file systems are read-only.
fn check_access(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?)
}

/// Follows the links of the last name of a path. The target need not exist.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many levels of links"))
}

/// Whether the path names a file that this process has already opened (`/dev/fd/3`).
fn is_open_file(path: &Path) -> bool {
    ["/dev/fd", "/dev/stderr", "/proc/self/fd"].iter().any(|open| path.starts_with(open))
}
