//! Intents: the lines that a worker names before it sends them.

use serde::{Deserialize, Serialize};

use crate::run::LineId;

/// A worker that may not repeat a request names a line in a durable intent before it sends the request. After
/// a crash, a line that an intent names as `sending`, that no later intent of the same call names as
/// `unsent`, and that has no result may have reached the provider.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intents {
    /// Lines that may be sent from now on.
    #[serde(default)]
    pub sending: Vec<LineId>,
    /// Lines that an earlier intent of the same call named, and that were not sent.
    #[serde(default)]
    pub unsent: Vec<LineId>,
}
