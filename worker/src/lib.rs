//! The worker: sends one request per line of a batch, never faster than the limits allow, and writes the
//! results.
//!
//! Read [`work`] first: it loads the run and the batch, lets `drive` send, and responds to the state machine.
//! Then read `drive`, the loop: `drive/` has a file for each step in the life of a request.
//!
//! Other packages decide which lines make a batch (`preprocess`) and order the output (`postprocess`).
//! Workers of a lane do not coordinate: each keeps to its share of a limit, and the shares add up. Lanes of
//! different jobs take turns for a limit (`limit`).

mod attempt;
mod auth;
mod background;
mod batch;
mod budget;
mod canary;
mod client;
mod context;
mod drive;
mod failure;
mod follow;
mod intents;
mod lane_control;
mod limit;
mod pace;
mod packing;
mod parcel;
mod providers;
mod quota;
pub mod request;
mod response;
mod result_line;
mod results;
mod retry;
mod run;
mod schedule;
mod sockets;
mod stop;
mod tap;
pub mod trial;
mod upload;
mod work;

#[cfg(feature = "lambda")]
mod aws {
    pub(crate) mod metrics;
    pub(crate) mod secrets;
}

#[cfg(feature = "lambda")]
pub use aws::{metrics::CallMetrics, secrets::AwsSecrets};
pub use client::check_pem;
pub use context::{Context, Intents, Observer, Rng, SecretSource, Settings, Silent, SystemRng, Unresolved};
pub use failure::Failure;
pub use lane_control::{LaneChange, LaneControl};
pub use limit::{SharedLimits, end_lane};
pub use providers::Providers;
pub use response::retry_after::read as retry_after;
pub use sockets::raise_descriptors;
pub use stop::stop;
pub use work::{work, work_until};

/// The proxy that the environment names for a URL, without user and password.
pub fn proxy_of_environment(url: &str) -> Option<String> {
    client::Proxies::of_environment().address(url)
}

/// What the worker calls itself in requests, unless the job sets a `user-agent`.
pub const USER_AGENT: &str = concat!("throughline/", env!("CARGO_PKG_VERSION"));
