//! Bodies that are forms of several parts, and bodies from files. A file is read when its request is sent, so
//! that only requests under way hold one in memory.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use job::file::secrets::Secrets;
use job::file::template::Template;
use job::file::{self, Coding, PartValue, name_below};
use job::{Code, Row};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::failure::Failure;

/// The most bytes of a file, and of all files of a form together.
const MOST: u64 = 64 << 20;

/// A body of one line, before its files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    folder: Option<PathBuf>,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    File(String),
    Multipart(Vec<Part>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: String,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    File { name: String, media_type: String },
}

impl Upload {
    /// Renders the texts and the names of files.
    pub(crate) fn render(
        upload: &file::Upload,
        folder: Option<&Path>,
        row: &Arc<Row>,
        secrets: &Arc<Secrets>,
    ) -> Result<Self, Failure> {
        let text = |template: &Template| {
            template.render(row, secrets).map_err(|message| Failure::new(Code::Render, message))
        };
        let name = |template: &Template| {
            let name = text(template)?;
            name_below(&name).map_err(|reason| Failure::new(Code::File, reason))?;
            Ok(name)
        };
        let content = match upload {
            file::Upload::File(template) => Content::File(name(template)?),
            file::Upload::Multipart(parts) => {
                let parts = parts.iter().map(|part| {
                    let value = match &part.value {
                        PartValue::Text(template) => Value::Text(text(template)?),
                        PartValue::File(template, media_type) => Value::File {
                            name: name(template)?,
                            media_type: media_type
                                .clone()
                                .unwrap_or_else(|| "application/octet-stream".to_owned()),
                        },
                    };
                    Ok(Part { name: part.name.clone(), value })
                });
                Content::Multipart(parts.collect::<Result<_, Failure>>()?)
            }
        };
        Ok(Self { folder: folder.map(Path::to_owned), content })
    }

    /// The body, and its media type.
    pub(crate) async fn read(&self) -> Result<(Bytes, String), Failure> {
        let upload = self.clone();
        tokio::task::spawn_blocking(move || upload.assemble()).await.expect("reading a file does not panic")
    }

    fn assemble(&self) -> Result<(Bytes, String), Failure> {
        let mut left = MOST;
        let mut file = |name: &str| {
            let bytes = self.open(name).and_then(|file| contents(file, left));
            let bytes = bytes
                .map_err(|error| Failure::new(Code::File, format!("{name:?} cannot be sent: {error}")))?;
            left -= bytes.len() as u64;
            Ok(bytes)
        };
        match &self.content {
            Content::File(name) => Ok((file(name)?.into(), "application/octet-stream".to_owned())),
            Content::Multipart(parts) => {
                let boundary = format!("{:032x}", rand::random::<u128>());
                let mut body = Vec::new();
                for part in parts {
                    let name = quoted(&part.name);
                    body.extend_from_slice(
                        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes(),
                    );
                    match &part.value {
                        Value::Text(text) => {
                            body.extend_from_slice(b"\r\n\r\n");
                            body.extend_from_slice(text.as_bytes());
                        }
                        Value::File { name, media_type } => {
                            let last = quoted(name.rsplit('/').next().unwrap_or_default());
                            body.extend_from_slice(
                                format!("; filename=\"{last}\"\r\nContent-Type: {media_type}\r\n\r\n")
                                    .as_bytes(),
                            );
                            body.append(&mut file(name)?);
                        }
                    }
                    body.extend_from_slice(b"\r\n");
                }
                body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
                Ok((body.into(), format!("multipart/form-data; boundary={boundary}")))
            }
        }
    }

    /// Opens a file below the folder, without following a link on the way.
    fn open(&self, name: &str) -> io::Result<std::fs::File> {
        let folder = self.folder.as_deref().unwrap_or(Path::new("."));
        let directory = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let mut at = rustix::fs::open(folder, directory, Mode::empty()).map_err(|error| {
            io::Error::new(error.kind(), format!("the folder {}: {error}", folder.display()))
        })?;
        let link = |error: Errno| match error {
            Errno::LOOP | Errno::NOTDIR => io::Error::other("a part of its path is a link or not a folder"),
            error => error.into(),
        };
        let mut parts = name.split('/').peekable();
        while let Some(part) = parts.next() {
            // A pipe without a writer would block.
            let flags = if parts.peek().is_some() {
                directory
            } else {
                OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK
            };
            at = openat(&at, part, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(link)?;
        }
        let file = std::fs::File::from(at);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(file)
    }
}

fn contents(file: std::fs::File, most: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(most)).unwrap_or(0));
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("the files of a request may have {MOST} bytes together")));
    }
    Ok(bytes)
}

/// The name of a field or a file within quotes (HTML Standard, "multipart form data").
fn quoted(name: &str) -> String {
    name.replace('\n', "%0A").replace('\r', "%0D").replace('"', "%22")
}

/// A body in a content coding.
pub(crate) fn compress(body: &[u8], coding: Coding) -> io::Result<Bytes> {
    let compressed = match coding {
        Coding::Gzip => {
            let mut encoder = flate2::read::GzEncoder::new(body, flate2::Compression::default());
            let mut compressed = Vec::new();
            encoder.read_to_end(&mut compressed)?;
            compressed
        }
        Coding::Zstd => zstd::encode_all(body, 0)?,
    };
    Ok(compressed.into())
}

impl fmt::Display for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::File(name) => write!(f, "the file {name}"),
            Content::Multipart(parts) => {
                for (n, Part { name, value }) in parts.iter().enumerate() {
                    let line = if n > 0 { "\n" } else { "" };
                    match value {
                        Value::Text(text) => write!(f, "{line}{name}: {text}")?,
                        Value::File { name: file, .. } => write!(f, "{line}{name}: the file {file}")?,
                    }
                }
                Ok(())
            }
        }
    }
}
