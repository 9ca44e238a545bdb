//! The rows of a Parquet file, one row group after the other. Each row becomes an object.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedRowGroupReader;
use parquet::record::reader::{ReaderIter, TreeBuilder};

use super::{Item, ObjectRef, Raw, failed};
use crate::failure::Failure;
use crate::host::Part;
use crate::run::Runtime;

/// AWS's limit of the footer, in bytes.
const FOOTER: u64 = 5 * 1024 * 1024;
/// AWS's limit of a row group, in bytes.
const ROW_GROUP: u64 = 256 * 1024 * 1024;
/// The part at the end that is read first, in bytes. Most footers fit into it.
const TAIL: u64 = 64 * 1024;
/// The size of the footer's length and the magic bytes at the file's end, in bytes.
const END: u64 = 8;

pub(super) struct Table {
    groups: Groups,
    next_group: usize,
    rows: Option<ReaderIter>,
}

/// The row groups of a file.
struct Groups {
    runtime: Arc<Runtime>,
    location: ObjectRef,
    metadata: ParquetMetaData,
    /// The length of the whole file, in bytes.
    length: u64,
}

impl Table {
    pub(super) async fn open(runtime: &Arc<Runtime>, location: &ObjectRef) -> Result<Self, Failure> {
        let last = |length| runtime.host.read_part(&location.bucket, &location.key, Part::Last(length));
        let (tail, length) = last(TAIL).await.map_err(failed)?;
        let footer = footer_length(&tail)?;
        if footer > FOOTER {
            return Err(failed("the footer of the Parquet file is longer than 5 MB"));
        }
        let tail =
            if footer + END > tail.len() as u64 { last(footer + END).await.map_err(failed)?.0 } else { tail };
        // The footer is within the tail now, unless the file is truncated.
        let start = (tail.len() as u64)
            .checked_sub(footer + END)
            .ok_or_else(|| failed("the Parquet file is truncated"))? as usize;
        let metadata = ParquetMetaDataReader::decode_metadata(&tail[start..tail.len() - END as usize])
            .map_err(failed)?;
        let groups = Groups { runtime: runtime.clone(), location: location.clone(), metadata, length };
        Ok(Self { groups, next_group: 0, rows: None })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Raw>, Failure> {
        loop {
            if let Some(row) = self.rows.as_mut().and_then(Iterator::next) {
                let value = row.map_err(failed)?.to_json_value();
                return Ok(Some(Raw::Ready(Item { key: None, value })));
            }
            if self.next_group == self.groups.metadata.num_row_groups() {
                return Ok(None);
            }
            self.rows = Some(self.groups.rows(self.next_group).await?);
            self.next_group += 1;
        }
    }
}

impl Groups {
    async fn rows(&self, index: usize) -> Result<ReaderIter, Failure> {
        let group = self.metadata.row_group(index);
        let columns = || group.columns().iter().map(|column| column.byte_range());
        let start = columns().map(|(start, _)| start).min().unwrap_or_default();
        let end = columns().map(|(start, length)| start.saturating_add(length)).max().unwrap_or_default();
        if end.saturating_sub(start) > ROW_GROUP {
            return Err(failed(format!("row group {index} of the Parquet file is larger than 256 MB")));
        }
        let ObjectRef { bucket, key, .. } = &self.location;
        let (bytes, _) =
            self.runtime.host.read_part(bucket, key, Part::Range(start..end)).await.map_err(failed)?;
        let window = Arc::new(Window { start, bytes, length: self.length });
        let pages = self.metadata.page_index_for_row_group(index);
        let properties = Arc::new(ReaderProperties::builder().build());
        let group = SerializedRowGroupReader::new(window, group, pages, properties).map_err(failed)?;
        let schema = self.metadata.file_metadata().schema_descr_ptr();
        TreeBuilder::new().as_iter(schema, &group).map_err(failed)
    }
}

fn footer_length(tail: &[u8]) -> Result<u64, Failure> {
    match tail.last_chunk::<8>() {
        Some([a, b, c, d, b'P', b'A', b'R', b'1']) => Ok(u32::from_le_bytes([*a, *b, *c, *d]).into()),
        _ => Err(failed("the object is not a Parquet file")),
    }
}

/// A part of a file.
struct Window {
    start: u64,
    bytes: Bytes,
    length: u64,
}

impl Window {
    /// The bytes from position `start` of the file on.
    fn from(&self, start: u64) -> ParquetResult<Bytes> {
        let at = start
            .checked_sub(self.start)
            .and_then(|at| usize::try_from(at).ok())
            .filter(|at| *at <= self.bytes.len());
        at.map(|at| self.bytes.slice(at..))
            .ok_or_else(|| ParquetError::EOF(format!("byte {start} is outside of the row group")))
    }
}

impl Length for Window {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Window {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.from(start).map(Cursor::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.from(start)?;
        if bytes.len() >= length {
            Ok(bytes.slice(..length))
        } else {
            Err(ParquetError::EOF(format!("{length} bytes from byte {start} on reach out of the row group")))
        }
    }
}
