//! The server: the Step Functions API and the embedded S3 at one port, over one durable store.
//!
//! [`Server::open`] opens a state folder, and [`Server::run`] serves it. What was answered with success is on
//! disk, so a process that was killed goes on where it was. In the state folder the server has
//!
//! ```text
//! .serve/keys.toml    the access keys, which the user may edit
//! .serve/store/       the durable store: machines, executions, journals, histories
//! ```

mod api;
mod arn;
mod audit;
mod backup;
mod catalog;
mod commands;
mod console;
mod error;
mod executions;
mod functions;
mod inbox;
mod jobs;
mod keys;
mod metrics;
mod notify;
mod rest;
mod retention;
mod scheduler;
mod schedules;
mod server;
mod services;
mod settings;
mod sigv4;
mod store;
pub mod text;
mod triggers;

pub use arn::Place;
pub use console::sign_in_link;
pub use error::Error;
pub use jobs::{
    BatchStrip, Cell, Content, Exchanged, FailedLines, JobPages, Jobs, JobsError, LaneChange, LaneSecond,
    LiveLane, LiveRun, MACHINE, PlannedLane, Preview, RunDetail, RunOutputs, Sample, SecretName, Tried,
};
pub use keys::{Key, Keys, Role};
pub use server::{Server, check_format, check_settings};
pub use settings::{API, After, CONSOLE, Ceiling, Rule, Settings, TlsFiles, Watch, parse_address};
pub use store::FORMAT;
