//! Everything that the three steps of a run must agree on, and nothing else. A step never depends on another
//! step: what they share is here, in four modules.
//!
//! | module | what is in it |
//! |---|---|
//! | [`mod@file`] | the job file: its keys, templates and secrets, and the tables of formats and compressions |
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
