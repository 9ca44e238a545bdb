//! The code that the three functions share on AWS: clients, logs, metrics, deadlines, the names of
//! errors, and which executions have ended.
//!
//! A function's `main` builds its clients once and passes its step to [`serve`]. No function needs its own
//! environment variables, because bucket, job and run are in the event.

mod clients;
mod emf;
mod logs;
mod serve;
mod step_functions;

pub use aws_config::SdkConfig;
pub use clients::{aws, s3};
pub use emf::{Metrics, emit_waiting};
pub use lambda_runtime::Error;
pub use serve::{Call, serve};
pub use step_functions::{LEASE_WAIT, StepFunctions};

/// Milliseconds since 1970.
pub fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
