//! The input file that the user named.

mod xlsx;

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Seek};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use job::store::{Stored, Upload};
use tokio::io::AsyncReadExt;

use super::{FileRole, check_local_path};
use crate::exit::CliError;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// An open input file.
#[derive(Debug)]
pub struct Input {
    /// Its name in keys.
    pub name: String,
    /// Its content, from the beginning.
    pub file: File,
    /// Whether it can be read only once: a pipe, or a file whose content is produced while it is read.
    pub is_stream: bool,
}

impl Input {
    /// Opens a file or a pipe. Of a workbook it has the first sheet, as CSV.
    ///
    /// # Errors
    /// When it cannot be read, is neither a file nor a pipe, or its name is not UTF-8.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        check_local_path(path, FileRole::Input)?;
        let shown = path.display();
        let unreadable = |reason: &dyn std::fmt::Display| {
            CliError::new(format!("cannot read the input {shown}: {reason}"))
        };
        if is_stdin(path) && std::io::stdin().is_terminal() {
            return Err(unreadable(&"standard input is a terminal: pipe a file into it, or name a file"));
        }
        let path = if is_stdin(path) { Path::new("/dev/stdin") } else { path };
        let kind = fs::metadata(path).map_err(|error| unreadable(&error))?.file_type();
        if kind.is_dir() {
            return Err(unreadable(&"it is a folder, not a file"));
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Err(unreadable(&"it is a device, not a file"));
        }
        if kind.is_socket() {
            return Err(unreadable(&"it is a socket, not a file"));
        }
        let name = name(path).ok_or_else(|| unreadable(&"its name is not UTF-8"))?;
        if kind.is_fifo() {
            eprintln!("reading the pipe {shown} to its end");
        }
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        let is_stream = kind.is_fifo()
            || path == Path::new("/dev/stdin")
            || is_produced_while_read(&file).map_err(|error| unreadable(&error))?;
        if xlsx::is_workbook(&name) {
            let file = xlsx::as_csv(file).map_err(|why| unreadable(&why))?;
            // Its content is not that of the file that the user named, so it is copied.
            return Ok(Self { name: name + ".csv", file, is_stream: true });
        }
        Ok(Self { name, file, is_stream })
    }

    /// Copies the content into an upload. Returns its size, the stored object, and the hash of the content.
    ///
    /// # Errors
    /// When it cannot be read, or the object cannot be written.
    pub async fn copy(self, mut upload: Upload) -> Result<(u64, Stored, String), CliError> {
        let mut hasher = blake3::Hasher::new();
        let shown = format!("the input {}", self.name);
        copy(self.file, &shown, &mut upload, |chunk| _ = hasher.update(chunk)).await?;
        let size = upload.written();
        Ok((size, upload.finish().await?, version(&hasher)))
    }

    /// The hash of the content, which is its version.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn hash(self) -> io::Result<String> {
        let hash = move || blake3::Hasher::new().update_reader(self.file).map(|hasher| version(hasher));
        tokio::task::spawn_blocking(hash).await.expect("hashing does not panic")
    }
}

/// Copies a file into an upload. `each` is given every chunk; `shown` names the file in an error.
///
/// # Errors
/// When it cannot be read, or the object cannot be written.
pub(super) async fn copy(
    file: File,
    shown: &str,
    upload: &mut Upload,
    mut each: impl FnMut(&[u8]),
) -> Result<(), CliError> {
    let unreadable = |error: io::Error| CliError::new(format!("cannot read {shown}: {error}"));
    let mut content = tokio::fs::File::from_std(file);
    let mut chunk = Vec::with_capacity(CHUNK);
    while (&mut content).take(CHUNK as u64).read_to_end(&mut chunk).await.map_err(unreadable)? > 0 {
        each(&chunk);
        upload.write(&chunk).await?;
        chunk.clear();
    }
    Ok(())
}

/// The name that an input has in keys, as far as its path says it.
pub fn input_name(path: &Path) -> String {
    let name =
        if is_stdin(path) { "stdin".into() } else { path.file_name().unwrap_or_default().to_string_lossy() };
    if xlsx::is_workbook(&name) { format!("{name}.csv") } else { name.into_owned() }
}

/// Whether a path means standard input.
fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The name of the input in keys. The name of an open file, such as `<(command)` of a shell, is a number that
/// may be different the next time, so it becomes `pipe`.
fn name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let open = path.parent().is_some_and(|folder| folder.ends_with("fd"))
        && name.bytes().all(|byte| byte.is_ascii_digit());
    Some(if open { "pipe".to_owned() } else { name.to_owned() })
}

/// Whether a file has content although its size is 0, like the files of /proc.
fn is_produced_while_read(mut file: &File) -> io::Result<bool> {
    if file.metadata()?.len() > 0 {
        return Ok(false);
    }
    let has_content = file.read(&mut [0])? > 0;
    if has_content {
        file.rewind()?;
    }
    Ok(has_content)
}

fn version(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex()[..32].to_owned()
}
