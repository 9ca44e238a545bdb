//! The input file that the user named.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use job::Objects;
use job::store::Stored;
use tokio::io::AsyncReadExt;

use super::{Role, check_here};
use crate::exit::CliError;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// An input, open.
#[derive(Debug)]
pub struct Input {
    /// Its name in keys.
    pub name: String,
    /// Its content, from the beginning on.
    pub file: File,
    /// It can be read only once: a pipe, or a file that is made while it is read.
    pub is_stream: bool,
}

impl Input {
    /// Opens a file or a pipe.
    ///
    /// # Errors
    /// When it cannot be read, is neither, or has no name in UTF-8.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        check_here(path, Role::Input)?;
        let wrong = |reason: &dyn std::fmt::Display| {
            CliError::new(format!("cannot read the input {}: {reason}", path.display()))
        };
        let kind = fs::metadata(path).map_err(|error| wrong(&error))?.file_type();
        if kind.is_dir() {
            return Err(wrong(&"it is a folder, not a file"));
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Err(wrong(&"it is a device, not a file"));
        }
        if kind.is_socket() {
            return Err(wrong(&"it is a socket, not a file"));
        }
        let name = name(path).ok_or_else(|| wrong(&"its name is not UTF-8"))?;
        if kind.is_fifo() {
            eprintln!("reading the pipe {} to its end", path.display());
        }
        let file = File::open(path).map_err(|error| wrong(&error))?;
        let is_stream = kind.is_fifo() || is_made_while_read(&file).map_err(|error| wrong(&error))?;
        Ok(Self { name, file, is_stream })
    }

    /// Copies the content into an object: its size, what the store says, and the content's hash.
    ///
    /// # Errors
    /// When it cannot be read, or the object not be written.
    pub async fn copy(self, objects: &Objects, key: &str) -> Result<(u64, Stored, String), CliError> {
        let unreadable =
            |error: io::Error| CliError::new(format!("cannot read the input {}: {error}", self.name));
        let mut content = tokio::fs::File::from_std(self.file);
        let mut hasher = blake3::Hasher::new();
        let mut upload = objects.upload(key);
        let mut chunk = Vec::with_capacity(CHUNK);
        while (&mut content).take(CHUNK as u64).read_to_end(&mut chunk).await.map_err(unreadable)? > 0 {
            hasher.update(&chunk);
            upload.write(&chunk).await?;
            chunk.clear();
        }
        let size = upload.written();
        Ok((size, upload.finish().await?, version(&hasher)))
    }

    /// The content's hash, which is its version.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn hash(self) -> io::Result<String> {
        let hash = move || blake3::Hasher::new().update_reader(self.file).map(|hasher| version(hasher));
        tokio::task::spawn_blocking(hash).await.expect("hashing does not panic")
    }
}

/// A name for keys; that of an open file (`<(command)` of a shell) has a number that may be another the next time.
fn name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let open = path.parent().is_some_and(|folder| folder.ends_with("fd"))
        && name.bytes().all(|byte| byte.is_ascii_digit());
    Some(if open { "pipe".to_owned() } else { name.to_owned() })
}

/// Whether a file that says that it is empty is not, as those of /proc.
fn is_made_while_read(mut file: &File) -> io::Result<bool> {
    if file.metadata()?.len() > 0 {
        return Ok(false);
    }
    let some = file.read(&mut [0])? > 0;
    if some {
        file.rewind()?;
    }
    Ok(some)
}

fn version(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex()[..32].to_owned()
}
