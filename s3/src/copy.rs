//! Copies within the store. The kernel copies the bytes (`copy_file_range`).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use s3s::dto::{CopySource, Range};
use s3s::{S3ErrorCode, S3Result, s3_error};

use crate::checksum::{Algorithm, Checksums, Sum};
use crate::condition::ReadCondition;
use crate::error::{At, io_error};
use crate::file::Temp;
use crate::metadata::Metadata;
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

    /// A copy of an object, or of the `range` of it, in the form `bytes=first-last`. With an algorithm the bytes are
    /// hashed; so they are if the checksum of the source is not that of its bytes.
    pub(crate) fn copy(
        &self,
        source: &CopySource,
        range: Option<&str>,
        condition: &ReadCondition,
        algorithm: Option<Algorithm>,
    ) -> S3Result<Copy> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(s3_error!(NotImplemented, "the source of a copy can only be <bucket>/<key>"));
        };
        if version_id.as_deref().is_some_and(|id| id != "null") {
            return Err(s3_error!(NotImplemented, "only the current version of an object is kept"));
        }
        let opened = self.open_object(bucket, key, condition);
        let (mut file, path, info) = opened.map_err(|error| match error.code() {
            // Nobody has the source already.
            S3ErrorCode::NotModified => s3_error!(PreconditionFailed, "the source has not changed"),
            _ => error,
        })?;
        let part = range.is_some();
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
        let kept = Metadata::of(&file);
        let known = kept.sum.clone().filter(|sum| !part && sum.is_of_the_whole());
        let known = known.filter(|sum| algorithm.is_none_or(|wanted| wanted == sum.algorithm));
        let inherited = kept.sum.as_ref().filter(|_| !part).map(|sum| sum.algorithm);
        let hashed = algorithm.or(inherited).filter(|_| known.is_none());
        let mut temp = Temp::new(&self.tmp).map_err(io_error)?;
        file.seek(SeekFrom::Start(range.start)).at(&path).map_err(io_error)?;
        let length = range.end - range.start;
        let mut source = file.take(length);
        let (copied, sum) = match hashed {
            None => (io::copy(&mut source, &mut temp.file), known),
            Some(algorithm) => {
                let mut into = Hashing { file: &mut temp.file, sums: Checksums::of(algorithm) };
                let copied = io::copy(&mut source, &mut into);
                (copied, into.sums.sum())
            }
        };
        if copied.at(&temp.path).map_err(io_error)? < length {
            return Err(s3_error!(
                InternalError,
                "{}: it became shorter while it was copied",
                path.display()
            ));
        }
        Ok(Copy { temp, source: kept, sum })
    }
}

/// A copy, which is not sealed yet.
pub(crate) struct Copy {
    pub(crate) temp: Temp,
    /// What is kept of the source.
    pub(crate) source: Metadata,
    /// The checksum of the copied bytes.
    pub(crate) sum: Option<Sum>,
}

struct Hashing<'a> {
    file: &'a mut File,
    sums: Checksums,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sums.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
