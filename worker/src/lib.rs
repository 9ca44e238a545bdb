//! The worker: sends one request per line of a batch, never faster than the limits allow, and writes what came of it.
//!
//! Read [`work`] first: it loads the run and the batch, lets `drive` send, and answers the state machine.
//!
//! What is not here: no decision which lines make a batch (`preprocess`), no order of the output (`postprocess`),
//! no coordination between workers: a worker paces itself at its share of the limit, and the shares add up.

mod answer;
mod attempt;
#[cfg(feature = "lambda")]
mod aws;
mod background;
mod batch;
mod budget;
mod context;
mod drive;
mod failure;
mod gate;
pub mod guard;
mod intents;
mod line;
mod pace;
mod record;
pub mod request;
mod results;
mod retry;
mod run;
mod schedule;
mod work;

pub use answer::retry_after::read as retry_after;
#[cfg(feature = "lambda")]
pub use aws::{AwsSecrets, CallMetrics};
pub use context::{Context, Dice, Intents, Observer, SecretSource, Settings, Silent, SystemDice, Unresolved};
pub use failure::Failure;
pub use work::{work, work_until};

/// What the worker calls itself in requests, unless the job sets a `user-agent`.
pub const USER_AGENT: &str = concat!("throughline/", env!("CARGO_PKG_VERSION"));
