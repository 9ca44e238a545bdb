//! What starts executions by itself: uploads of inputs of jobs, and uploads that a rule names.
//!
//! A trigger is durable before its upload is answered, and stays until its execution is. Its name is made of the
//! object's key and ETag, so a trigger that is repeated after a crash is the same execution. Triggers of one queue
//! start one after the other, each when the execution before it has ended; those that wait are on disk only.

mod body;
mod event;
mod queue;
mod turns;

use std::collections::HashSet;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use s3::Written;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::arn::Place;
use crate::jobs::{Jobs, MACHINE};
use crate::settings::{Rule, Settings};
use crate::store::{Batch, KeyWriter, Space, Store, StoreError};
pub(crate) use event::place_of_event;
use event::{execution_name, hash_of};
use queue::queue_of_rule;
pub(crate) use queue::{Queued, queue_of_job};

/// Objects that are being published.
const PENDING: u8 = b'p';

/// The triggers of a server. Clones share them.
#[derive(Clone)]
pub(crate) struct Triggers(Arc<Shared>);

struct Shared {
    store: Store,
    place: Place,
    jobs: Arc<dyn Jobs>,
    objects: s3::Service,
    rules: Vec<Rule>,
    /// The requests with an idempotency key that are under way.
    requests: Mutex<HashSet<Vec<u8>>>,
    api: OnceLock<Weak<Api>>,
    /// The queues that a task works on.
    working: Mutex<HashSet<String>>,
    /// The runs of jobs that may be under way.
    turns: Arc<Semaphore>,
    last: AtomicU64,
    stop: CancellationToken,
}

/// An execution that is to be started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Trigger {
    /// The name or the ARN of the machine.
    pub(crate) machine: String,
    /// The name of the execution.
    pub(crate) name: String,
    pub(crate) input: String,
    /// Whether the next trigger of the queue waits for the end of the execution.
    pub(crate) in_order: bool,
}

impl Triggers {
    pub(crate) fn new(
        store: Store,
        settings: &Settings,
        jobs: Arc<dyn Jobs>,
        objects: s3::Service,
        stop: CancellationToken,
    ) -> Self {
        Self(Arc::new(Shared {
            store,
            place: settings.place.clone(),
            jobs,
            objects,
            rules: settings.rules.clone(),
            requests: Mutex::default(),
            api: OnceLock::new(),
            working: Mutex::default(),
            turns: Arc::new(Semaphore::new(settings.runs)),
            last: AtomicU64::new(0),
            stop,
        }))
    }

    /// Starts what waits: triggers of the process before this one, and those of uploads that it has published and not
    /// answered.
    pub(crate) async fn resume(&self, api: &Arc<Api>) -> Result<(), StoreError> {
        // A second API would be a bug of the caller; the first one stays.
        let _ = self.0.api.set(Arc::downgrade(api));
        self.recover().await?;
        self.work_on_all(api)
    }

    /// Makes triggers of the objects that were being published when the server ended, and that are there.
    async fn recover(&self) -> Result<(), StoreError> {
        let mut pending: Vec<Written> = Vec::new();
        self.0.store.for_each(Space::Triggers, &[PENDING], |_, value| {
            pending.push(crate::store::json(value)?);
            Ok(())
        })?;
        for object in pending {
            let found = self.0.objects.written(&object.bucket, &object.key);
            let found = found.map_err(|error| StoreError::Broken(error.to_string()))?;
            let batch = if found.as_ref() == Some(&object) {
                self.triggered(&object).0
            } else {
                let mut batch = Batch::default();
                batch.remove(Space::Triggers, pending_key(&object));
                batch
            };
            self.0.store.commit(batch).await?;
        }
        Ok(())
    }

    /// Does what the upload of an object does. Returns whether it starts anything.
    pub(crate) async fn uploaded(&self, object: &Written) -> Result<bool, StoreError> {
        let (batch, queues) = self.triggered(object);
        let starts = !queues.is_empty();
        if starts {
            self.0.store.commit(batch).await?;
            queues.into_iter().for_each(|queue| self.work(queue));
        }
        Ok(starts)
    }

    pub(crate) fn jobs(&self) -> &dyn Jobs {
        &*self.0.jobs
    }

    /// Adds a trigger to a queue. It is on disk when this returns.
    pub(crate) async fn add(&self, queue: String, trigger: Trigger) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        let queue = self.put(&mut batch, (queue, trigger));
        self.0.store.commit(batch).await?;
        self.work(queue);
        Ok(())
    }

    fn requests(&self) -> MutexGuard<'_, HashSet<Vec<u8>>> {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The changes by which the triggers of an object become durable, and their queues.
    fn triggered(&self, object: &Written) -> (Batch, Vec<String>) {
        let (mut batch, mut queues) = (Batch::default(), Vec::new());
        batch.remove(Space::Triggers, pending_key(object));
        let event = event::of_upload(&self.0.place, object);
        let mut put = |queue: String, machine: &str, in_order: bool| {
            let name = execution_name(&queue, &object.bucket, &object.key, &object.etag);
            let input = event.to_string();
            let trigger = Trigger { machine: machine.to_owned(), name, input, in_order };
            queues.push(self.put(&mut batch, (queue, trigger)));
        };
        if let Some(queue) = self.queue(object) {
            put(queue_of_job(&queue), MACHINE, true);
        }
        let hash = hash_of(&[&object.bucket, &object.key, &object.etag]);
        for rule in self.0.rules.iter().filter(|rule| rule.fits(&object.key)) {
            put(queue_of_rule(&rule.machine, &hash), &rule.machine, false);
        }
        (batch, queues)
    }

    /// The queue of a run of a job, whose inputs are in the bucket of the state folder.
    fn queue(&self, object: &Written) -> Option<String> {
        let queue = self.0.jobs.queue(&object.key, object.size);
        queue.filter(|_| object.bucket == s3::BUCKET)
    }

    fn fits(&self, object: &Written) -> bool {
        self.0.rules.iter().any(|rule| rule.fits(&object.key)) || self.queue(object).is_some()
    }
}

impl s3::Observer for Triggers {
    fn before(&self, object: &Written) -> io::Result<()> {
        if !self.fits(object) {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.put_json(Space::Triggers, pending_key(object), object);
        self.0.store.commit_blocking(batch).map_err(io::Error::other)
    }

    fn after(&self, object: &Written) -> io::Result<()> {
        if !self.fits(object) {
            return Ok(());
        }
        let (batch, queues) = self.triggered(object);
        self.0.store.commit_blocking(batch).map_err(io::Error::other)?;
        queues.into_iter().for_each(|queue| self.work(queue));
        Ok(())
    }
}

fn pending_key(object: &Written) -> Vec<u8> {
    let key = KeyWriter::default().byte(PENDING).text(&object.bucket).text(&object.key);
    key.text(&object.etag).done()
}

#[cfg(test)]
mod tests;
