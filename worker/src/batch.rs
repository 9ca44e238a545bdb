//! The lines of a batch: its byte range of the items file, in memory. Batches are capped at a few megabytes.

mod earlier;
mod origins;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use job::run::Batch;
use job::wire::Item;
use job::{Code, ErrorName, Objects, Row, StepError};
use serde_json::value::RawValue;

pub(crate) use earlier::{Earlier, EarlierResults, Rules};
pub(crate) use origins::Origins;

use crate::failure::Failure;

/// The items of a batch.
pub(crate) struct Items {
    bytes: Bytes,
    key: String,
}

/// One item, without its fields.
pub(crate) struct Parsed<'a> {
    pub(crate) item: Item<'a>,
    /// The place of its fields in the batch's bytes.
    pub(crate) fields: Range<u32>,
}

impl Items {
    pub(crate) async fn read(objects: &Objects, key: String, batch: Batch) -> Result<Self, StepError> {
        let bytes = objects.get_range(&key, batch.from, batch.to).await?;
        if bytes.len() as u64 != batch.to.saturating_sub(batch.from) {
            return Err(damaged(&key, batch.from, "it ends before the batch does"));
        }
        u32::try_from(bytes.len())
            .map_err(|_| damaged(&key, batch.from, "the batch is larger than 4 GiB"))?;
        Ok(Self { bytes, key })
    }

    /// Every item, in order.
    pub(crate) fn parse(&self) -> impl Iterator<Item = Result<Parsed<'_>, StepError>> {
        let lines = self.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| {
            let item = Item::parse(line)
                .map_err(|error| damaged(&self.key, self.offset(line), &error.to_string()))?;
            let fields = item.v.map_or(0..0, |v| {
                let from = self.offset(v.get().as_bytes());
                from..from + v.get().len()
            });
            #[expect(clippy::cast_possible_truncation, reason = "checked when the batch was read")]
            let fields = fields.start as u32..fields.end as u32;
            Ok(Parsed { item, fields })
        })
    }

    /// The columns of a line, from the place that [`Self::parse`] found.
    pub(crate) fn row(&self, columns: &Arc<[String]>, fields: &Range<u32>) -> Result<Row, Failure> {
        let bytes = &self.bytes[fields.start as usize..fields.end as usize];
        let row = serde_json::from_slice::<&RawValue>(bytes)
            .map_err(|error| error.to_string())
            .and_then(|v| Row::parse(columns, v));
        row.map_err(|error| Failure::new(Code::Parse, format!("the line's fields cannot be read: {error}")))
    }

    /// The place of a part of the bytes.
    fn offset(&self, part: &[u8]) -> usize {
        part.as_ptr() as usize - self.bytes.as_ptr() as usize
    }
}

fn damaged(key: &str, at: impl std::fmt::Display, reason: &str) -> StepError {
    StepError::new(ErrorName::RunDamaged, format!("{key} is damaged at byte {at} of the batch: {reason}"))
}
