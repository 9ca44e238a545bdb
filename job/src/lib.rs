//! What the three steps must agree on, and no more: the job file, where objects lie,
//! the messages of the state machine, the shapes of an item and of a result, and the
//! stable error names.
//!
//! A step never looks into another step: everything they share is here.

pub mod absolute_url;
pub mod codes;
pub mod download;
pub mod item;
pub mod job_file;
pub mod json;
pub mod keys;
pub mod messages;
pub mod net;
pub mod objects;
pub mod plan;
pub mod record;
pub mod row;
pub mod seal;
pub mod secrets;
pub mod template;
pub mod text;
pub mod upload;

pub use absolute_url::absolute_url;
pub use codes::{Code, ErrorName, StepError};
pub use download::Download;
pub use item::Item;
pub use job_file::{Job, JobError};
pub use keys::{FlushKey, Invocation, RunKeys};
pub use objects::{Objects, StorageError, in_words};
pub use plan::{Batch, LaneKind, Plan, PlannedLane};
pub use record::Record;
pub use row::Row;
pub use upload::{PausedUpload, Upload};
