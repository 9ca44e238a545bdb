//! An external sort of records with keys of a fixed length: records are collected in memory, sorted, and
//! written as objects, which [`super::merge::Merge`] reads in order. The memory does not depend on the number
//! of records.

use job::{Objects, StepError};
use serde::{Deserialize, Serialize};

use super::writing::Writing;

/// Bytes of a key.
pub(super) const KEY: usize = 24;
/// What records are sorted by, byte by byte. No two records of one sort have the same key.
pub(super) type Key = [u8; KEY];

/// Bytes before the payload of a record: its key, and its length.
pub(super) const HEAD: usize = KEY + 4;
/// The longest payload. A merge holds one record of each of its sorted runs in memory.
pub(super) const LONGEST: usize = 64 << 10;
/// Bytes that are sorted in memory. While one sorted run is written, the next is collected.
const IN_MEMORY: usize = 16 << 20;

/// Records in the order of their keys, in one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SortedRun {
    /// The object's key.
    pub(super) object: String,
    /// Its bytes.
    pub(super) bytes: u64,
}

/// Collects records, and writes sorted runs.
pub(super) struct Sorter {
    objects: Objects,
    /// What the keys of the objects begin with. No other call uses it.
    prefix: String,
    runs: Vec<SortedRun>,
    records: Vec<u8>,
    /// For each record the first bytes of its key, and its offset.
    order: Vec<(u128, u32)>,
    most: usize,
    writing: Writing,
}

impl Sorter {
    /// Continues after the runs that an earlier call has written.
    pub(super) fn new(objects: &Objects, prefix: String, runs: Vec<SortedRun>) -> Self {
        let objects = objects.clone();
        let (records, order) = (Vec::new(), Vec::new());
        Self { objects, prefix, runs, records, order, most: IN_MEMORY, writing: Writing::default() }
    }

    /// Adds a record, whose payload is not longer than [`LONGEST`].
    ///
    /// # Errors
    /// Errors of the store.
    pub(super) async fn push(&mut self, key: &Key, payload: &[u8]) -> Result<(), StepError> {
        debug_assert!(payload.len() <= LONGEST);
        let bytes = self.records.len() + HEAD + payload.len() + size_of::<(u128, u32)>() * self.order.len();
        if bytes > self.most {
            self.write().await?;
        }
        let offset = u32::try_from(self.records.len()).expect("the memory is smaller than 4 GiB");
        self.order.push((first_bytes(key), offset));
        self.records.extend_from_slice(key);
        let length = u32::try_from(payload.len()).expect("a payload is short");
        self.records.extend_from_slice(&length.to_le_bytes());
        self.records.extend_from_slice(payload);
        Ok(())
    }

    /// Writes what is in memory, and returns all runs.
    ///
    /// # Errors
    /// Errors of the store.
    pub(super) async fn finish(mut self) -> Result<Vec<SortedRun>, StepError> {
        self.write().await?;
        self.writing.finish().await?;
        Ok(self.runs)
    }

    /// Begins to write what is in memory as one more run.
    async fn write(&mut self) -> Result<(), StepError> {
        if self.order.is_empty() {
            return Ok(());
        }
        self.writing.finish().await?;
        let (records, order) = (std::mem::take(&mut self.records), std::mem::take(&mut self.order));
        let object = format!("{}{:05}", self.prefix, self.runs.len());
        self.runs.push(SortedRun { object: object.clone(), bytes: records.len() as u64 });
        let objects = self.objects.clone();
        self.writing.start(async move {
            let sorted = tokio::task::spawn_blocking(move || sorted(&records, order));
            objects.put(&object, sorted.await.expect("sorting does not panic")).await?;
            Ok(())
        });
        Ok(())
    }
}

fn first_bytes(key: &Key) -> u128 {
    u128::from_be_bytes(*key.first_chunk().expect("a key has more bytes"))
}

fn sorted(records: &[u8], mut order: Vec<(u128, u32)>) -> Vec<u8> {
    let record = |at: u32| &records[at as usize..];
    order.sort_unstable_by(|(one, at), (other, other_at)| {
        one.cmp(other).then_with(|| record(*at)[..KEY].cmp(&record(*other_at)[..KEY]))
    });
    let mut sorted = Vec::with_capacity(records.len());
    for (_, at) in order {
        let record = record(at);
        sorted.extend_from_slice(&record[..HEAD + payload_length(record)]);
    }
    sorted
}

/// The length of the payload of the record that these bytes begin with.
pub(super) fn payload_length(record: &[u8]) -> usize {
    let length = record[KEY..HEAD].try_into().expect("four bytes");
    u32::from_le_bytes(length) as usize
}

#[cfg(test)]
impl Sorter {
    /// With another number of bytes in memory.
    pub(super) fn with_memory(self, most: usize) -> Self {
        Self { most, ..self }
    }
}
