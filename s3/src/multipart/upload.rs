//! Creates, aborts and lists uploads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use s3s::dto::{
    ChecksumAlgorithm, ChecksumType, CommonPrefix, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    MultipartUpload, StorageClass,
};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use crate::checksum::Algorithm;
use crate::error::{At, io_error};
use crate::file::{make_folder, sync_parent, write_whole};
use crate::list::{encoded, owner};
use crate::metadata::Headers;
use crate::object::open_file;
use crate::store::Store;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// Seconds since 1970.
    initiated: u64,
    #[serde(default)]
    pub(crate) wanted: Wanted,
}

/// What the object is to have.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) headers: Headers,
    pub(crate) algorithm: Option<Algorithm>,
    /// Whether the checksum is that of the bytes of the object, and not that of the checksums of its parts.
    pub(crate) of_the_whole: bool,
}

impl Wanted {
    pub(crate) fn checksum_type(&self) -> Option<ChecksumType> {
        let kind = if self.of_the_whole { ChecksumType::FULL_OBJECT } else { ChecksumType::COMPOSITE };
        self.algorithm.map(|_| ChecksumType::from_static(kind))
    }

    pub(crate) fn checksum_algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.algorithm.map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name()))
    }
}

impl Store {
    /// Returns the upload id.
    pub(crate) fn create_upload(&self, bucket: &str, key: &str, wanted: Wanted) -> S3Result<String> {
        self.bucket(bucket)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let upload =
            Upload { bucket: bucket.to_owned(), key: key.to_owned(), initiated: now.as_secs(), wanted };
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
    pub(super) fn upload(&self, id: &str, bucket: &str, key: &str) -> S3Result<(PathBuf, Upload)> {
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) || id.is_empty() {
            return Err(no_such_upload(id));
        }
        let folder = self.uploads_folder().join(id);
        self.check_folders(&folder)?;
        match read_upload(&folder)? {
            Some(upload) if upload.bucket == bucket && upload.key == key => Ok((folder, upload)),
            _ => Err(no_such_upload(id)),
        }
    }

    /// The folder of an upload that takes parts. Fails with `NoSuchUpload`.
    pub(crate) fn open_upload(&self, id: &str, bucket: &str, key: &str) -> S3Result<(PathBuf, Upload)> {
        let found = self.upload(id, bucket, key)?;
        if completed(&found.0) { Err(no_such_upload(id)) } else { Ok(found) }
    }

    pub(crate) fn abort_upload(&self, id: &str, bucket: &str, key: &str) -> S3Result {
        self.uploads.with_lock(id, || {
            let (folder, _) = self.open_upload(id, bucket, key)?;
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
        let name = |text: &str| encoded(text, input.encoding_type.as_ref());
        let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let group = |key: &str| {
            let rest = key.get(prefix.len()..)?;
            delimiter.and_then(|text| Some(prefix.len() + rest.find(text)? + text.len()))
        };
        let (mut uploads, mut groups) = (Vec::new(), Vec::<String>::new());
        let (mut last, mut more) = (None, false);
        for (upload, id) in found {
            let end = group(&upload.key).map(|end| &upload.key[..end]);
            if end.is_some_and(|end| groups.last().is_some_and(|group| group == end)) {
                last = Some((upload.key, id));
                continue;
            }
            if uploads.len() + groups.len() == max {
                more = true;
                break;
            }
            last = Some((upload.key.clone(), id.clone()));
            match end {
                Some(end) => groups.push(end.to_owned()),
                None => uploads.push(entry(name(&upload.key), &upload, id)),
            }
        }
        let last = last.filter(|_| more);
        let groups = groups.iter().map(|group| CommonPrefix { prefix: Some(name(group)) }).collect();
        Ok(ListMultipartUploadsOutput {
            prefix: input.prefix.as_deref().map(name),
            key_marker: Some(input.key_marker.as_deref().map(name).unwrap_or_default()),
            delimiter: input.delimiter.as_deref().map(name),
            upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
            max_uploads: Some(i32::try_from(max).expect("it is at most 1000")),
            is_truncated: Some(more),
            next_key_marker: last.as_ref().map(|(key, _)| name(key)),
            next_upload_id_marker: last.map(|(_, id)| id),
            common_prefixes: Some(groups),
            uploads: Some(uploads),
            encoding_type: input.encoding_type,
            bucket: Some(input.bucket),
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

fn entry(key: String, upload: &Upload, id: String) -> MultipartUpload {
    let initiated = SystemTime::UNIX_EPOCH + Duration::from_secs(upload.initiated);
    MultipartUpload {
        key: Some(key),
        upload_id: Some(id),
        initiated: Some(initiated.into()),
        owner: Some(owner()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        checksum_algorithm: upload.wanted.checksum_algorithm(),
        checksum_type: upload.wanted.checksum_type(),
        ..MultipartUpload::default()
    }
}
