//! The worker: sends one request per line of a batch, never faster than the limits allow, and writes what came of it.
//!
//! Read [`work`] first: it loads the run and the batch, lets `drive` send, and answers the state machine.
//!
//! What is not here: no decision which lines make a batch (`preprocess`), no order of the output (`postprocess`),
//! no coordination between workers: a worker paces itself at its share of the limit, and the shares add up.

mod attempt;
mod background;
mod batch;
mod budget;
mod canary;
mod context;
mod drive;
mod failure;
pub mod guard;
mod intents;
mod pace;
mod parcel;
mod record;
pub mod request;
mod response;
mod results;
mod retry;
mod run;
mod schedule;
mod work;

#[cfg(feature = "lambda")]
mod aws {
    pub(crate) mod metrics;
    pub(crate) mod secrets;
}

#[cfg(feature = "lambda")]
pub use aws::{metrics::CallMetrics, secrets::AwsSecrets};
pub use context::{Context, Intents, Observer, Rng, SecretSource, Settings, Silent, SystemRng, Unresolved};
pub use failure::Failure;
pub use response::retry_after::read as retry_after;
pub use work::{work, work_until};

/// What the worker calls itself in requests, unless the job sets a `user-agent`.
pub const USER_AGENT: &str = concat!("throughline/", env!("CARGO_PKG_VERSION"));
