//! Copies within the store. The kernel copies the bytes (`copy_file_range`).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use s3s::dto::{CopySource, Range};
use s3s::{S3Result, s3_error};

use crate::condition::ReadCondition;
use crate::error::{At, io_error};
use crate::file::Temp;
use crate::object::{Info, open};
use crate::store::Store;

impl Store {
    /// Opens an object. Fails with `NoSuchKey`, or if the condition does not hold.
    pub(crate) fn open_object(
        &self,
        bucket: &str,
        key: &str,
        condition: &ReadCondition,
    ) -> S3Result<(File, PathBuf, Info)> {
        let path = self.object(bucket, key)?;
        let (file, info) =
            open(&path)?.ok_or_else(|| s3_error!(NoSuchKey, "there is no object {bucket}/{key}"))?;
        condition.check(&info)?;
        Ok((file, path, info))
    }

    /// A sealed copy of an object, or of the `range` of it, in the form `bytes=first-last`.
    pub(crate) fn copy(
        &self,
        source: &CopySource,
        range: Option<&str>,
        condition: &ReadCondition,
    ) -> S3Result<Temp> {
        let CopySource::Bucket { bucket, key, version_id: None } = source else {
            return Err(s3_error!(NotImplemented, "the source of a copy can only be <bucket>/<key>"));
        };
        let (mut file, path, info) = self.open_object(bucket, key, condition)?;
        let range = match range {
            None => 0..info.size,
            Some(range) => {
                let invalid = || s3_error!(InvalidArgument, "not a range of the source's bytes: {range}");
                let range = Range::parse(range).map_err(|_| invalid())?;
                let Range::Int { last: Some(last), .. } = range else { return Err(invalid()) };
                if last >= info.size {
                    return Err(s3_error!(InvalidRange, "the source has {} bytes, not {range:?}", info.size));
                }
                range.check(info.size)?
            }
        };
        let mut temp = Temp::new(&self.tmp).map_err(io_error)?;
        file.seek(SeekFrom::Start(range.start)).at(&path).map_err(io_error)?;
        let length = range.end - range.start;
        let copied = io::copy(&mut file.take(length), &mut temp.file).at(&temp.path).map_err(io_error)?;
        if copied < length {
            return Err(s3_error!(
                InternalError,
                "{}: it became shorter while it was copied",
                path.display()
            ));
        }
        temp.seal().map_err(io_error)?;
        Ok(temp)
    }
}
