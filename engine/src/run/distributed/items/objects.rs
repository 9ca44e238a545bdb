//! Items from many objects: a listing, an S3 inventory or an Athena manifest.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::decompress::Chunks;
use super::file::FileReader;
use super::{Item, ObjectRef, Raw, failed};
use crate::dataset::{Csv, Format};
use crate::failure::Failure;
use crate::host::ObjectInfo;
use crate::run::Runtime;

/// The objects of a bucket, page by page.
pub(super) struct Listing {
    runtime: Arc<Runtime>,
    bucket: String,
    prefix: String,
    page: VecDeque<ObjectInfo>,
    after: Option<String>,
    ended: bool,
}

impl Listing {
    pub(super) fn new(runtime: &Arc<Runtime>, location: &ObjectRef) -> Self {
        let (bucket, prefix) = (location.bucket.clone(), location.key.clone());
        Self { runtime: runtime.clone(), bucket, prefix, page: VecDeque::new(), after: None, ended: false }
    }

    pub(super) async fn next(&mut self) -> Result<Option<ObjectInfo>, Failure> {
        if self.page.is_empty() && !self.ended {
            let page =
                self.runtime.host.list_objects(&self.bucket, &self.prefix, self.after.as_deref()).await;
            self.page = page.map_err(failed)?.into();
            self.ended = self.page.is_empty();
            self.after = self.page.back().map(|object| object.key.clone());
        }
        Ok(self.page.pop_front())
    }
}

/// Makes an item of an object: the fields of S3's ListObjectsV2, with the time in seconds since 1970.
pub(super) fn item(object: ObjectInfo) -> Item {
    let value = json!({
        "Etag": object.etag,
        "Key": object.key,
        "LastModified": object.last_modified.unix_timestamp(),
        "Size": object.size,
        "StorageClass": object.storage_class,
    });
    Item { key: None, value }
}

/// The contents of objects, one after the other.
pub(super) struct FilesReader {
    runtime: Arc<Runtime>,
    names: Names,
    format: Format,
    current: Option<FileReader>,
    source: String,
}

enum Names {
    Listed(Listing),
    /// The bucket of an inventory, and its files.
    Inventory(String, VecDeque<InventoryFile>),
    /// The manifest.
    Athena(Box<FileReader>),
}

impl FilesReader {
    pub(super) fn listed(listing: Listing, format: Format) -> Self {
        Self {
            runtime: listing.runtime.clone(),
            names: Names::Listed(listing),
            format,
            current: None,
            source: String::new(),
        }
    }

    pub(super) async fn inventory(runtime: &Arc<Runtime>, location: &ObjectRef) -> Result<Self, Failure> {
        let inventory = Inventory::read(runtime, location).await?;
        let bucket = inventory.destination_bucket.rsplit(':').next().unwrap_or_default().to_owned();
        let headers = inventory.file_schema.split(',').map(|name| name.trim().to_owned()).collect();
        let format = Format::Csv(Csv { delimiter: b',', headers: Some(headers) });
        let names = Names::Inventory(bucket, inventory.files.into());
        Ok(Self { runtime: runtime.clone(), names, format, current: None, source: String::new() })
    }

    pub(super) async fn athena(
        runtime: &Arc<Runtime>,
        location: &ObjectRef,
        format: Format,
    ) -> Result<Self, Failure> {
        let addresses = Format::Csv(Csv { delimiter: b',', headers: Some(vec![ADDRESS.into()]) });
        let names = Names::Athena(Box::new(FileReader::open(runtime, location, &addresses).await?));
        Ok(Self { runtime: runtime.clone(), names, format, current: None, source: String::new() })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) async fn next(&mut self) -> Result<Option<Raw>, Failure> {
        loop {
            if let Some(file) = &mut self.current {
                if let Some(raw) = file.next().await? {
                    return Ok(Some(raw));
                }
                self.current = None;
            }
            let Some(location) = self.names.next().await? else { return Ok(None) };
            self.source = format!("S3://{}/{}", location.bucket, location.key);
            self.current = Some(FileReader::open(&self.runtime, &location, &self.format).await?);
        }
    }
}

const ADDRESS: &str = "address";

impl Names {
    async fn next(&mut self) -> Result<Option<ObjectRef>, Failure> {
        match self {
            Names::Listed(listing) => loop {
                let Some(object) = listing.next().await? else { return Ok(None) };
                // The S3 console creates empty objects for folders.
                if object.size > 0 || !object.key.ends_with('/') {
                    return Ok(Some(ObjectRef {
                        bucket: listing.bucket.clone(),
                        key: object.key,
                        version: None,
                    }));
                }
            },
            Names::Inventory(bucket, files) => {
                let file = files.pop_front();
                Ok(file.map(|file| ObjectRef { bucket: bucket.clone(), key: file.key, version: None }))
            }
            Names::Athena(file) => {
                let Some(raw) = file.next().await? else { return Ok(None) };
                let row = raw.item()?.value;
                let address = row[ADDRESS].as_str().unwrap_or_default().trim();
                let parts = address.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
                let (bucket, key) = parts.ok_or_else(|| {
                    failed(format!(
                        "the manifest holds {address:?}, which is not of the form s3://bucket/key"
                    ))
                })?;
                Ok(Some(ObjectRef { bucket: bucket.into(), key: key.into(), version: None }))
            }
        }
    }
}

/// The `manifest.json` of an S3 inventory ("Locating your inventory list" in the S3 user guide).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inventory {
    destination_bucket: String,
    file_format: String,
    file_schema: String,
    files: Vec<InventoryFile>,
}

#[derive(Deserialize)]
struct InventoryFile {
    key: String,
}

/// The longest manifest that is read, in bytes.
const MANIFEST: usize = 64 * 1024 * 1024;

impl Inventory {
    async fn read(runtime: &Runtime, location: &ObjectRef) -> Result<Self, Failure> {
        let mut chunks = Chunks::open(runtime, location).await?;
        let mut text = Vec::new();
        while let Some(chunk) = chunks.next().await? {
            text.extend_from_slice(&chunk);
            if text.len() > MANIFEST {
                return Err(failed("the manifest is longer than 64 MiB"));
            }
        }
        let inventory: Inventory = serde_json::from_slice(&text)
            .map_err(|error| failed(format!("the object is not the manifest of an S3 inventory: {error}")))?;
        match inventory.file_format.as_str() {
            "CSV" => Ok(inventory),
            other => Err(failed(format!("an S3 inventory must be in CSV, and this one is in {other}"))),
        }
    }
}
