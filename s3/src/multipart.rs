//! Multipart uploads: folders in `.s3/uploads/`, named by upload id.
//!
//! | file            | meaning                                                                                |
//! |-----------------|----------------------------------------------------------------------------------------|
//! | `upload.json`   | bucket and key; there from the beginning                                               |
//! | `00001` …       | the parts                                                                              |
//! | `joined`        | all parts in one file, on disk, about to be renamed to the object                      |
//! | `complete.json` | which parts are joined and what the object's ETag is; written once `joined` is on disk |
//!
//! `complete.json` with `joined` is an upload on the point of completion, without it a completed one: it stays as
//! the record by which a repeated completion is answered. So every state a crash can leave says what to do next.

mod complete;
mod parts;
mod upload;

pub(crate) use self::complete::Completion;

/// Part numbers are 1 to 10,000.
const PARTS: i32 = 10_000;
/// Bytes of every part but the last, at least, as on AWS.
const SMALLEST_PART: u64 = 5 << 20;
