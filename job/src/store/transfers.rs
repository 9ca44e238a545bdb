//! How many requests transfer one large object at a time.

use tokio::sync::Semaphore;

/// How many requests transfer one large object at a time. One request is enough where the store is in the same
/// process. Over a network each request waits tens of milliseconds for its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfers {
    /// Parts of one upload under way.
    pub parts: usize,
    /// Parts of all uploads under way, which are in memory.
    pub all_parts: usize,
    /// Ranges of one download under way; with one, the object is read as one response.
    pub ranges: usize,
    /// Bytes of a range.
    pub range_bytes: u64,
}

impl Transfers {
    /// For S3, where 8 to 16 MB are the best size of a range (S3 User Guide, "Performance design patterns").
    pub const NETWORK: Self = Self { parts: 4, all_parts: 16, ranges: 4, range_bytes: 8 << 20 };
}

impl Default for Transfers {
    fn default() -> Self {
        Self { parts: 1, all_parts: Semaphore::MAX_PERMITS, ranges: 1, range_bytes: u64::MAX }
    }
}
