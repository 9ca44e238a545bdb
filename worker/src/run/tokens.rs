//! The secrets that requests are rendered with.

use std::sync::Arc;

use async_trait::async_trait;
use job::file::secrets::Secrets;

use crate::failure::Failure;

/// Gives the secrets of the next request. A source whose values change while the run lasts adds each new one
/// to the run's mask before it gives it out. A request that is sent again keeps the secrets that it was rendered with.
#[async_trait]
pub(crate) trait TokenSource: Send + Sync {
    /// The secrets of the next request. The loop of a call waits for them before it gives a parcel its turn,
    /// so a source returns at once unless it has to fetch a new value.
    ///
    /// # Errors
    /// Why the lines fail that would need them.
    async fn secrets(&self) -> Result<Arc<Secrets>, Failure>;
}

/// The values of the job's secrets, which stay the same for a run.
pub(crate) struct ConstantSecrets(Arc<Secrets>);

impl ConstantSecrets {
    pub(crate) fn new(secrets: Secrets) -> Self {
        Self(Arc::new(secrets))
    }
}

#[async_trait]
impl TokenSource for ConstantSecrets {
    async fn secrets(&self) -> Result<Arc<Secrets>, Failure> {
        Ok(self.0.clone())
    }
}
