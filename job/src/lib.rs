//! Everything that the three steps of a run must agree on, and no more. A step never depends on another step:
//! what they share is here, in four rooms.
//!
//! | room | what is in it |
//! |---|---|
//! | [`file`] | the job file: its keys, templates and secrets, and the tables of formats and compressions |
//! | [`run`] | a run: its event, keys, plan and messages; claim, lease and stop marker; the codes of failed lines |
//! | [`store`] | the objects of a bucket: download, upload, and the one retry loop |
//! | [`wire`] | an item and a line's result as bytes: their writers and readers |
//!
//! `wire` and `run` use `file` and `store`; `file` and `store` use neither. Below them are [`error`] (the
//! errors of a whole step), [`json`] (JSON from others, with the digits of its numbers) and [`text`] (text
//! from others, made safe to show).

pub mod error;
pub mod file;
pub mod json;
pub mod run;
pub mod store;
pub mod text;
pub mod wire;

pub use error::{ErrorName, StepError};
pub use file::{Job, JobError, Row, absolute_url};
pub use run::{
    Batch, Code, Environment, Invocation, LaneKind, LineId, Plan, PlannedLane, RunKeys, SegmentKey, keys,
};
pub use store::{Download, Objects, PausedUpload, RetryPolicy, StorageError, Upload, in_words};
pub use wire::{Item, LineResult, seal};

/// The paths and names from before the rooms, until every package uses the new ones.
mod old {
    #[doc(hidden)]
    pub use crate::file as job_file;
    #[doc(hidden)]
    pub use crate::file::{secrets, template};
    #[doc(hidden)]
    pub use crate::run as plan;
    #[doc(hidden)]
    pub use crate::store as objects;
    #[doc(hidden)]
    pub use crate::wire as item;

    #[doc(hidden)]
    pub mod codes {
        pub use crate::error::*;
        pub use crate::run::{CONNECT_CAUSES, Code};
    }

    #[doc(hidden)]
    pub mod messages {
        pub use crate::run::messages::*;
        pub use crate::run::{
            Batch, Bucket, Claim, Detail, Event, LeaseHolder, LeaseHolder as TurnHolder, Object, Redrive,
            RunRef, StopMarker, run_id,
        };
    }

    #[doc(hidden)]
    pub mod record {
        pub use crate::wire::{Intents as Notes, LineResult as Record};
    }

    #[doc(hidden)]
    pub use crate::file::net;
    #[doc(hidden)]
    pub use crate::run::SegmentKey as FlushKey;
    #[doc(hidden)]
    pub use crate::wire::LineResult as Record;
}
#[doc(hidden)]
pub use old::*;
