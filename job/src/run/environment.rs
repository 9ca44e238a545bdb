//! Where a run takes place.

use serde::{Deserialize, Serialize};

use crate::store::Transfers;

/// Where a run takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// One machine: the workers end with the process.
    Local,
    /// AWS: the workers outlive an execution that is aborted.
    Aws,
}

impl From<Environment> for Transfers {
    /// The store is behind a network on AWS, and in this process on one machine.
    fn from(environment: Environment) -> Self {
        match environment {
            Environment::Local => Self::default(),
            Environment::Aws => Self::NETWORK,
        }
    }
}
