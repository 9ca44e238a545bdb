//! Reads sorted runs as one sequence in the order of the keys.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bytes::Bytes;
use job::run::damaged;
use job::{Objects, StepError, StorageError};
use tokio_util::task::AbortOnDropHandle;

use super::sort::{HEAD, KEY, Key, SortedRun, payload_length};

/// Bytes that all merges of one call read ahead.
const READ_AHEAD: usize = 48 << 20;
/// Bytes of one request. The smaller one is not undercut: with more runs than 1,500 the memory grows.
const SMALLEST: usize = 16 << 10;
const LARGEST: usize = 1 << 20;

/// The records of sorted runs, in the order of their keys.
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    /// The keys of the cursors' records, the smallest first.
    order: BinaryHeap<Reverse<(Key, usize)>>,
}

/// Bytes of one request of a merge, if this number of runs is merged at a time.
pub(super) fn request_bytes(runs: usize) -> usize {
    (READ_AHEAD / (2 * runs.max(1))).clamp(SMALLEST, LARGEST)
}

impl Merge {
    /// Begins, or continues at the positions that [`Merge::positions`] has returned.
    ///
    /// # Errors
    /// `Run.Damaged`, and errors of the store.
    pub(super) async fn open(
        objects: &Objects,
        runs: &[SortedRun],
        positions: Option<&[u64]>,
        request_bytes: usize,
    ) -> Result<Self, StepError> {
        let mut merge = Self { cursors: Vec::with_capacity(runs.len()), order: BinaryHeap::new() };
        for (index, run) in runs.iter().enumerate() {
            let at = positions.and_then(|positions| positions.get(index)).copied().unwrap_or(0);
            merge.cursors.push(Cursor::new(objects, run, at, request_bytes));
        }
        for index in 0..merge.cursors.len() {
            if let Some(key) = merge.cursors[index].load().await? {
                merge.order.push(Reverse((key, index)));
            }
        }
        Ok(merge)
    }

    /// The next record, and its payload.
    pub(super) fn peek(&self) -> Option<(&Key, &[u8])> {
        let Reverse((key, index)) = self.order.peek()?;
        Some((key, self.cursors[*index].payload()))
    }

    /// Skips the next record.
    ///
    /// # Errors
    /// `Run.Damaged`, and errors of the store.
    pub(super) async fn advance(&mut self) -> Result<(), StepError> {
        let Some(mut first) = self.order.peek_mut() else { return Ok(()) };
        let Reverse((key, index)) = &mut *first;
        let cursor = &mut self.cursors[*index];
        cursor.skip();
        let next = if cursor.has_record() { Some(cursor.key()) } else { cursor.load().await? };
        match next {
            Some(next) => *key = next,
            None => _ = std::collections::binary_heap::PeekMut::pop(first),
        }
        Ok(())
    }

    /// Where each run's next record begins.
    pub(super) fn positions(&self) -> Vec<u64> {
        self.cursors.iter().map(|cursor| cursor.position).collect()
    }
}

/// The position in one sorted run.
struct Cursor {
    objects: Objects,
    run: SortedRun,
    /// Offset of the current record in the object.
    position: u64,
    /// Offset of the first byte that was not requested.
    requested: u64,
    request_bytes: u64,
    /// The bytes from `start` on begin with the current record.
    buffer: Vec<u8>,
    start: usize,
    ahead: Option<AbortOnDropHandle<Result<Bytes, StorageError>>>,
}

impl Cursor {
    fn new(objects: &Objects, run: &SortedRun, at: u64, request_bytes: usize) -> Self {
        let mut cursor = Self {
            objects: objects.clone(),
            run: run.clone(),
            position: at,
            requested: at,
            request_bytes: request_bytes as u64,
            buffer: Vec::new(),
            start: 0,
            ahead: None,
        };
        cursor.request();
        cursor
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn has_record(&self) -> bool {
        let rest = self.rest();
        rest.len() >= HEAD && rest.len() - HEAD >= payload_length(rest)
    }

    fn key(&self) -> Key {
        self.rest()[..KEY].try_into().expect("a record begins with its key")
    }

    fn payload(&self) -> &[u8] {
        let rest = self.rest();
        &rest[HEAD..HEAD + payload_length(rest)]
    }

    fn skip(&mut self) {
        let length = HEAD + self.payload().len();
        self.start += length;
        self.position += length as u64;
    }

    /// Reads until the current record is in memory. Returns its key, or `None` at the end.
    async fn load(&mut self) -> Result<Option<Key>, StepError> {
        while !self.has_record() {
            let Some(ahead) = self.ahead.take() else {
                return if self.rest().is_empty() {
                    self.buffer = Vec::new();
                    Ok(None)
                } else {
                    Err(damaged(&self.run.object, "it ends within a record"))
                };
            };
            let more = ahead.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
            self.buffer.drain(..self.start);
            self.start = 0;
            self.buffer.extend_from_slice(&more);
            self.request();
        }
        Ok(Some(self.key()))
    }

    fn request(&mut self) {
        let (from, to) = (self.requested, self.run.bytes.min(self.requested + self.request_bytes));
        if from < to {
            let (objects, object) = (self.objects.clone(), self.run.object.clone());
            let read = async move { objects.get_range(&object, from, to).await };
            self.ahead = Some(AbortOnDropHandle::new(tokio::spawn(read)));
            self.requested = to;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::super::sort::Sorter;
    use super::*;

    fn key(n: u64) -> Key {
        let mut key = [0; KEY];
        // Most keys share their first bytes, as the lines of one request do.
        key[15] = u8::try_from(n % 3).unwrap();
        key[16..].copy_from_slice(&n.to_be_bytes());
        key
    }

    /// Sorts with this much memory, and reads with requests of this size; after `pause` records a new merge
    /// goes on.
    async fn sorted(
        records: &[(Key, Vec<u8>)],
        memory: usize,
        request: usize,
        pause: usize,
    ) -> (Vec<(Key, Vec<u8>)>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::new(s3::client(folder.path()).unwrap(), s3::BUCKET);
        let mut sorter = Sorter::new(&objects, "sort/".to_owned(), Vec::new()).with_memory(memory);
        for (index, (key, payload)) in records.iter().enumerate() {
            if index == pause {
                let runs = sorter.finish().await.unwrap();
                sorter = Sorter::new(&objects, "sort/".to_owned(), runs).with_memory(memory);
            }
            sorter.push(key, payload).await.unwrap();
        }
        let runs = sorter.finish().await.unwrap();
        let mut merge = Merge::open(&objects, &runs, None, request).await.unwrap();
        let mut read = Vec::new();
        while let Some((key, payload)) = merge.peek() {
            read.push((*key, payload.to_owned()));
            merge.advance().await.unwrap();
            if read.len() == pause {
                let positions = merge.positions();
                merge = Merge::open(&objects, &runs, Some(&positions), request).await.unwrap();
            }
        }
        (read, runs.len())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
        #[test]
        fn records_come_out_in_order_however_little_memory_there_is(
            records in prop::collection::btree_map(any::<u64>(), prop::collection::vec(any::<u8>(), 0..60), 0..120),
            shuffle: u64,
            memory in 100_usize..4000,
            request in 1_usize..300,
            pause in 0_usize..100,
        ) {
            let mut records: Vec<_> = records.into_iter().map(|(n, payload)| (key(n), payload)).collect();
            records.sort_by_key(|(key, _)| blake3::hash(&[&key[..], &shuffle.to_le_bytes()].concat()).to_string());
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let (read, runs) = runtime.block_on(sorted(&records, memory, request, pause));
            records.sort();
            prop_assert_eq!(read, records);
            prop_assert!(runs < 125);
        }
    }

    #[tokio::test]
    async fn a_sorted_run_that_was_cut_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::new(s3::client(folder.path()).unwrap(), s3::BUCKET);
        let mut sorter = Sorter::new(&objects, "sort/".to_owned(), Vec::new());
        sorter.push(&key(1), b"payload").await.unwrap();
        let mut runs = sorter.finish().await.unwrap();
        runs[0].bytes -= 1;
        let error = Merge::open(&objects, &runs, None, 1 << 20).await.err().unwrap();
        assert_eq!(error.name, job::ErrorName::RunDamaged);
        assert!(error.message.contains("within a record"), "{}", error.message);
    }
}
