//! The parts of an open upload.

use std::fs;
use std::path::{Path, PathBuf};

use s3s::dto::{ListPartsInput, ListPartsOutput, Part, StorageClass};
use s3s::{S3Result, s3_error};

use super::PARTS;
use crate::checksum::show;
use crate::error::{At, io_error};
use crate::file::{Temp, sync_parent};
use crate::list::owner;
use crate::metadata::Metadata;
use crate::object::{Info, open};
use crate::store::Store;

impl Store {
    /// Makes a sealed file a part, durably.
    pub(crate) fn put_part(
        &self,
        temp: &Temp,
        id: &str,
        bucket: &str,
        key: &str,
        number: i32,
    ) -> S3Result<Info> {
        check_number(number)?;
        self.uploads.with_lock(id, || {
            let path = part_path(&self.open_upload(id, bucket, key)?.0, number);
            fs::rename(&temp.path, &path).at(&path).map_err(io_error)?;
            sync_parent(&path).map_err(io_error)?;
            Info::at(&path)?
                .ok_or_else(|| s3_error!(InternalError, "{}: the file has disappeared", path.display()))
        })
    }

    pub(crate) fn list_parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let (folder, upload) = self.open_upload(&input.upload_id, &input.bucket, &input.key)?;
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&folder).at(&folder).map_err(io_error)? {
            let name = entry.at(&folder).map_err(io_error)?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
        }
        numbers.retain(|number| *number > input.part_number_marker.unwrap_or(0));
        numbers.sort_unstable();
        let max = usize::try_from(input.max_parts.unwrap_or(1000)).unwrap_or_default().clamp(1, 1000);
        let more = numbers.len() > max;
        numbers.truncate(max);
        let mut parts = Vec::new();
        for number in &numbers {
            if let Some((file, info)) = open(&part_path(&folder, *number))? {
                let mut part = Part {
                    part_number: Some(*number),
                    size: info.size(),
                    e_tag: info.e_tag(),
                    last_modified: info.last_modified(),
                    ..Part::default()
                };
                show!(part, Metadata::of(&file).sum);
                parts.push(part);
            }
        }
        Ok(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            part_number_marker: Some(input.part_number_marker.unwrap_or(0)),
            max_parts: Some(i32::try_from(max).expect("it is at most 1000")),
            is_truncated: Some(more),
            next_part_number_marker: numbers.last().copied().filter(|_| more),
            checksum_algorithm: upload.wanted.checksum_algorithm(),
            checksum_type: upload.wanted.checksum_type(),
            owner: Some(owner()),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            parts: Some(parts),
            ..ListPartsOutput::default()
        })
    }
}

pub(crate) fn check_number(number: i32) -> S3Result {
    if (1..=PARTS).contains(&number) {
        Ok(())
    } else {
        Err(s3_error!(InvalidArgument, "part numbers are 1 to {PARTS}, not {number}"))
    }
}

pub(super) fn part_path(folder: &Path, number: i32) -> PathBuf {
    folder.join(format!("{number:05}"))
}
