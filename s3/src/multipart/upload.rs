//! Creates, aborts and lists uploads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use s3s::dto::{EncodingType, ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use crate::error::{At, io_error};
use crate::file::{make_folder, sync_parent, write_whole};
use crate::object::open_file;
use crate::store::Store;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Upload {
    bucket: String,
    key: String,
    /// Seconds since 1970.
    initiated: u64,
}

impl Store {
    /// Returns the upload id.
    pub(crate) fn create_upload(&self, bucket: &str, key: &str) -> S3Result<String> {
        self.bucket(bucket)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let upload = Upload { bucket: bucket.to_owned(), key: key.to_owned(), initiated: now.as_secs() };
        let id = uuid::Uuid::new_v4().simple().to_string();
        let (new, folder) = (self.tmp.join(&id), self.uploads_folder().join(&id));
        let record = serde_json::to_vec(&upload).expect("it is plain data");
        make_folder(&new)
            .and_then(|()| write_whole(&new.join("upload.json"), &record, &self.tmp))
            .and_then(|()| fs::rename(&new, &folder).at(&folder))
            .and_then(|()| sync_parent(&folder))
            .map_err(io_error)?;
        Ok(id)
    }

    /// The folder of an upload, completed or not. Fails with `NoSuchUpload`.
    pub(super) fn upload(&self, id: &str, bucket: &str, key: &str) -> S3Result<PathBuf> {
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) || id.is_empty() {
            return Err(no_such_upload(id));
        }
        let folder = self.uploads_folder().join(id);
        self.check_folders(&folder)?;
        match read_upload(&folder)? {
            Some(upload) if upload.bucket == bucket && upload.key == key => Ok(folder),
            _ => Err(no_such_upload(id)),
        }
    }

    /// The folder of an upload that takes parts. Fails with `NoSuchUpload`.
    pub(crate) fn open_upload(&self, id: &str, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let folder = self.upload(id, bucket, key)?;
        if completed(&folder) { Err(no_such_upload(id)) } else { Ok(folder) }
    }

    pub(crate) fn abort_upload(&self, id: &str, bucket: &str, key: &str) -> S3Result {
        self.uploads.with_lock(id, || {
            let folder = self.open_upload(id, bucket, key)?;
            // It is renamed first, so that no incomplete upload is found after a crash.
            let gone = self.tmp.join(id);
            fs::rename(&folder, &gone).at(&folder).map_err(io_error)?;
            fs::remove_dir_all(&gone).at(&gone).map_err(io_error)
        })
    }

    pub(crate) fn list_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        self.bucket(&input.bucket)?;
        if input.delimiter.is_some()
            || input.encoding_type.as_ref().is_some_and(|e| e.as_str() == EncodingType::URL)
        {
            return Err(s3_error!(
                NotImplemented,
                "listing uploads with a delimiter or an encoding is not supported"
            ));
        }
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let after = input.key_marker.as_deref().map(|key| (key, input.upload_id_marker.as_deref()));
        let mut found = self
            .uploads_in_progress(|upload| upload.bucket == input.bucket && upload.key.starts_with(prefix))?;
        found.retain(|(upload, id)| match after {
            None => true,
            Some((key, None)) => upload.key.as_str() > key,
            Some((key, Some(marker))) => (upload.key.as_str(), id.as_str()) > (key, marker),
        });
        found.sort_by(|(a, a_id), (b, b_id)| (&a.key, a_id).cmp(&(&b.key, b_id)));
        let max = usize::try_from(input.max_uploads.unwrap_or(1000)).unwrap_or_default().clamp(1, 1000);
        let more = found.len() > max;
        found.truncate(max);
        let last = found.last().filter(|_| more).map(|(upload, id)| (upload.key.clone(), id.clone()));
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: input.prefix,
            key_marker: input.key_marker,
            upload_id_marker: input.upload_id_marker,
            max_uploads: input.max_uploads,
            is_truncated: Some(more),
            next_key_marker: last.as_ref().map(|(key, _)| key.clone()),
            next_upload_id_marker: last.map(|(_, id)| id),
            uploads: Some(found.into_iter().map(|(upload, id)| entry(upload, id)).collect()),
            ..ListMultipartUploadsOutput::default()
        })
    }

    fn uploads_in_progress(&self, wanted: impl Fn(&Upload) -> bool) -> S3Result<Vec<(Upload, String)>> {
        let uploads = self.uploads_folder();
        let mut found = Vec::new();
        for folder in fs::read_dir(&uploads).at(&uploads).map_err(io_error)? {
            let folder = folder.at(&uploads).map_err(io_error)?.path();
            let id = folder.file_name().and_then(|name| name.to_str()).map(str::to_owned);
            if let (Some(upload), Some(id)) = (read_upload(&folder)?, id)
                && !completed(&folder)
                && wanted(&upload)
            {
                found.push((upload, id));
            }
        }
        Ok(found)
    }
}

pub(super) fn no_such_upload(id: &str) -> S3Error {
    s3_error!(NoSuchUpload, "there is no upload {id} for this key, or it was completed or aborted")
}

fn completed(folder: &Path) -> bool {
    folder.join("complete.json").exists() && !folder.join("joined").exists()
}

fn read_upload(folder: &Path) -> S3Result<Option<Upload>> {
    read_record(&folder.join("upload.json"))
}

/// Reads a record, which was written as a whole or, if the result is `None`, not at all.
pub(super) fn read_record<T: serde::de::DeserializeOwned>(path: &Path) -> S3Result<Option<T>> {
    match open_file(path).and_then(io::read_to_string) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => {
            let text = read.at(path).map_err(io_error)?;
            let record = serde_json::from_str(&text).map_err(std::io::Error::from).at(path);
            record.map(Some).map_err(io_error)
        }
    }
}

fn entry(upload: Upload, id: String) -> MultipartUpload {
    let initiated = SystemTime::UNIX_EPOCH + Duration::from_secs(upload.initiated);
    MultipartUpload {
        key: Some(upload.key),
        upload_id: Some(id),
        initiated: Some(initiated.into()),
        ..MultipartUpload::default()
    }
}
