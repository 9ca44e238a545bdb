//! What the three functions have in common on AWS: clients, logs, deadlines, and how an error reaches the state machine.
//!
//! A function's `main` builds its clients once and hands its step to [`serve`]. No function needs an environment
//! variable of its own: bucket, job and run come with the event.

mod clients;
mod emf;
mod logs;
mod serve;

pub use aws_config::SdkConfig;
pub use clients::{aws, s3};
pub use emf::Metrics;
pub use lambda_runtime::Error;
pub use serve::{Call, serve};

/// Milliseconds since 1970.
pub fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
