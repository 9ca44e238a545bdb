//! Reads an object to its end although connections break.

use std::ops::Range;

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};

use super::error::{StorageError, StorageErrorKind};
use super::objects::Objects;

/// How many times in a row a body may break without a byte in between. The client retries requests, but not
/// the reading of a response's body.
const BREAKS: u32 = 4;

impl Objects {
    /// Reads an object: bytes `range` if given, of the version with this tag if given.
    ///
    /// # Errors
    /// [`StorageError`], as those of [`Download::next`].
    pub async fn read(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        if_match: Option<&str>,
    ) -> Result<Download, StorageError> {
        let (at, end) = range.map_or((0, None), |range| (range.start, Some(range.end)));
        let mut download =
            Download { etag: if_match.map(str::to_owned), at, end, ..Download::new(self, key) };
        if end.is_none_or(|end| at < end) {
            download.open().await?;
        }
        Ok(download)
    }

    /// Reads an older version of an object, by its id.
    ///
    /// # Errors
    /// As [`Objects::read`].
    pub async fn read_version(&self, key: &str, version: &str) -> Result<Download, StorageError> {
        let mut download = Download { version: Some(version.to_owned()), ..Download::new(self, key) };
        download.open().await?;
        Ok(download)
    }
}

/// An object that is being read. When the connection breaks, the rest of the object is requested again.
#[derive(Debug)]
pub struct Download {
    objects: Objects,
    key: String,
    /// The version's id, where not the latest is read.
    version: Option<String>,
    /// The entity tag, once it is known: all bytes are of one version.
    etag: Option<String>,
    /// Offset of the next byte.
    at: u64,
    /// Offset after the last byte, once it is known.
    end: Option<u64>,
    body: ByteStream,
    breaks: u32,
}

impl Download {
    fn new(objects: &Objects, key: &str) -> Self {
        let (objects, key) = (objects.clone(), key.to_owned());
        Self {
            objects,
            key,
            version: None,
            etag: None,
            at: 0,
            end: None,
            body: ByteStream::default(),
            breaks: 0,
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`StorageError`] when the store fails, the body breaks too often, or another version has replaced the
    /// object.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        loop {
            let broken = match self.body.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => {
                    self.at += bytes.len() as u64;
                    self.breaks = 0;
                    return Ok(Some(bytes));
                }
                None if self.end.is_none_or(|end| self.at >= end) => return Ok(None),
                None => "it ended early".to_owned(),
                Some(Err(error)) => error.to_string(),
            };
            self.breaks += 1;
            if self.breaks > BREAKS {
                return Err(self.objects.cut(&self.key, &broken));
            }
            tracing::debug!(
                key = self.key,
                at = self.at,
                broken,
                "the connection broke while a body was read; the rest is requested again"
            );
            self.open().await?;
        }
    }

    /// The rest of the object, in memory.
    ///
    /// # Errors
    /// As [`Download::next`].
    pub async fn all(mut self) -> Result<Bytes, StorageError> {
        let length = self.end.map_or(0, |end| end - self.at);
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.next().await? else { return Ok(first) };
        let length = usize::try_from(length).unwrap_or(0).min(super::upload::PART_BYTES);
        let mut all = BytesMut::with_capacity(length.max(first.len() + second.len()));
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(bytes) = self.next().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }

    async fn open(&mut self) -> Result<(), StorageError> {
        let range = match (self.at, self.end) {
            (0, None) => None,
            (at, end) => {
                Some(format!("bytes={at}-{}", end.map_or_else(String::new, |end| (end - 1).to_string())))
            }
        };
        let Objects { client, bucket, .. } = &self.objects;
        let request = client
            .get_object()
            .bucket(bucket)
            .key(&self.key)
            .set_range(range)
            .set_if_match(self.etag.clone());
        let request = request.set_version_id(self.version.clone());
        let response = request.send().await.map_err(|error| self.objects.error("read", &self.key, error))?;
        let length = response.content_length.and_then(|length| u64::try_from(length).ok());
        // A range may reach beyond the object's end.
        self.end = length.map(|length| self.at + length).or(self.end);
        self.etag = response.e_tag.or(self.etag.take());
        self.body = response.body;
        Ok(())
    }
}

impl Objects {
    fn cut(&self, key: &str, broken: &str) -> StorageError {
        let message = format!("the response's body was cut: {broken}");
        StorageError {
            action: "read",
            bucket: self.bucket.clone(),
            key: key.to_owned(),
            message,
            kind: StorageErrorKind::Unavailable,
        }
    }
}
