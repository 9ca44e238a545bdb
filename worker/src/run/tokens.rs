//! The secrets that requests are rendered with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use job::file::secrets::Secrets;
use job::{Job, StepError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Mask, resolve};
use crate::context::SecretSource;
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

    /// A response was 401: the values may have been replaced.
    fn refused(&self);
}

/// The values of the job's secrets. A run may last for days, so they are read again after a refusal.
pub(crate) struct StoredSecrets {
    source: Arc<dyn SecretSource>,
    job_name: String,
    job: Job,
    mask: Arc<Mask>,
    current: Mutex<Current>,
    refused: AtomicBool,
    /// The shortest time between two reads.
    read_every: Duration,
}

struct Current {
    values: Arc<Secrets>,
    read: Instant,
}

impl StoredSecrets {
    /// Reads the values.
    ///
    /// # Errors
    /// `Job.Invalid` if a secret has no value or cannot be used, `Storage.Unavailable` if another attempt may find one.
    pub(crate) async fn read(
        source: Arc<dyn SecretSource>,
        job_name: &str,
        job: &Job,
        mask: Arc<Mask>,
        read_every: Duration,
    ) -> Result<Self, StepError> {
        let values = resolve(source.as_ref(), job_name, job).await?;
        learn(&mask, job, &values);
        let current = Mutex::new(Current { values: Arc::new(values), read: Instant::now() });
        let refused = AtomicBool::new(false);
        Ok(Self {
            source,
            job_name: job_name.to_owned(),
            job: job.clone(),
            mask,
            current,
            refused,
            read_every,
        })
    }
}

#[async_trait]
impl TokenSource for StoredSecrets {
    async fn secrets(&self) -> Result<Arc<Secrets>, Failure> {
        let mut current = self.current.lock().await;
        if self.refused.load(Ordering::Relaxed) && current.read.elapsed() >= self.read_every {
            self.refused.store(false, Ordering::Relaxed);
            current.read = Instant::now();
            match resolve(self.source.as_ref(), &self.job_name, &self.job).await {
                Ok(values) => {
                    learn(&self.mask, &self.job, &values);
                    current.values = Arc::new(values);
                }
                Err(error) => tracing::warn!(%error, "the secrets stay as they are"),
            }
        }
        Ok(current.values.clone())
    }

    fn refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }
}

fn learn(mask: &Mask, job: &Job, values: &Secrets) {
    mask.learn(job.secrets.keys().filter_map(|name| values.get(name)));
}
