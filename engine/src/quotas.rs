//! AWS's quotas that more than one part of the engine enforces (AWS Step Functions Developer Guide, "Service
//! quotas").

/// The largest number of seconds and the largest number of attempts that a definition may give.
pub(crate) const MAX_SECONDS: u32 = 99_999_999;

/// The longest delay before a retry, in seconds: 366 days.
pub(crate) const MAX_RETRY_DELAY_SECONDS: u32 = 31_622_400;

/// The largest input or output of a state, in bytes of JSON.
pub(crate) const MAX_DATA: usize = 256 * 1024;

/// The most children of a Map Run that may run at once, which is also the default (AWS Step Functions Developer
/// Guide, "Using Map state in Distributed mode").
pub(crate) const MAX_CHILDREN: u64 = 10_000;

/// The largest header of a CSV file, all names together, in bytes.
pub(crate) const MAX_CSV_HEADER: usize = 10 * 1024;
