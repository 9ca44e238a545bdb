//! Multipart uploads: folders in `.s3/uploads/`, named by upload id.
//!
//! | file            | meaning                                                                                |
//! |-----------------|----------------------------------------------------------------------------------------|
//! | `upload.json`   | bucket and key; written first                                                          |
//! | `00001` …       | the parts                                                                              |
//! | `joined`        | all parts in one file, on disk, about to be renamed to the object                      |
//! | `complete.json` | which parts are joined and what the object's ETag is; written once `joined` is on disk |
//!
//! With `joined`, `complete.json` marks an upload that is being completed; without `joined`, a completed one.
//! It is kept as the record for the response to a repeated completion. So every state that a crash can leave
//! says what to do next.

mod complete;
mod parts;
mod upload;

pub(crate) use self::complete::Completion;
pub(crate) use self::upload::Wanted;

/// Part numbers are 1 to 10,000.
const PARTS: i32 = 10_000;
/// The minimum size in bytes of every part except the last, as on AWS.
const SMALLEST_PART: u64 = 5 << 20;
