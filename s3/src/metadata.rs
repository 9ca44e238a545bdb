//! What is kept with an object beside its bytes: headers, metadata of the user, a checksum and the sizes of its parts.
//! It is an extended attribute of the object's file, so it appears and disappears with the object.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};
use rustix::io::Errno;
use s3s::dto::{Timestamp, TimestampFormat};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use crate::checksum::Sum;
use crate::error::{At, io_error};
use crate::file::Temp;

/// The name of the attribute.
const NAME: &str = "user.throughline";
/// The most bytes of the attribute: with ext4, all attributes of a file fit in a block of 4 KiB.
const MOST: usize = 3_900;
/// The most bytes of the user's metadata (Amazon S3 User Guide, "Working with object metadata").
const MOST_OF_USER: usize = 2_048;

/// The headers that are kept, and the metadata of the user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Headers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) user: BTreeMap<String, String>,
}

/// All that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata {
    #[serde(flatten)]
    pub(crate) headers: Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sum: Option<Sum>,
    /// The parts of an object that was uploaded in parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<Part>,
}

/// Parts that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The size of each in bytes.
    pub(crate) size: u64,
    /// Their number, which is 1 if the checksum is known.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(crate) count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sum: Option<Sum>,
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_one(count: &u32) -> bool {
    *count == 1
}

/// The attribute: what is kept, and of which content.
#[derive(Serialize, Deserialize)]
struct Attribute<K> {
    of: String,
    #[serde(flatten)]
    kept: K,
}

/// The headers of a request that are kept.
macro_rules! headers_of {
    ($req:ident) => {
        crate::metadata::Headers {
            content_type: $req.input.content_type.take(),
            content_encoding: $req.input.content_encoding.take(),
            content_language: $req.input.content_language.take(),
            content_disposition: $req.input.content_disposition.take(),
            cache_control: $req.input.cache_control.take(),
            expires: $req.input.expires.take().as_ref().and_then(crate::metadata::http_date),
            user: $req.input.metadata.take().unwrap_or_default().into_iter().collect(),
        }
        .checked($req.credentials.is_none())?
    };
}

/// Shows what is kept of an object in a response.
macro_rules! show_headers {
    ($output:expr, $headers:expr) => {
        let headers = $headers;
        $output.content_type = Some(headers.content_type.unwrap_or_else(|| crate::metadata::TYPE.to_owned()));
        $output.content_encoding = headers.content_encoding;
        $output.content_language = headers.content_language;
        $output.content_disposition = headers.content_disposition;
        $output.cache_control = headers.cache_control;
        $output.expires = headers.expires.as_deref().and_then(crate::metadata::of_http_date);
        $output.metadata = Some(headers.user.into_iter().collect());
    };
}

pub(crate) use {headers_of, show_headers};

/// The content type of an object that has none.
pub(crate) const TYPE: &str = "binary/octet-stream";

pub(crate) fn http_date(time: &Timestamp) -> Option<String> {
    let mut text = Vec::new();
    time.format(TimestampFormat::HttpDate, &mut text).ok()?;
    String::from_utf8(text).ok()
}

pub(crate) fn of_http_date(text: &str) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, text).ok()
}

impl Headers {
    /// The same without what only describes the transfer. The SDK of this process names a content type for all
    /// bytes, which says nothing.
    pub(crate) fn checked(mut self, in_process: bool) -> S3Result<Self> {
        if in_process {
            self.content_type = self.content_type.filter(|kind| kind != "application/octet-stream");
        }
        if let Some(encoding) = self.content_encoding.take_if(|encoding| encoding.contains("aws-chunked")) {
            let parts =
                encoding.split(',').map(str::trim).filter(|part| !matches!(*part, "aws-chunked" | ""));
            let rest = parts.collect::<Vec<_>>().join(", ");
            self.content_encoding = Some(rest).filter(|rest| !rest.is_empty());
        }
        let size: usize = self.user.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > MOST_OF_USER {
            return Err(s3_error!(
                MetadataTooLarge,
                "Your metadata headers exceed the maximum allowed metadata size: {size} of {MOST_OF_USER} bytes"
            ));
        }
        Ok(self)
    }
}

impl Metadata {
    /// Ends the writing of a file, as [`Temp::seal`], with this attribute.
    pub(crate) fn seal(&self, temp: &Temp) -> S3Result {
        if *self != Self::default() {
            temp.stamp().map_err(io_error)?;
            self.write(&temp.file, &temp.path)?;
            return temp.file.sync_all().at(&temp.path).map_err(io_error);
        }
        temp.seal().map_err(io_error)
    }

    /// Makes it an attribute of a file whose content does not change any more.
    pub(crate) fn write(&self, file: &File, path: &Path) -> S3Result {
        let of = content(file).at(path).map_err(io_error)?;
        let bytes =
            |kept: &Self| serde_json::to_vec(&Attribute { of: of.clone(), kept }).expect("it is plain data");
        let mut value = bytes(self);
        if value.len() > MOST {
            value = bytes(&self.without_sums_of_parts());
        }
        if value.len() > MOST {
            value = bytes(&Self { parts: Vec::new(), ..self.clone() });
        }
        let too_large = || s3_error!(MetadataTooLarge, "the headers of an object have at most {MOST} bytes");
        if value.len() > MOST {
            return Err(too_large());
        }
        match fsetxattr(file, NAME, &value, XattrFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::TOOBIG | Errno::RANGE) => Err(too_large()),
            Err(Errno::NOTSUP) if self.is_dispensable() => Ok(()),
            Err(Errno::NOTSUP) => Err(s3_error!(
                NotImplemented,
                "the metadata of an object cannot be kept: the file system of the state folder has no extended attributes"
            )),
            Err(error) => Err(io_error(io::Error::from(error))),
        }
    }

    /// What is kept with an open file. What belongs to an earlier content is ignored.
    pub(crate) fn of(file: &File) -> Self {
        let mut buffer = vec![0; MOST];
        let Ok(length) = fgetxattr(file, NAME, &mut buffer[..]) else { return Self::default() };
        let found: Option<Attribute<Self>> = serde_json::from_slice(&buffer[..length]).ok();
        let current = found.filter(|found| content(file).is_ok_and(|content| content == found.of));
        current.map(|found| found.kept).unwrap_or_default()
    }

    /// Whether nobody who reads the object must know it.
    fn is_dispensable(&self) -> bool {
        self.headers == Headers { content_type: self.headers.content_type.clone(), ..Headers::default() }
    }

    fn without_sums_of_parts(&self) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for part in &self.parts {
            match parts.last_mut() {
                Some(last) if last.size == part.size => last.count += part.count,
                _ => parts.push(Part { sum: None, ..part.clone() }),
            }
        }
        Self { parts, ..self.clone() }
    }

    /// The parts of the object, each by itself.
    pub(crate) fn each_part(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().flat_map(|part| std::iter::repeat_n(part, part.count as usize))
    }

    pub(crate) fn number_of_parts(&self) -> usize {
        self.parts.iter().map(|part| part.count as usize).sum()
    }
}

/// What tells a content from others.
fn content(file: &File) -> io::Result<String> {
    let meta = file.metadata()?;
    Ok(format!("{:x}.{:x}-{:x}", meta.mtime(), meta.mtime_nsec(), meta.len()))
}
