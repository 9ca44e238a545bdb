//! Writes an object in parts.

use std::collections::{HashMap, VecDeque};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio_util::task::AbortOnDropHandle;

use super::error::StorageError;
use super::objects::{Objects, Stored};

/// Bytes of the first parts of an upload. S3 allows 10,000 parts of at least 5 MiB: parts grow by this much
/// after every thousand, which is room for 275 GB.
pub const PART_BYTES: usize = 5 << 20;

impl Objects {
    /// Begins an upload that is written in pieces. Less than one part is only sent when the upload is
    /// finished.
    pub fn upload(&self, key: impl Into<String>) -> Upload {
        Upload {
            objects: self.clone(),
            key: key.into(),
            id: None,
            metadata: None,
            parts: Vec::new(),
            under_way: VecDeque::new(),
            buffer: BytesMut::new(),
            written: 0,
        }
    }

    /// Continues a paused upload. The same upload may be continued more than once: a part that is sent again
    /// replaces the one before (S3 API Reference, "UploadPart").
    ///
    /// # Errors
    /// [`StorageError`] when the bytes after the last part cannot be read.
    pub async fn resume(&self, paused: PausedUpload) -> Result<Upload, StorageError> {
        let PausedUpload { key, id, parts, rest, written } = paused;
        let buffer = match rest {
            Some(rest) => BytesMut::from(self.get(&rest).await?),
            None => BytesMut::new(),
        };
        let part = |(number, etag)| CompletedPart::builder().part_number(number).e_tag(etag).build();
        let parts = (1..).zip(parts).map(part).collect();
        let under_way = VecDeque::new();
        Ok(Upload { objects: self.clone(), key, id, metadata: None, parts, under_way, buffer, written })
    }
}

/// A paused upload: see [`Upload::pause`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedUpload {
    key: String,
    /// The upload's id in S3, once a part was sent.
    id: Option<String>,
    /// The entity tags of the parts, in order.
    parts: Vec<String>,
    /// Key of the object that holds the bytes after the last part.
    rest: Option<String>,
    written: u64,
}

/// An object that is being written in parts: some are sent while the next is collected. If it is dropped
/// unfinished, its parts remain until a lifecycle rule (or the sweep of the local store) removes them;
/// [`Upload::abort`] removes them at once.
#[derive(Debug)]
pub struct Upload {
    objects: Objects,
    key: String,
    id: Option<String>,
    /// Written with the object.
    metadata: Option<HashMap<String, String>>,
    parts: Vec<CompletedPart>,
    /// The parts that are being sent, in order; at most [`super::Transfers::parts`], and of all uploads at
    /// most [`super::Transfers::all_parts`].
    under_way: VecDeque<AbortOnDropHandle<Result<CompletedPart, StorageError>>>,
    buffer: BytesMut,
    written: u64,
}

impl Upload {
    /// Describes the object by names and values, for whoever reads it.
    #[must_use]
    pub fn with_metadata<'a>(self, metadata: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let metadata = metadata.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let metadata: HashMap<_, _> = metadata.collect();
        Self { metadata: Some(metadata).filter(|metadata| !metadata.is_empty()), ..self }
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends; sends a part whenever one is full.
    ///
    /// # Errors
    /// [`StorageError`]; the upload is then of no use.
    pub async fn write(&mut self, mut data: &[u8]) -> Result<(), StorageError> {
        self.written += data.len() as u64;
        loop {
            let room = self.part_bytes() - self.buffer.len();
            if data.len() < room {
                self.buffer.extend_from_slice(data);
                return Ok(());
            }
            let (fits, rest) = data.split_at(room);
            self.buffer.extend_from_slice(fits);
            let part = std::mem::take(&mut self.buffer).freeze();
            self.send(part).await?;
            // One part is followed by another: reserve its memory at once, so that the buffer never moves.
            self.buffer.reserve(self.part_bytes());
            data = rest;
        }
    }

    /// Sends the rest and makes the object visible. An object that fits into one part is a plain `PUT`.
    ///
    /// # Errors
    /// [`StorageError`]; the object is then not visible.
    pub async fn finish(mut self) -> Result<Stored, StorageError> {
        let rest = std::mem::take(&mut self.buffer).freeze();
        if self.id.is_none() {
            return self.objects.put_with(&self.key, rest, self.metadata).await;
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        self.sent().await?;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.parts)).build();
        let Objects { client, bucket, .. } = &self.objects;
        let request = client
            .complete_multipart_upload()
            .bucket(bucket)
            .key(&self.key)
            .set_upload_id(self.id)
            .multipart_upload(parts);
        let output = request.send().await.map_err(|e| self.objects.error("write", &self.key, e))?;
        Ok(Stored::new(output.e_tag(), output.version_id()))
    }

    /// Pauses the upload for [`Objects::resume`]: its parts stay in S3, and the bytes that do not fill a part
    /// are written to the key `aside`.
    ///
    /// # Errors
    /// [`StorageError`]; the upload is then of no use.
    pub async fn pause(mut self, aside: String) -> Result<PausedUpload, StorageError> {
        self.sent().await?;
        let rest = std::mem::take(&mut self.buffer).freeze();
        let rest =
            if rest.is_empty() { None } else { self.objects.put(&aside, rest).await.map(|_| Some(aside))? };
        let parts = self.parts.iter().map(|part| part.e_tag().unwrap_or_default().to_owned()).collect();
        Ok(PausedUpload { key: self.key, id: self.id, parts, rest, written: self.written })
    }

    /// Abandons the upload and removes its parts.
    ///
    /// # Errors
    /// [`StorageError`] when the parts cannot be removed.
    pub async fn abort(mut self) -> Result<(), StorageError> {
        // Otherwise a part might arrive after the upload was removed.
        while !self.under_way.is_empty() {
            let _ = self.first_sent().await;
        }
        let Objects { client, bucket, .. } = &self.objects;
        if self.id.is_some() {
            let request =
                client.abort_multipart_upload().bucket(bucket).key(&self.key).set_upload_id(self.id);
            request.send().await.map_err(|e| self.objects.error("write", &self.key, e))?;
        }
        Ok(())
    }

    fn part_bytes(&self) -> usize {
        PART_BYTES * (1 + (self.parts.len() + self.under_way.len()) / 1000)
    }

    /// Begins to send a part as soon as few enough others are being sent.
    async fn send(&mut self, part: Bytes) -> Result<(), StorageError> {
        while self.under_way.len() >= self.objects.transfers.parts.max(1) {
            self.first_sent().await?;
        }
        let Objects { client, bucket, .. } = &self.objects;
        if self.id.is_none() {
            let request = client.create_multipart_upload().bucket(bucket).key(&self.key);
            let request = request.set_metadata(self.metadata.take());
            let created = request.send().await.map_err(|e| self.objects.error("write", &self.key, e))?;
            self.id = created.upload_id().map(str::to_owned);
        }
        let number =
            i32::try_from(self.parts.len() + self.under_way.len() + 1).expect("at most 10,000 parts");
        let request = client
            .upload_part()
            .bucket(bucket)
            .key(&self.key)
            .set_upload_id(self.id.clone())
            .part_number(number);
        let (objects, key) = (self.objects.clone(), self.key.clone());
        let permit = objects.parts.clone().acquire_owned().await.expect("it is never closed");
        self.under_way.push_back(AbortOnDropHandle::new(tokio::spawn(async move {
            let sent = request
                .body(ByteStream::from(part))
                .send()
                .await
                .map_err(|e| objects.error("write", &key, e))?;
            drop(permit);
            Ok(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build())
        })));
        Ok(())
    }

    /// Waits for all parts that are being sent.
    async fn sent(&mut self) -> Result<(), StorageError> {
        while !self.under_way.is_empty() {
            self.first_sent().await?;
        }
        Ok(())
    }

    /// Waits for the first of the parts that are being sent.
    async fn first_sent(&mut self) -> Result<(), StorageError> {
        let Some(part) = self.under_way.pop_front() else { return Ok(()) };
        let part = part.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        self.parts.push(part);
        Ok(())
    }
}
