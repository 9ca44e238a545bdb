//! A bucket, as the steps use it.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::error::{StorageError, StorageErrorKind, in_words};
use super::retry::RetryPolicy;
use super::transfers::Transfers;

/// A bucket, as the steps use it.
#[derive(Debug, Clone)]
pub struct Objects {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    pub(crate) transfers: Transfers,
    /// [`Transfers::all_parts`].
    pub(crate) parts: Arc<Semaphore>,
}

/// One entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The whole key.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// The object that a write made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The entity tag, without quotes, as events have it.
    pub etag: String,
    /// The version, in a bucket that has versions.
    pub version: Option<String>,
}

impl Stored {
    pub(crate) fn new(etag: Option<&str>, version: Option<&str>) -> Self {
        Self {
            etag: etag.unwrap_or_default().trim_matches('"').to_owned(),
            version: version.map(str::to_owned),
        }
    }
}

/// The response to a `HEAD` request for an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Bytes.
    pub size: u64,
    /// The entity tag as sent, with quotes.
    pub etag: String,
    /// What the writer of the object said of it, by names in lower case.
    pub metadata: HashMap<String, String>,
}

impl Objects {
    /// The objects of one bucket.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        let transfers = Transfers::default();
        let parts = Arc::new(Semaphore::new(transfers.all_parts));
        Self { client, bucket: bucket.into(), transfers, parts }
    }

    /// The same objects, of which large ones are transferred in several requests at a time.
    #[must_use]
    pub fn with_transfers(self, transfers: Transfers) -> Self {
        Self { transfers, parts: Arc::new(Semaphore::new(transfers.all_parts)), ..self }
    }

    /// Size and tag of an object, of one version if given.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn head(&self, key: &str) -> Result<Facts, StorageError> {
        let output = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
            .map_err(|e| self.error("read", key, e))?;
        Ok(Facts {
            size: output.content_length().unwrap_or(0).max(0).cast_unsigned(),
            etag: output.e_tag().unwrap_or_default().to_owned(),
            metadata: output.metadata.unwrap_or_default(),
        })
    }

    /// A whole object in memory.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn get(&self, key: &str) -> Result<Bytes, StorageError> {
        self.read(key, None, None).await?.all().await
    }

    /// A whole object in memory, or `None` where there is none.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn find(&self, key: &str) -> Result<Option<Bytes>, StorageError> {
        match self.get(key).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind == StorageErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Bytes `from..to` of an object in memory; empty for an empty range.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn get_range(&self, key: &str, from: u64, to: u64) -> Result<Bytes, StorageError> {
        self.read(key, Some(from..to), None).await?.all().await
    }

    /// Writes an object, replacing what was there.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put(&self, key: &str, body: impl Into<Bytes>) -> Result<Stored, StorageError> {
        self.put_with(key, body.into(), None).await
    }

    /// [`Objects::put`] with metadata.
    pub(super) async fn put_with(
        &self,
        key: &str,
        body: Bytes,
        metadata: Option<HashMap<String, String>>,
    ) -> Result<Stored, StorageError> {
        let request = self.client.put_object().bucket(&self.bucket).key(key).set_metadata(metadata);
        let output =
            request.body(ByteStream::from(body)).send().await.map_err(|e| self.error("write", key, e))?;
        Ok(Stored::new(output.e_tag(), output.version_id()))
    }

    /// Writes an object unless there is one, and says whether it was written. The result is also `false` when
    /// the response to a successful write was lost: a caller that must know reads the object.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_if_absent(&self, key: &str, body: impl Into<Bytes>) -> Result<bool, StorageError> {
        self.put_if(key, &body.into(), |request| request.if_none_match("*")).await
    }

    /// Replaces an object if it still has this tag, and says whether it was replaced. `false` means the same
    /// as with [`Objects::put_if_absent`].
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_if_match(
        &self,
        key: &str,
        body: impl Into<Bytes>,
        etag: &str,
    ) -> Result<bool, StorageError> {
        match self.put_if(key, &body.into(), |request| request.if_match(etag)).await {
            Err(error) if error.kind == StorageErrorKind::NotFound => Ok(false),
            put => put,
        }
    }

    async fn put_if(
        &self,
        key: &str,
        body: &Bytes,
        condition: impl Fn(PutObjectFluentBuilder) -> PutObjectFluentBuilder,
    ) -> Result<bool, StorageError> {
        let attempt = async || {
            let request =
                self.client.put_object().bucket(&self.bucket).key(key).body(ByteStream::from(body.clone()));
            condition(request).send().await.map_err(|e| self.error("write", key, e))
        };
        match RetryPolicy::CONFLICT.run(attempt, |_, time| tokio::time::sleep(time)).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == StorageErrorKind::Precondition => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Everything below a prefix, in key order.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, StorageError> {
        let mut entries = Vec::new();
        let mut token = None;
        loop {
            let (page, next) = self.list_page(prefix, token).await?;
            entries.extend(page);
            token = next;
            if token.is_none() {
                return Ok(entries);
            }
        }
    }

    /// One page of [`Objects::list`], and the token of the next one.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn list_page(
        &self,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Vec<Entry>, Option<String>), StorageError> {
        self.page(prefix, None, token).await
    }

    /// The page of [`Objects::list`] that begins after a key, which need not exist.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn list_page_after(
        &self,
        prefix: &str,
        key: String,
    ) -> Result<(Vec<Entry>, Option<String>), StorageError> {
        self.page(prefix, Some(key), None).await
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<String>,
        token: Option<String>,
    ) -> Result<(Vec<Entry>, Option<String>), StorageError> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let request = request.set_start_after(after).set_continuation_token(token);
        let page = request.send().await.map_err(|e| self.error("list", prefix, e))?;
        let entry = |object: &aws_sdk_s3::types::Object| {
            Some(Entry {
                key: object.key()?.to_owned(),
                size: object.size().unwrap_or(0).max(0).cast_unsigned(),
            })
        };
        Ok((
            page.contents().iter().filter_map(entry).collect(),
            page.next_continuation_token().map(str::to_owned),
        ))
    }

    /// The names of the folders directly below a prefix that ends with a slash, in order.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).delimiter("/");
        let mut pages = request.into_paginator().send();
        let mut folders = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| self.error("list", prefix, e))?;
            let names = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
            folders.extend(
                names.filter_map(|name| Some(name.strip_prefix(prefix)?.strip_suffix('/')?.to_owned())),
            );
        }
        Ok(folders)
    }

    /// The name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Removes one object; it is not an error when there is none.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
            .map_err(|e| self.error("delete", key, e))?;
        Ok(())
    }

    /// Removes everything below a prefix, 1,000 keys with each request. Returns how many keys there were.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn delete_prefix(&self, prefix: &str) -> Result<usize, StorageError> {
        let all = self.list(prefix).await?;
        for entries in all.chunks(1000) {
            let objects: Result<Vec<_>, _> =
                entries.iter().map(|entry| ObjectIdentifier::builder().key(&entry.key).build()).collect();
            let delete =
                objects.and_then(|objects| Delete::builder().set_objects(Some(objects)).quiet(true).build());
            let delete = delete.expect("every identifier has a key");
            let request = self.client.delete_objects().bucket(&self.bucket).delete(delete);
            request.send().await.map_err(|e| self.error("delete", prefix, e))?;
        }
        Ok(all.len())
    }

    pub(crate) fn error<E>(&self, action: &'static str, key: &str, error: SdkError<E>) -> StorageError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        let kind = match (error.code().unwrap_or_default(), status) {
            ("NoSuchBucket" | "PermanentRedirect" | "IllegalLocationConstraintException", _) | (_, 301) => {
                StorageErrorKind::NoBucket
            }
            ("NoSuchKey" | "NotFound", _) | (_, 404) => StorageErrorKind::NotFound,
            ("PreconditionFailed", _) | (_, 412) => StorageErrorKind::Precondition,
            ("ConditionalRequestConflict" | "OperationAborted", _) | (_, 409) => StorageErrorKind::Conflict,
            (_, 507) => StorageErrorKind::Full,
            ("AccessDenied", _) | (_, 401 | 403) => StorageErrorKind::Denied,
            _ => StorageErrorKind::Unavailable,
        };
        let elsewhere =
            error.raw_response().and_then(|response| response.headers().get("x-amz-bucket-region"));
        let message = match error.message() {
            _ if kind == StorageErrorKind::NoBucket => self.no_bucket(elsewhere),
            Some(message) => format!("{} ({})", message, error.code().unwrap_or("no code")),
            None => in_words(&error),
        };
        StorageError { action, bucket: self.bucket.clone(), key: key.to_owned(), message, kind }
    }

    fn no_bucket(&self, elsewhere: Option<&str>) -> String {
        let (bucket, region) =
            (&self.bucket, self.client.config().region().map_or("this Region", |region| region.as_ref()));
        match elsewhere.filter(|elsewhere| *elsewhere != region) {
            Some(elsewhere) => format!("the bucket {bucket} is in {elsewhere}, and not in {region}"),
            None => format!("there is no bucket {bucket} in {region}"),
        }
    }
}
