//! Lines of an object, by ranges.

use bytes::Bytes;
use job::wire::line_id;
use job::{LineId, Objects, StorageError};
use memchr::{memchr, memrchr};

/// Whole lines of `from..to` of an object, about `size` bytes at a time.
pub(super) struct Lines<'a> {
    pub(super) objects: &'a Objects,
    pub(super) key: &'a str,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) size: u64,
}

impl Lines<'_> {
    /// The next lines and the offset of the first. Each begins behind the last complete line, so that nothing is
    /// copied together; a line that is longer than `size` is fetched again in a range of twice the length.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, Bytes)>, StorageError> {
        let mut size = self.size.max(1);
        while self.from < self.to {
            let to = self.to.min(self.from.saturating_add(size));
            let bytes = self.objects.get_range(self.key, self.from, to).await?;
            let whole =
                if to == self.to { bytes.len() } else { memrchr(b'\n', &bytes).map_or(0, |at| at + 1) };
            if whole > 0 {
                let at = self.from;
                self.from = if to == self.to { to } else { at + whole as u64 };
                return Ok(Some((at, bytes.slice(..whole))));
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            size = size.saturating_mul(2);
        }
        Ok(None)
    }
}

/// The line that begins at `at`, without its end, and where the next begins.
pub(crate) fn line_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
    match memchr(b'\n', rest) {
        Some(end) => Some((&rest[..end], at + end + 1)),
        None => Some((rest, bytes.len())),
    }
}

/// The line number of an item or result as the steps write them; `None` when it must be parsed to tell.
pub(crate) fn number(line: &[u8]) -> Option<u64> {
    line_id(line).map(LineId::number)
}
