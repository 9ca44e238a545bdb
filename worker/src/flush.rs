//! Finished lines on their way into the store.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use job::objects::StorageErrorKind;
use job::{Invocation, LineId, Objects, SegmentKey, StepError, seal};

/// Records of this size are written without waiting for the next interval.
const FULL: usize = 4 << 20;
/// Nothing is sent while more than this waits for the store.
const CHOKED: usize = 16 << 20;
/// Waits between the attempts to write one object, after the client's own retries.
const WAITS: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Records that wait for the next flush.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    records: Vec<(LineId, Vec<u8>)>,
    bytes: usize,
    ok: u64,
    failed: u64,
    throttled: u64,
    sent: u64,
    k: u32,
}

impl Outbox {
    pub(crate) fn push(&mut self, n: LineId, record: Vec<u8>, ok: bool) {
        self.bytes += record.len();
        self.records.push((n, record));
        *if ok { &mut self.ok } else { &mut self.failed } += 1;
    }

    pub(crate) fn throttled(&mut self) {
        self.throttled += 1;
    }

    /// A request went out.
    pub(crate) fn sent(&mut self) {
        self.sent += 1;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= FULL
    }

    pub(crate) fn is_choked(&self) -> bool {
        self.bytes >= CHOKED
    }

    /// The lines that wait.
    pub(crate) fn lines(&self) -> impl Iterator<Item = LineId> {
        self.records.iter().map(|(n, _)| *n)
    }

    /// Everything that waits as one object, sorted by line; counts without a line wait for the last object.
    pub(crate) fn take(&mut self, invocation: &Invocation, last: bool) -> Option<(String, Bytes)> {
        let counted = last && self.throttled + self.sent > 0;
        if self.records.is_empty() && !counted {
            return None;
        }
        let Self { mut records, bytes, ok, failed, throttled, sent, k } = std::mem::take(self);
        self.k = k + 1;
        records.sort_unstable_by_key(|(n, _)| *n);
        let mut body = Vec::with_capacity(bytes + seal::LENGTH);
        for (_, record) in records {
            body.extend_from_slice(&record);
        }
        seal::seal(&mut body);
        let flush = SegmentKey::Results { invocation: invocation.clone(), k, ok, failed, throttled, sent };
        Some((flush.name(), body.into()))
    }
}

/// Writes an object, and tries again where that can help. The same key has the same content, so twice is no harm.
/// `stuck` is set as long as the store fails: what is answered meanwhile might be lost.
pub(crate) async fn put(
    objects: &Objects,
    key: &str,
    body: Bytes,
    stuck: &AtomicBool,
) -> Result<(), StepError> {
    for wait in WAITS {
        match objects.put(key, body.clone()).await {
            Ok(_) => {
                stuck.store(false, Ordering::Relaxed);
                return Ok(());
            }
            Err(error) if error.kind == StorageErrorKind::Unavailable => {
                tracing::warn!(%error, "writing failed; trying again");
                stuck.store(true, Ordering::Relaxed);
                tokio::time::sleep(wait).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    objects.put(key, body).await?;
    stuck.store(false, Ordering::Relaxed);
    Ok(())
}
