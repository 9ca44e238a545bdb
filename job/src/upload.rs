//! Objects that are written piece by piece.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio_util::task::AbortOnDropHandle;

use crate::objects::{Objects, StorageError, Stored};

/// Bytes of the first parts of an upload. S3 allows 10,000 parts of at least 5 MiB: parts grow by this much
/// after every thousand, which is room for 275 GB.
pub const PART_BYTES: usize = 5 << 20;

impl Objects {
    /// Begins an upload that is written piece by piece. Nothing is sent for less than one part until it is finished.
    pub fn upload(&self, key: impl Into<String>) -> Upload {
        Upload {
            objects: self.clone(),
            key: key.into(),
            id: None,
            parts: Vec::new(),
            under_way: None,
            buffer: BytesMut::new(),
            written: 0,
        }
    }

    /// Goes on with an upload that was put aside; more than once if need be, since a part that is sent again replaces
    /// the one before (S3 API Reference, "UploadPart").
    ///
    /// # Errors
    /// [`StorageError`] when what was put aside cannot be read.
    pub async fn resume(&self, paused: PausedUpload) -> Result<Upload, StorageError> {
        let PausedUpload { key, id, parts, rest, written } = paused;
        let buffer = match rest {
            Some(rest) => BytesMut::from(self.get(&rest).await?),
            None => BytesMut::new(),
        };
        let part = |(number, etag)| CompletedPart::builder().part_number(number).e_tag(etag).build();
        let parts = (1..).zip(parts).map(part).collect();
        Ok(Upload { objects: self.clone(), key, id, parts, under_way: None, buffer, written })
    }
}

/// An upload that was put aside: see [`Upload::pause`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedUpload {
    key: String,
    /// S3's, once a part was sent.
    id: Option<String>,
    /// Their entity tags, in order.
    parts: Vec<String>,
    /// The object that holds what comes behind the last part.
    rest: Option<String>,
    written: u64,
}

/// An object that is being written in parts, one of them under way while the next is collected. Dropped unfinished, its
/// parts are left to a lifecycle rule (or to the sweep of the local store); [`Upload::abort`] removes them.
#[derive(Debug)]
pub struct Upload {
    objects: Objects,
    key: String,
    id: Option<String>,
    parts: Vec<CompletedPart>,
    under_way: Option<AbortOnDropHandle<Result<CompletedPart, StorageError>>>,
    buffer: BytesMut,
    written: u64,
}

impl Upload {
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
            // Whoever filled one part will fill another: no more than that is held, and nothing moves.
            self.buffer.reserve(self.part_bytes());
            data = rest;
        }
    }

    /// Sends the rest and makes the object visible. One that fits into a part is a plain `PUT`.
    pub async fn finish(mut self) -> Result<Stored, StorageError> {
        let rest = std::mem::take(&mut self.buffer).freeze();
        if self.id.is_none() {
            return self.objects.put(&self.key, rest).await;
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        self.sent().await?;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.parts)).build();
        let Objects { client, bucket } = &self.objects;
        let request = client
            .complete_multipart_upload()
            .bucket(bucket)
            .key(&self.key)
            .set_upload_id(self.id)
            .multipart_upload(parts);
        let output = request.send().await.map_err(|e| self.objects.error("write", &self.key, e))?;
        Ok(Stored::new(output.e_tag(), output.version_id()))
    }

    /// Puts the upload aside, for [`Objects::resume`]: parts stay where they are, and what does not fill one is written to
    /// `aside`.
    ///
    /// # Errors
    /// [`StorageError`]; the upload is then of no use.
    pub async fn pause(mut self, aside: String) -> Result<PausedUpload, StorageError> {
        self.sent().await?;
        let rest = std::mem::take(&mut self.buffer).freeze();
        let rest = match rest.is_empty() {
            true => None,
            false => self.objects.put(&aside, rest).await.map(|_| Some(aside))?,
        };
        let parts = self.parts.iter().map(|part| part.e_tag().unwrap_or_default().to_owned()).collect();
        Ok(PausedUpload { key: self.key, id: self.id, parts, rest, written: self.written })
    }

    /// Gives the upload up and removes its parts.
    pub async fn abort(mut self) -> Result<(), StorageError> {
        // Otherwise it might arrive after the upload is gone.
        let _ = self.sent().await;
        let Objects { client, bucket } = &self.objects;
        if self.id.is_some() {
            let request =
                client.abort_multipart_upload().bucket(bucket).key(&self.key).set_upload_id(self.id);
            request.send().await.map_err(|e| self.objects.error("write", &self.key, e))?;
        }
        Ok(())
    }

    fn part_bytes(&self) -> usize {
        PART_BYTES * (1 + self.parts.len() / 1000)
    }

    /// Begins to send a part, when the one before has arrived.
    async fn send(&mut self, part: Bytes) -> Result<(), StorageError> {
        self.sent().await?;
        let Objects { client, bucket } = &self.objects;
        if self.id.is_none() {
            let request = client.create_multipart_upload().bucket(bucket).key(&self.key);
            let created = request.send().await.map_err(|e| self.objects.error("write", &self.key, e))?;
            self.id = created.upload_id().map(str::to_owned);
        }
        let number = i32::try_from(self.parts.len() + 1).expect("at most 10,000 parts");
        let request = client
            .upload_part()
            .bucket(bucket)
            .key(&self.key)
            .set_upload_id(self.id.clone())
            .part_number(number);
        let (objects, key) = (self.objects.clone(), self.key.clone());
        self.under_way = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let sent = request
                .body(ByteStream::from(part))
                .send()
                .await
                .map_err(|e| objects.error("write", &key, e))?;
            Ok(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build())
        })));
        Ok(())
    }

    /// Waits for the part under way.
    async fn sent(&mut self) -> Result<(), StorageError> {
        let Some(part) = self.under_way.take() else { return Ok(()) };
        let part = part.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        self.parts.push(part);
        Ok(())
    }
}
