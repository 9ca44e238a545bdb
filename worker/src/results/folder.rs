//! The folder of a batch, as one call of the worker writes to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use job::store::StorageErrorKind;
use job::{Invocation, Objects, StepError};

/// Waits between the attempts to write one object, after the client's own retries.
const WAITS: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Where a call writes its results and its intents.
pub(crate) struct BatchFolder {
    objects: Objects,
    prefix: String,
    invocation: Invocation,
    /// Whether the last write failed and is being repeated. A response that arrives meanwhile might be lost.
    unavailable: AtomicBool,
}

impl BatchFolder {
    pub(crate) fn new(objects: Objects, prefix: String, invocation: Invocation) -> Self {
        Self { objects, prefix, invocation, unavailable: AtomicBool::new(false) }
    }

    pub(crate) fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    pub(crate) fn is_available(&self) -> bool {
        !self.unavailable.load(Ordering::Relaxed)
    }

    /// The keys of all objects in it.
    pub(crate) async fn keys(&self) -> Result<impl Iterator<Item = String>, StepError> {
        Ok(self.objects.list(&self.prefix).await?.into_iter().map(|entry| entry.key))
    }

    /// Writes an object, and tries again where that can help. A second write of the same key has the same
    /// content and does no harm.
    pub(crate) async fn put(&self, name: &str, body: Bytes) -> Result<(), StepError> {
        let key = format!("{}{name}", self.prefix);
        for wait in WAITS {
            match self.objects.put(&key, body.clone()).await {
                Ok(_) => {
                    self.unavailable.store(false, Ordering::Relaxed);
                    return Ok(());
                }
                Err(error) if error.kind == StorageErrorKind::Unavailable => {
                    tracing::warn!(%error, "writing failed; trying again");
                    self.unavailable.store(true, Ordering::Relaxed);
                    tokio::time::sleep(wait).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.objects.put(&key, body).await?;
        self.unavailable.store(false, Ordering::Relaxed);
        Ok(())
    }
}
