//! What the worker needs of AWS besides the store.

mod metrics;
mod secrets;

pub use metrics::CallMetrics;
pub use secrets::AwsSecrets;
