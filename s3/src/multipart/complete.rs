//! Completes an upload. Completion can be repeated and can be interrupted at any point.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use s3s::dto::CompletedPart;
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::parts::{check_number, part_path};
use super::upload::read_record;
use super::{PARTS, SMALLEST_PART, Wanted};
use crate::checksum::{Sum, sent};
use crate::condition::WriteCondition;
use crate::error::{At, io_error};
use crate::file::{Temp, sync_folder, write_whole};
use crate::metadata::{Metadata, Part};
use crate::object::{Info, open, open_file};
use crate::store::Store;

/// The request to complete an upload.
pub(crate) struct Completion {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) upload_id: String,
    pub(crate) parts: Vec<CompletedPart>,
    /// The size of the whole object in bytes, if the client states it.
    pub(crate) size: Option<i64>,
    /// The checksum of the object, if the client states it.
    pub(crate) sum: Option<Sum>,
    pub(crate) condition: WriteCondition,
}

/// The content of `complete.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Joined {
    /// A hash over the numbers and ETags of the joined parts.
    parts: String,
    /// The ETag of the object, which is that of the joined file.
    etag: String,
    #[serde(default)]
    sum: Option<Sum>,
}

/// What a completed upload is answered with.
pub(crate) struct Completed {
    pub(crate) etag: String,
    pub(crate) sum: Option<Sum>,
}

impl From<Joined> for Completed {
    fn from(Joined { etag, sum, .. }: Joined) -> Self {
        Self { etag, sum }
    }
}

impl Store {
    pub(crate) fn complete_upload(&self, request: &Completion) -> S3Result<Completed> {
        self.uploads.with_lock(&request.upload_id, || {
            let (folder, upload) = self.upload(&request.upload_id, &request.bucket, &request.key)?;
            let joined = match read_record::<Joined>(&folder.join("complete.json"))? {
                Some(joined) if self.published(&folder, request, &joined)? => {
                    remove_parts(&folder).map_err(io_error)?;
                    return Ok(joined.into());
                }
                Some(joined) if joined.parts == hash(&request.parts) => joined,
                _ => {
                    reopen(&folder).map_err(io_error)?;
                    self.join(&folder, request, upload.wanted)?
                }
            };
            let published =
                self.publish(&folder.join("joined"), &request.bucket, &request.key, &request.condition);
            if let Err(error) = published {
                reopen(&folder).map_err(io_error)?;
                return Err(error);
            }
            sync_folder(&folder).and_then(|()| remove_parts(&folder)).map_err(io_error)?;
            Ok(joined.into())
        })
    }

    /// Whether an earlier completion has already published the object.
    fn published(&self, folder: &Path, request: &Completion, joined: &Joined) -> S3Result<bool> {
        if Info::at(&folder.join("joined"))?.is_none() {
            return Ok(true);
        }
        // It may be linked to its key and not yet removed from the upload.
        let object = Info::at(&self.object(&request.bucket, &request.key)?)?;
        Ok(object.is_some_and(|object| object.etag == joined.etag))
    }

    /// Writes `joined` and then `complete.json`, both durably.
    fn join(&self, folder: &Path, request: &Completion, wanted: Wanted) -> S3Result<Joined> {
        let parts = check_parts(folder, request)?;
        let sum = sum_of(&parts, &wanted);
        if let (Some(stated), Some(sum)) = (&request.sum, &sum)
            && stated != sum
        {
            return Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum.",
                stated.algorithm.name()
            ));
        }
        let path = folder.join("joined");
        let of_each = parts.iter().map(|part| part.kept(sum.is_some())).collect();
        let kept = Metadata { headers: wanted.headers, sum, parts: of_each };
        // A single part is the whole object. A link keeps it as a part until the object is published. Its checksum as
        // a part must stay, too.
        let linked = kept.sum.is_none()
            && matches!(parts.as_slice(), [part] if fs::hard_link(&part.path, &path).is_ok());
        if linked {
            let file = File::open(&path).at(&path).map_err(io_error)?;
            kept.write(&file, &path)?;
            file.sync_all().at(&path).map_err(io_error)?;
        } else {
            let temp = concatenate(&parts, &self.tmp).map_err(io_error)?;
            kept.seal(&temp)?;
            fs::rename(&temp.path, &path).at(&path).map_err(io_error)?;
        }
        sync_folder(folder).map_err(io_error)?;
        let info = Info::at(&path)?
            .ok_or_else(|| s3_error!(InternalError, "{}: the file has disappeared", path.display()))?;
        let joined = Joined { parts: hash(&request.parts), etag: info.etag, sum: kept.sum };
        let record = serde_json::to_vec(&joined).expect("it is plain data");
        write_whole(&folder.join("complete.json"), &record, &self.tmp).map_err(io_error)?;
        Ok(joined)
    }
}

/// A part that is there.
struct FoundPart {
    path: PathBuf,
    size: u64,
    sum: Option<Sum>,
}

impl FoundPart {
    fn kept(&self, with_sum: bool) -> Part {
        Part { size: self.size, count: 1, sum: self.sum.clone().filter(|_| with_sum) }
    }
}

/// The checksum of the object, if the upload has an algorithm.
fn sum_of(parts: &[FoundPart], wanted: &Wanted) -> Option<Sum> {
    let algorithm = wanted.algorithm?;
    let sums = parts.iter().map(|part| Some((part.sum.clone()?, part.size)));
    let sums = sums.collect::<Option<Vec<_>>>()?;
    let same = sums.iter().all(|(sum, _)| sum.algorithm == algorithm);
    if same { Sum::of_parts(&sums, wanted.of_the_whole) } else { None }
}

/// The parts, after checking that they are those that the client names.
fn check_parts(folder: &Path, request: &Completion) -> S3Result<Vec<FoundPart>> {
    if request.parts.is_empty() || request.parts.len() > PARTS as usize {
        return Err(s3_error!(MalformedXML, "an upload has 1 to {PARTS} parts"));
    }
    let (mut found, mut last, mut total) = (Vec::new(), None::<(i32, u64)>, 0);
    for part in &request.parts {
        let number = part.part_number.unwrap_or_default();
        check_number(number)?;
        if let Some((before, size)) = last {
            if number <= before {
                return Err(s3_error!(InvalidPartOrder, "part {number} follows part {before}"));
            }
            if size < SMALLEST_PART {
                return Err(s3_error!(
                    EntityTooSmall,
                    "part {before} has only {size} bytes and is not the last part"
                ));
            }
        }
        let path = part_path(folder, number);
        let (file, info) = open(&path)?.ok_or_else(|| s3_error!(InvalidPart, "there is no part {number}"))?;
        if part.e_tag.as_ref().map(|etag| etag.value()) != Some(&info.etag) {
            return Err(s3_error!(InvalidPart, "part {number} has the ETag {:?}", info.etag));
        }
        let sum = Metadata::of(&file).sum;
        if let (Some(stated), Some(sum)) = (sent!(part)?, &sum)
            && stated != *sum
        {
            return Err(s3_error!(
                InvalidPart,
                "part {number} has the {} checksum {}",
                sum.algorithm.name(),
                sum.value
            ));
        }
        last = Some((number, info.size));
        total += info.size;
        found.push(FoundPart { path, size: info.size, sum });
    }
    match request.size {
        Some(size) if u64::try_from(size) != Ok(total) => {
            Err(s3_error!(InvalidRequest, "the parts have {total} bytes, not {size}"))
        }
        _ => Ok(found),
    }
}

/// The parts in one file, which is not sealed yet.
fn concatenate(parts: &[FoundPart], tmp: &Path) -> io::Result<Temp> {
    let mut temp = Temp::new(tmp)?;
    for part in parts {
        let mut file = open_file(&part.path).at(&part.path)?;
        io::copy(&mut file, &mut temp.file).at(&temp.path)?;
    }
    Ok(temp)
}

/// Undoes a join. `complete.json` is removed first, because it alone would mean that the upload is completed.
fn reopen(folder: &Path) -> io::Result<()> {
    remove_file(&folder.join("complete.json"))?;
    sync_folder(folder)?;
    remove_file(&folder.join("joined"))
}

/// Removes the parts and keeps the two records.
fn remove_parts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        if path.extension().is_none() {
            remove_file(&path)?;
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.at(path),
    }
}

fn hash(parts: &[CompletedPart]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        let etag = part.e_tag.as_ref().map(|etag| etag.value()).unwrap_or_default();
        hasher.update(format!("{}={etag}\n", part.part_number.unwrap_or_default()).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
