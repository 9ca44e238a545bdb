//! Where a run takes place.

use serde::{Deserialize, Serialize};

/// Where a run takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// One machine: the workers end with the process.
    Local,
    /// AWS: the workers outlive an execution that is aborted.
    Aws,
}
