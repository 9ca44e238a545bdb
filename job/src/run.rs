//! A run: its folder of objects, the messages that pass between its steps, and how a step opens it.
//!
//! [`Event`] starts a run and [`RunRef`] names it. [`RunKeys`] says where its objects are, [`Plan`] what the
//! split made of the input, and [`Opened`] is what a step reads first. A [`Claim`], a [`lease`] and a
//! [`StopMarker`] decide which execution may work. [`messages`] are the requests and responses of the three
//! steps.

mod again;
mod call;
mod code;
mod duration;
mod environment;
mod event;
mod format;
pub mod keys;
pub mod lease;
mod line_id;
pub mod messages;
mod open;
mod pauses;
mod plan;
mod run_files;
mod segment;
mod versions;

pub use again::{Again, Continued, Finished, Latest, Start};
pub use call::{CALL_TIME, working_time};
pub use code::{CONNECT_CAUSES, Code, UnknownCode};
pub use environment::Environment;
pub use event::{Bucket, Detail, Event, Object, Redrive, RunRef, run_id};
pub use format::{FORMAT, check_format, check_run, first_format, read_file};
pub use keys::RunKeys;
pub use line_id::{InvalidLineId, LineId};
pub use messages::{
    CaughtError, EndLaneRequest, KeyPace, Lane, Pace, PostprocessRequest, PostprocessResponse,
    PreprocessRequest, PreprocessResponse, StopRequest, StopResponse, WorkRequest, WorkResponse,
    WorkerRequest,
};
pub use open::{Opened, began, damaged, open, parse_job, parse_plan};
pub use pauses::{MOST_PAUSES, pause_after};
pub use plan::{Batch, Continues, InputFacts, LaneKind, Plan, PlannedLane};
pub use run_files::{Claim, LeaseHolder, StopMarker};
pub use segment::{Invocation, SegmentKey};
pub use versions::{note_version, noted_versions};
